"""Where everything stands in the synthetic street: its lanes, pavements, frontages, traffic and people."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mosaiclib.data.sets.minicity import ground, people, street, vehicles
from mosaiclib.data.sets.minicity.canvas import pick
from mosaiclib.data.sets.minicity.ground import FAR, LANE


@dataclass
class Thing:
    """Something to draw. Things are drawn by band (beyond, on, before the crossing), then from the outermost
    lane inwards, then from far to near: nothing farther from the middle can hide what is nearer to it.
    """

    x: float
    z: float
    draw: Callable[[], None]
    footprint: np.ndarray  # [K, 2] (x, z), metres
    height: float
    layer: float
    contact: bool = False
    band: int | None = None


def _square(x, z, radius):
    return np.array([(-radius, -radius), (radius, -radius), (radius, radius), (-radius, radius)]) + np.array([x, z])


class Layout:
    """The plan of one street, drawn up from the generator; `draw` paints its ground and then its things."""

    def __init__(self, canvas, rng):
        self.canvas, self.rng, self.things = canvas, rng, []
        left, right = 1 + int(rng.random() < 0.3), int(rng.random() < 0.35)
        self.parked = rng.random(2) < 0.4
        self.road = (-LANE * (left + 0.5) - 2.2 * self.parked[0], LANE * (right + 0.5) + 2.2 * self.parked[1])
        self.pavement = rng.uniform(2.2, 3.6, 2)
        self.verge = np.where(rng.random(2) < 0.55, rng.uniform(1.0, 2.5, 2), 0)
        self.lanes = [LANE * i for i in (0, *range(-1, -left - 1, -1), *range(1, right + 1))]
        self.crossing = rng.uniform(17, 30) if rng.random() < 0.5 else None
        self.zebra = rng.uniform(8, 12) if rng.random() < 0.4 else None
        self.tram = rng.random() < 0.5
        self.grass = pick(rng, ((96, 124, 60), (96, 124, 60), (122, 128, 72), (134, 112, 78)))
        self.grass *= rng.uniform(0.8, 1.15)
        self.frontage()
        self.traffic()
        self.kerbside()

    def add(self, x, z, draw, radius, height, layer=None, contact=False):
        footprint = _square(x, z, radius)
        self.things.append(Thing(x, z, draw, footprint, height, abs(x) if layer is None else layer, contact))

    def outer(self, side):
        """x of the frontage and of the kerb on that side (-1 left, 1 right)."""
        i = int(side > 0)
        return self.road[i] + side * (self.verge[i] + self.pavement[i]), self.road[i]

    def in_view(self, x, far=2.2):
        """A random depth from which something at x is inside the image."""
        edge = abs(x) * self.canvas.focal / (0.46 * self.canvas.pixels.shape[1])
        return max(edge, 5.5) * self.rng.uniform(1.0, far)

    def frontage(self):
        """Houses, walls, fences and parks along both sides."""
        rng, canvas = self.rng, self.canvas
        kinds = ["building"] * 5 + ["wall"] * 2 + ["fence"] * 3 + ["park"] * 2
        kinds = [kinds[i] for i in rng.permutation(len(kinds))]
        self.plots = []
        for side in (-1, 1):
            x, z = self.outer(side)[0], 3.0
            while z < FAR:
                if self.crossing and self.crossing - 6 < z < self.crossing + 5:
                    z = self.crossing + 5.0
                far = z + rng.uniform(7, 13)
                if self.crossing and z < self.crossing - 5 < far + 3:
                    far = self.crossing - 5.0
                if far - z < 2:
                    z = far + 1.0
                    continue
                visible = far > canvas.first_seen(x) + 2
                kind = kinds.pop() if kinds and visible else ("building", "building", "park")[rng.integers(3)]
                self.plots.append((kind, side, x, z, far))
                z = far + (rng.uniform(0.5, 2.5) if rng.random() < 0.3 else 0)
        previous = None
        for kind, side, x, near, far in self.plots:
            if far > canvas.first_seen(x):
                joined = previous == (side, "building", near)
                self.plot(kind, side, x, near, far, not joined)
            previous = (side, kind, far)

    def plot(self, kind, side, x, near, far, end_seen):
        rng, canvas = self.rng, self.canvas
        seed = rng.integers(1 << 31)

        def building(x=x):
            street.building(canvas, np.random.default_rng(seed), x, near, far, end_seen)

        def enclosure():
            own = np.random.default_rng(seed)
            draw, height = (
                (street.wall, own.uniform(1.5, 3.0)) if kind == "wall" else (street.fence, own.uniform(1.2, 2.2))
            )
            style = own.bit_generator.state
            for start, end in (((x, near), (x + side * 9, near)), ((x, near), (x, far))):
                own.bit_generator.state = style
                draw(canvas, own, start, end, height)

        def place(draw, x, z, depth, height):
            outline = np.array([(x, near), (x, far), (x + side * depth, far), (x + side * depth, near)])
            self.things.append(Thing(x, z, draw, outline, height, abs(x)))

        if kind == "building":
            return place(building, x, far, 14.0, 12.0)
        if rng.random() < 0.35:
            place(lambda: building(x + side * 11), x + side * 11, far, 9.0, 9.0)
        for _ in range(rng.integers(1, 3)):
            tx, tz = x + side * rng.uniform(1.5, 9), rng.uniform(near + 1, far)
            self.add(tx, tz, self.painter(street.tree, tx, tz), 1.5, 7)
        if rng.random() < 0.6:
            bx, bz = x + side * rng.uniform(2.5, 6), far - 0.5
            args = (bx, bz, rng.uniform(2.5, 5), rng.uniform(1.2, 2.4))
            self.add(bx, bz, self.painter(street.bushes, *args), 1.5, 1.5)
        if kind != "park":
            place(enclosure, x, far, 0.3, 2.0)

    def painter(self, function, *args):
        """A drawing call with a generator of its own, so that the order of drawing changes nothing."""
        seed = self.rng.integers(1 << 31)
        return lambda: function(self.canvas, np.random.default_rng(seed), *args)

    def vehicle(self, kind, x, z, heading, layer=None, band=None):
        half, wide = vehicles.LENGTHS[kind] / 2, 1.0 if kind == vehicles.CAR else 1.3
        corners = np.array([(-wide, -half), (wide, -half), (wide, half), (-wide, half)])
        turn = np.array([(np.cos(heading), -np.sin(heading)), (np.sin(heading), np.cos(heading))])
        draw = self.painter(vehicles.DRAW[kind], x, z, heading)
        layer = abs(x) if layer is None else layer
        height = vehicles.HEIGHTS[kind]
        self.things.append(Thing(x, z, draw, corners @ turn + (x, z), height, layer, True, band))

    def traffic(self):
        """Large vehicles first, each in a lane of its own where it is seen, then cars and cycles behind them."""
        rng = self.rng
        guests = [kind for kind in (vehicles.BUS, vehicles.TRUCK, vehicles.TRAIN) if rng.random() < 0.55]
        self.crossing_kind = None
        guests = [guests[i] for i in rng.permutation(len(guests))]
        if self.crossing:
            across = guests.pop() if guests and rng.random() < 0.6 else vehicles.CAR
            self.crossing_kind = across
            heading = pick(rng, (-1, 1)) * np.pi / 2
            self.vehicle(across, rng.uniform(-5, 5), self.crossing + rng.uniform(-1, 1), heading, 0.0, 1)
        start = self.zebra + 2.5 if self.zebra else 6.0
        cursor = {x: start + rng.uniform(0, 5) + 4.0 * (x == 0) for x in self.lanes}
        cycles = int(rng.integers(0, 3))
        order = [self.lanes[i] for i in rng.permutation(len(self.lanes))]
        for i, x in enumerate(order * 3):
            if cycles and rng.random() < 0.6:
                cycles -= 1
                cx, z, motor = x + rng.uniform(-0.9, 0.9), cursor[x], bool(rng.random() < 0.4)
                draw = self.painter(people.cycle_from_behind, cx, z, motor)
                self.add(cx, z, draw, 0.3, 1.7, layer=abs(x), contact=True)
                cursor[x] = z + rng.uniform(3, 6)
            kind = guests.pop() if guests and (i >= len(order) or rng.random() < 0.7) else vehicles.CAR
            if kind == vehicles.CAR and rng.random() < 0.35:
                cursor[x] += 8
                continue
            length = vehicles.LENGTHS[kind]
            if self.crossing and cursor[x] < self.crossing + 6 and cursor[x] + length > self.crossing - 5:
                cursor[x] = self.crossing + 6
            heading = (np.pi if x < 0 else 0.0) + rng.normal(0, 0.03)
            self.vehicle(kind, x + rng.uniform(-0.2, 0.2), cursor[x] + length / 2, heading, abs(x))
            cursor[x] += length + rng.uniform(3, 12)
        for i, side in enumerate((-1, 1)):
            x, z = self.road[i] - side * 1.1, rng.uniform(4, 12)
            while self.parked[i] and z < 34:
                if rng.random() < 0.7 and not (self.crossing and abs(z + 2.2 - self.crossing) < 8):
                    self.vehicle(vehicles.CAR, x, z + 2.2, pick(rng, (0, np.pi)) + rng.normal(0, 0.05))
                z += rng.uniform(5.2, 7)

    def kerbside(self):
        """Poles, lights, signs, trees, people, cycles and clutter on the pavements; people on the zebra."""
        rng = self.rng
        for side in (-1, 1):
            wall, kerb = self.outer(side)
            i = int(side > 0)
            post, walk = kerb + side * 0.4, (kerb + side * (self.verge[i] + 0.8), wall - side * 0.5)
            lamps = [(street.lamp_post, 0.8, 7), (street.lamp_post, 0.5, 7)]
            signs = [(street.traffic_sign, 0.75, 4), (street.traffic_sign, 0.5, 4)]
            for maker, chance, height in [(street.traffic_light, 0.7, 5), *signs, *lamps]:
                if rng.random() < chance:
                    x, z = post + side * rng.uniform(0, 0.3), max(self.in_view(post, 2.0), 7.0)
                    self.add(x, z, self.painter(maker, x, z), 0.1, height)
            for _ in range(int(rng.integers(1, 4))):
                x = walk[0] + rng.random() * (walk[1] - walk[0])
                z = self.in_view(x)
                self.add(x, z, self.painter(people.person, x, z), 0.25, 1.7)
            if rng.random() < 0.45:
                x = kerb + side * (self.verge[i] + 0.3)
                for z in self.in_view(x) + np.arange(0, rng.integers(1, 3)) * 8.0:
                    self.add(x, z, self.painter(street.tree, x, z), 1.3, 6)
            for maker, chance in ((people.bicycle, 0.5), (people.motorcycle, 0.3)):
                if rng.random() < chance:
                    x0, ridden = walk[0] + side * 0.4, bool(rng.random() < 0.4)
                    z = self.in_view(x0, 1.6)
                    for k in range(1 if ridden else int(rng.integers(1, 3))):
                        x = x0 + side * 0.5 * k
                        args = (x, z + 0.5 * k, pick(rng, (-1, 1)), ridden)
                        self.add(x, z + 0.5 * k, self.painter(maker, *args), 0.5, 1.2, abs(x0))
            if rng.random() < 0.3:
                x = walk[1]
                z = self.in_view(x)
                self.add(x, z, self.painter(street.clutter, x, z), 0.4, 0.9)
        if self.zebra:
            for _ in range(int(rng.integers(1, 4))):
                lane = self.lanes[rng.integers(len(self.lanes))]
                x, z = lane + rng.uniform(-1.5, 1.5), self.zebra + rng.uniform(-0.8, 0.8)
                maker, args = people.person, (x, z)
                if rng.random() < 0.3:
                    maker = people.bicycle if rng.random() < 0.5 else people.motorcycle
                    args = (x, z, pick(rng, (-1, 1)), True)
                self.add(x, z, self.painter(maker, *args), 0.3, 1.7, abs(lane), True)

    def draw(self):
        ground.paint(self, self.canvas, self.rng)
        self.canvas.finish_ground(
            [t.footprint for t in self.things], [t.height for t in self.things], [t.contact for t in self.things]
        )
        ground.backdrop(self.canvas, self.rng)

        def order(thing):
            band = thing.band
            if band is None:
                band = 0 if self.crossing and thing.z > self.crossing else 2
            return band, -thing.layer, -thing.z

        for thing in sorted(filter(self.seen, self.things), key=order):
            thing.draw()

    def seen(self, thing):
        """Whether any part of a thing may lie inside the image; its parts overhang its footprint by 3 m."""
        scale = self.canvas.focal / np.maximum(thing.footprint[:, 1], 1.5)
        left = self.canvas.centre + (thing.footprint[:, 0].min() - 3) * scale
        right = self.canvas.centre + (thing.footprint[:, 0].max() + 3) * scale
        return left.min() < self.canvas.pixels.shape[1] and right.max() > 0

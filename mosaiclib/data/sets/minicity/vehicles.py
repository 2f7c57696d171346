"""Cars, trucks, buses and trams of the synthetic street: side outlines swept across the vehicle's width."""

import math

import numpy as np

from mosaiclib.data.sets.minicity.canvas import CIRCLE, pick

CAR, TRUCK, BUS, TRAIN = 13, 14, 15, 16
LENGTHS = {CAR: 4.4, TRUCK: 8.5, BUS: 11.0, TRAIN: 22.0}  # metres
HEIGHTS = {CAR: 1.5, TRUCK: 3.5, BUS: 3.1, TRAIN: 3.6}
DETAILED = 32.0  # metres; farther vehicles are drawn without their small parts
GLASS = np.array([42.0, 50, 60])
TYRE = np.array([24.0, 24, 26])
RIM = np.array([150.0, 150, 152])
PAINTS = np.array(
    [(225, 225, 228), (30, 32, 36), (120, 124, 130), (160, 30, 34), (32, 60, 130), (70, 90, 80), (180, 170, 150)],
    float,
)
LIVERIES = np.array([(196, 40, 36), (232, 178, 30), (40, 96, 168), (60, 140, 80), (224, 224, 220)], float)


class _Body:
    """A vehicle standing at (x, z), heading in radians: 0 drives away from the camera, pi towards it.

    Its own coordinates, metres: along (forwards), across (to its right) and y (up).
    """

    def __init__(self, canvas, x, z, heading, half_width, class_id):
        self.canvas, self.class_id, self.half_width = canvas, class_id, half_width
        self.origin = np.array([x, 0.0, z])
        self.forwards = np.array([np.sin(heading), 0, np.cos(heading)])
        self.rightwards = np.array([np.cos(heading), 0, -np.sin(heading)])
        self.axes = np.stack([self.forwards, self.rightwards, (0, 1, 0)])
        self.eye_along, self.eye_across = -self.origin @ self.forwards, -self.origin @ self.rightwards

    def points(self, shape, along, across, y):
        local = np.empty((*shape, 3))
        local[..., 0], local[..., 1], local[..., 2] = along, across, y
        return (local.reshape(-1, 3) @ self.axes + self.origin).reshape(local.shape)

    def paint(self, along, across, y, colour):
        self.canvas.paint(self.points(np.shape(y), along, across, y), colour, self.class_id)

    def sweep(self, outline, colour, glass=()):
        """Sweep a counter-clockwise side outline [(along, y)] over the width; `glass` names window edges."""
        edges = []
        for i, (start, end) in enumerate(zip(outline, [*outline[1:], outline[0]], strict=True)):
            along, up = end[1] - start[1], start[0] - end[0]
            to_eye = self.eye_along - (start[0] + end[0]) / 2, self.canvas.eye - (start[1] + end[1]) / 2
            if along * to_eye[0] + up * to_eye[1] > 0:
                edges.append((-math.hypot(*to_eye), i, start, end, along, up))
        along, y, colours = [], [], []
        for _, i, start, end, out, up in sorted(edges):
            normal = (out * self.forwards + np.array([0, up, 0])) / math.hypot(out, up)
            along.append((start[0], start[0], end[0], end[0]))
            y.append((start[1], start[1], end[1], end[1]))
            colours.append(self.canvas.lit(GLASS + 30 * max(normal[1], 0) if i in glass else colour, *normal))
        w = self.half_width
        if edges:
            self.paint(along, (-w, w, w, -w), y, np.array(colours))
        self.side([outline], colour)

    def side(self, outlines, colour, lit=True):
        """Polygons [(along, y)] on the side that is turned to the camera, if one is."""
        if abs(self.eye_across) <= self.half_width:
            return
        hand = np.sign(self.eye_across)
        colour = self.canvas.lit(colour, *(hand * self.rightwards)) if lit else colour
        outlines = np.asarray(outlines, float)
        self.paint(outlines[..., 0], hand * self.half_width, outlines[..., 1], colour)

    def end(self, along, rectangles, colour):
        """Rectangles (across0, across1, low, high) on the end face at `along`, if it faces the camera."""
        if (self.eye_along - along) * np.sign(along) <= 0:
            return False
        r = np.asarray(rectangles, float).reshape(-1, 4)
        self.paint(along, r[:, [0, 1, 1, 0]], r[:, [2, 2, 3, 3]], colour)
        return True

    def tyres(self, axles, radius):
        """The wheels as seen from the front or back; drawn before the body, which hides most of them."""
        w, turned = self.half_width, 0.8 * radius
        backs = [a + math.copysign(turned, self.eye_along - a) for a in axles for _ in (0, 1)]
        x = [(-w, 0.28 - w, 0.28 - w, -w), (w - 0.28, w, w, w - 0.28)] * len(axles)
        y = [(0, 0, radius * 1.6, radius * 1.6)] * len(backs)
        self.paint(np.array(backs)[:, None], x, y, np.tile(TYRE, (len(backs), 1)))

    def wheels(self, axles, radius):
        """The wheels as seen from the side; drawn after the body."""
        self.side([CIRCLE * radius + (along, radius) for along in axles], TYRE, lit=False)
        if self.origin[2] < DETAILED:
            self.side([CIRCLE * radius * 0.5 + (along, radius) for along in axles], RIM, lit=False)


def _rectangle(a0, a1, y0, y1):
    return [(a0, y0), (a1, y0), (a1, y1), (a0, y1)]


def _lamps(body, front, back, width, height):
    inner, outer = width * 0.6, width * 0.92
    pair = [(-outer, -inner, height, height + 0.2), (inner, outer, height, height + 0.2)]
    body.end(front, pair, (250, 246, 220))
    body.end(back, pair, (214, 30, 26))


def car(canvas, rng, x, z, heading):
    """A saloon, hatchback or van of about 4.4 m."""
    paint = pick(rng, PAINTS) * rng.uniform(0.8, 1.1) + rng.uniform(-15, 15, 3)
    roof, bonnet, tail = rng.uniform(1.42, 1.75), rng.uniform(0.95, 1.35), rng.uniform(0.05, 0.75)
    body = _Body(canvas, x, z, heading, rng.uniform(0.85, 0.95), CAR)
    body.tyres((-1.3, 1.35), 0.34)
    belt = 0.95
    outline = [(-2.1, 0.28), (2.1, 0.28), (2.2, 0.72), (bonnet, belt), (bonnet - 0.75, roof)]
    outline += [(-2.0 + tail, roof), (-2.12, belt), (-2.2, 0.55)]
    body.sweep(outline, paint, glass=(3, 5))
    front, back = (bonnet - 0.1, belt + 0.03), (-2.0 + tail * 0.3, belt + 0.03)
    body.side([[front, (bonnet - 0.75, roof - 0.08), (-1.9 + tail, roof - 0.08), back]], GLASS + 10)
    body.side([_rectangle(-0.28, -0.18, 0.4, roof - 0.05)], paint * 0.8)
    body.wheels((-1.3, 1.35), 0.34)
    if z > DETAILED:
        return
    _lamps(body, 2.2, -2.2, body.half_width, 0.62)
    body.end(-2.2, [(-0.3, 0.3, 0.5, 0.66)], (225, 222, 200))
    body.end(2.2, [(-0.5, 0.5, 0.42, 0.62)], (28, 28, 30))


def truck(canvas, rng, x, z, heading):
    """A coloured cab in front of a plain box, tarpaulin or tank."""
    cab = pick(rng, LIVERIES) * rng.uniform(0.7, 1)
    box = np.full(3, rng.uniform(120, 225)) + rng.uniform(-35, 35, 3)
    top, floor = rng.uniform(3.2, 3.7), 1.0
    body = _Body(canvas, x, z, heading, 1.2, TRUCK)
    body.tyres((-3.0, -1.9, 2.9), 0.5)
    body.sweep(_rectangle(-4.0, 3.9, 0.55, floor), (46, 46, 50))

    def draw_cab():
        body.sweep([(2.1, 0.6), (4.2, 0.6), (4.2, 1.5), (3.95, 2.75), (2.1, 2.85)], cab, glass=(2,))
        body.side([[(2.9, 1.6), (3.95, 1.6), (3.75, 2.5), (2.9, 2.5)]], GLASS)
        body.end(4.2, [(-1, 1, 0.75, 1.1)], (40, 40, 42))

    def draw_box():
        body.sweep(_rectangle(-4.2, 1.9, floor, top), box)
        ribs = np.arange(-4.0, 1.8, 0.75)
        body.side([_rectangle(a, a + 0.1, floor, top) for a in ribs], box * 0.78)
        body.side([_rectangle(-3.2, 0.9, floor + 1.0, floor + 1.5)], cab)
        body.end(-4.2, [(-0.05, 0.05, floor, top), (-1.2, -1.08, floor, top), (1.08, 1.2, floor, top)], box * 0.6)
        body.end(-4.2, [(-1.2, 1.2, floor, floor + 0.12), (-1.2, 1.2, top - 0.12, top)], box * 0.6)

    parts = (draw_cab, draw_box) if body.eye_along < 2 else (draw_box, draw_cab)
    for part in parts:
        part()
    body.wheels((-3.0, -1.9, 2.9), 0.5)
    _lamps(body, 4.2, -4.2, 1.2, 0.7)


def bus(canvas, rng, x, z, heading):
    """A box on wheels with one band of windows and a lit destination sign."""
    paint = pick(rng, LIVERIES) * rng.uniform(0.85, 1.05)
    body = _Body(canvas, x, z, heading, 1.27, BUS)
    body.tyres((-3.2, 3.0), 0.48)
    body.sweep(_rectangle(-5.5, 5.5, 0.35, 3.1), paint)
    body.side([_rectangle(-5.2, 5.3, 1.45, 2.5)], GLASS)
    body.side([_rectangle(a, a + 0.12, 1.45, 2.5) for a in np.arange(-3.8, 5, 1.5)], paint * 0.8)
    body.side([_rectangle(a, a + 1.1, 0.45, 2.5) for a in (-0.6, 4.0)], GLASS * 1.3)
    body.side([_rectangle(-5.5, 5.5, 0.8, 1.0)], pick(rng, LIVERIES))
    body.wheels((-3.2, 3.0), 0.48)
    body.end(5.5, [(-1.15, 1.15, 1.1, 2.5)], GLASS * 1.2)
    body.end(5.5, [(-0.9, 0.9, 2.62, 2.95)], (244, 166, 40))
    body.end(-5.5, [(-1.0, 1.0, 1.7, 2.6)], GLASS)
    body.end(-5.5, [(-0.6, 0.6, 2.7, 2.95)], (244, 166, 40))
    body.end(-5.5, [(-1.0, 1.0, 0.5, 1.2)], paint * 0.6)
    _lamps(body, 5.5, -5.5, 1.27, 0.75)


def train(canvas, rng, x, z, heading):
    """A tram: long, with slanted noses, bellows between its cars and a pantograph; no wheels to be seen."""
    lower = pick(rng, LIVERIES)
    upper = np.array([232.0, 230, 222]) if rng.random() < 0.7 else lower * 1.1
    body = _Body(canvas, x, z, heading, 1.25, TRAIN)
    half = LENGTHS[TRAIN] / 2
    body.half_width = 0.9
    body.sweep(_rectangle(-half + 1, half - 1, 0.0, 0.45), (30, 30, 33))
    body.half_width = 1.25
    nose = [(-half, 0.3), (half, 0.3), (half, 1.3), (half - 0.9, 3.1), (half - 1.3, 3.4)]
    nose += [(-half + 1.3, 3.4), (-half + 0.9, 3.1), (-half, 1.3)]
    body.sweep(nose, upper, glass=(2, 6))
    body.side([[(-half, 0.3), (half, 0.3), (half, 1.3), (-half, 1.3)]], lower)
    for end in (-half, half):
        body.end(end, [(-1.25, 1.25, 0.3, 1.3)], lower * 0.95)
        body.end(end, [(-0.5, 0.5, 0.45, 0.75)], (40, 40, 44))
    body.side([_rectangle(-half + 1.2, half - 1.2, 1.5, 2.7)], GLASS)
    pillars = np.arange(-half + 2.5, half - 2, 1.8)
    body.side([_rectangle(a, a + 0.18, 1.5, 2.7) for a in pillars], upper * 0.8)
    body.side([_rectangle(a, a + 1.3, 0.4, 2.7) for a in (-7.2, -0.65, 5.9)], lower * 0.6)
    body.side([_rectangle(a - 0.35, a + 0.35, 0.3, 3.4) for a in (-3.7, 3.7)], (36, 36, 40))
    body.side([_rectangle(a - 1.1, a + 1.1, 0.05, 0.42) for a in (-7.6, 0, 7.6)], (58, 56, 56), lit=False)
    for a in (0.0, 1.4):
        arm = np.array([a, a + 0.1, 0.8, 0.7])
        body.paint(arm, 0.0, (3.4, 3.4, 4.3, 4.3), (50, 50, 54))
    body.paint(0.75, np.array([-0.8, 0.8, 0.8, -0.8]), np.array([4.25, 4.25, 4.4, 4.4]), (50, 50, 54))
    _lamps(body, half, -half, 1.25, 0.85)


DRAW = {CAR: car, TRUCK: truck, BUS: bus, TRAIN: train}

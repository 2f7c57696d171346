"""The ground of the synthetic street, and the far houses and trees that close the view."""

import numpy as np

from mosaiclib.data.sets.minicity import street, vehicles
from mosaiclib.data.sets.minicity.canvas import flat, pick, upright

ROAD, SIDEWALK, TERRAIN = 0, 1, 9
LANE = 3.3  # metres
FAR = 75.0  # metres; where the street ends in a backdrop


def paint(plan, canvas, rng):
    """The ground of a `Layout`: grass, pavements with joints, road with patches and markings."""

    def lay(left, right, near, far, colour, class_id):
        canvas.paint(flat(left, right, near, far), colour, class_id, hazy=False)

    asphalt = np.full(3, rng.uniform(62, 128)) + rng.uniform(-8, 8, 3)
    slabs = np.full(3, rng.uniform(118, 178)) + rng.uniform(-14, 14, 3)
    lay(-90, 90, 1.5, 3000, plan.grass, TERRAIN)
    for kind, side, x, near, far in plan.plots:
        if kind == "building":
            lay(x - side * 0.1, x + side * 16, near, far, slabs, SIDEWALK)
    for side in (-1, 1):
        wall, kerb = plan.outer(side)
        i = int(side > 0)
        lay(kerb, wall, 1.5, 3000, slabs, SIDEWALK)
        joints = np.concatenate([np.arange(4, 20, 1.2), np.arange(20, 45, 2.4)])
        lay(kerb, wall, joints, joints + 0.07 + joints * 0.004, slabs * 0.8, SIDEWALK)
        middle = kerb + side * (plan.verge[i] + plan.pavement[i] / 2)
        lay(middle - 0.04, middle + 0.04, 1.5, 40, slabs * 0.8, SIDEWALK)
        if plan.verge[i]:
            lay(kerb, kerb + side * plan.verge[i], 1.5, 3000, plan.grass, TERRAIN)
    lay(*plan.road, 1.5, 3000, asphalt, ROAD)
    for _ in range(4):
        x, z = rng.uniform(*plan.road), rng.uniform(5, 25)
        x0, x1 = np.clip((x, x + rng.uniform(0.5, 2.5)), *plan.road)
        lay(x0, x1, z, z + rng.uniform(1, 7), asphalt * rng.uniform(0.8, 1.15), ROAD)
    if plan.crossing:
        lay(-90, 90, plan.crossing - 4.5, plan.crossing + 4.5, asphalt, ROAD)
    for side, x in zip((-1, 1), plan.road, strict=True):
        spans = [(1.5, plan.crossing - 4.5), (plan.crossing + 4.5, 150)] if plan.crossing else [(1.5, 150)]
        for near, far in spans:
            lay(x, x + side * 0.2, near, far, slabs * 1.25, SIDEWALK)
            lay(x - side * 0.06, x, near, far, asphalt * 0.6, ROAD)
    _markings(plan, rng, lay, asphalt)


def _markings(plan, rng, lay, asphalt):
    white = pick(rng, ((226, 226, 222),) * 4 + ((226, 196, 90),)) * rng.uniform(0.8, 1.05)
    borders = sorted({round(x + s * LANE / 2, 2) for x in plan.lanes for s in (-1, 1)})
    for border in borders:
        solid = border in (borders[0], borders[-1]) or (border == -1.65 and rng.random() < 0.3)
        phase = rng.uniform(0, 3)
        near = np.array([1.5]) if solid else np.arange(1.5 + phase, 70, 6.0)
        lay(border - 0.08, border + 0.08, near, 90 if solid else near + 3.0, white, ROAD)
    if plan.crossing:
        lay(-90, 90, plan.crossing - 4.3, plan.crossing + 4.3, asphalt, ROAD)
        lay(-LANE / 2 * 0.9, plan.road[1] - 0.3, plan.crossing - 6.2, plan.crossing - 5.6, white, ROAD)
    if plan.tram:
        for rail in (-LANE - 0.72, -LANE + 0.72):
            lay(rail - 0.12, rail + 0.12, 1.5, 120, asphalt * 0.65, ROAD)
            lay(rail - 0.04, rail + 0.04, 1.5, 120, (186, 186, 190), ROAD)
    if plan.crossing and plan.crossing_kind == vehicles.TRAIN:
        for rail in (plan.crossing - 0.72, plan.crossing + 0.72):
            lay(-60, 60, rail - 0.14, rail + 0.14, asphalt * 0.55, ROAD)
    if plan.zebra:
        stripes = np.arange(plan.road[0] + 0.3, plan.road[1] - 0.4, 1.0)
        lay(stripes, stripes + 0.5, plan.zebra - 1.5, plan.zebra + 1.5, white, ROAD)
    x, z = rng.uniform(-1, 1), rng.uniform(6, 14)
    lay(x, x + 0.7, z, z + 0.8, asphalt * 0.6, ROAD)


def backdrop(canvas, rng):
    """Far houses and trees that close the view."""
    ridge = np.concatenate([[(-150, 0)], np.stack([np.arange(-150, 151, 20), rng.uniform(3, 8, 16)], -1), [(150, 0)]])
    canvas.paint(upright(0, 140, ridge), street.leaf_colour(rng) * 0.8, street.VEGETATION)
    for x in np.arange(-72, 72, rng.uniform(9, 14)):
        if rng.random() < 0.55 and not -10 < x < 4:
            tone = pick(rng, street.PLASTER) * rng.uniform(0.7, 1)
            high, wide = rng.uniform(7, 20), rng.uniform(8, 14)
            canvas.paint(upright(x, FAR + 12, [(0, 0), (wide, 0), (wide, high), (0, high)]), tone, street.BUILDING)
            rows, columns = np.meshgrid(np.arange(1.2, high - 2, 3.2), np.arange(0.8, wide - 1.5, 2.6))
            low = np.stack([columns.ravel(), rows.ravel()], -1)[:, None]
            panes = low + np.array([(0, 0), (1.3, 0), (1.3, 1.6), (0, 1.6)])
            canvas.paint(upright(x, FAR + 12, panes), tone * 0.55, street.BUILDING)
        elif rng.random() < 0.7:
            street.bushes(canvas, rng, x + 4, FAR + 8, rng.uniform(7, 12), rng.uniform(4, 8))

"""What lines the synthetic street: facades, walls, fences, trees, poles, lights, signs, unlabelled clutter."""

import numpy as np

from mosaiclib.data.images import IGNORE
from mosaiclib.data.sets.minicity.canvas import CIRCLE, bar, panels, pick, upright

BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION = 2, 3, 4, 5, 6, 7, 8
PLASTER = np.array(
    [
        (196, 176, 146),
        (168, 84, 66),
        (150, 148, 146),
        (206, 200, 188),
        (140, 110, 88),
        (120, 132, 146),
        (214, 178, 120),
    ],
    float,
)
STONE = np.array([(150, 146, 140), (160, 96, 78), (118, 116, 112), (182, 172, 152)], float)
LEAVES = np.array([(70, 104, 44), (92, 116, 52), (50, 84, 50), (110, 120, 58), (146, 112, 46)], float)
_COMMON_LEAVES = (0, 0, 0, 1, 1, 1, 2, 2, 3, 4)


def building(canvas, rng, x, near, far, end_seen=True):
    """A house whose facade stands along the street at x from z = near to far; its end faces the camera."""
    plaster = pick(rng, PLASTER) * rng.uniform(0.8, 1.1) + rng.uniform(-10, 10, 3)
    floors, storey = int(rng.integers(2, 6)), rng.uniform(2.8, 3.5)
    height = floors * storey + rng.uniform(0.3, 1.2)
    bay, wide, tall = rng.uniform(2.0, 3.6), rng.uniform(0.4, 0.62), rng.uniform(0.45, 0.65)
    shop, frame = rng.random() < 0.5, plaster * rng.uniform(0.6, 1.3)
    awning = rng.uniform(60, 220, 3)
    side = np.sign(x)
    for start, end, normal in (
        ((x, near), (x + side * 14, near), (0, 0, -1)),
        ((x, near), (x, far), (-side, 0, 0)),
    ):
        if normal[2] and not end_seen:
            continue
        length = abs(end[0] - start[0]) + abs(end[1] - start[1])

        def rectangles(*spans, start=start, end=end):
            return panels(start, end, *spans)

        wall = canvas.lit(plaster, *normal)
        bands = rectangles(0, length, np.array([0, height - 0.5, 0]), np.array([height, height, 0.6]))
        canvas.paint(bands, wall * np.array([[1], [0.75], [0.7]]), BUILDING)
        if near > 55:
            continue
        top = canvas.eye + canvas.horizon / canvas.focal * end[1]  # what is higher lies above the image
        columns, rows = np.arange(max(int(length / bay), 1)), np.arange(int(shop), min(floors, int(top / storey) + 1))
        pitch = length / len(columns)
        if normal[0]:
            columns = columns[near + (columns + 1) * pitch > canvas.first_seen(x)]
        else:
            columns = columns[: max(int((near * canvas.widest - abs(x)) / pitch) + 1, 0)]
        column, row = (grid.ravel() for grid in np.meshgrid(columns, rows))
        left, low = (column + 0.5 - wide / 2) * pitch, row * storey + storey * (0.95 - tall) * 0.8
        right, high = left + wide * pitch, low + tall * storey
        if near < 35:
            frames = rectangles(left - 0.15, right + 0.15, low - 0.2, high + 0.12)
            canvas.paint(frames, canvas.lit(frame, *normal), BUILDING)
        glass = canvas.lit((58, 66, 80), *normal)
        canvas.paint(rectangles(left, right, low, high), glass, BUILDING)
        bright = rng.random(len(left)) < 0.3
        if bright.any():
            shine = pick(rng, [(170, 190, 210), (236, 206, 130), (200, 196, 188)])
            spans = (left[bright], right[bright] - 0.1, low[bright] + 0.3, high[bright])
            canvas.paint(rectangles(*spans), shine, BUILDING)
        if shop:
            left = columns * pitch
            canvas.paint(rectangles(left + 0.3, left + pitch - 0.2, 0.4, storey * 0.75), glass * 1.15, BUILDING)
            canvas.paint(rectangles(left + 0.1, left + pitch * 0.96, storey * 0.72, storey * 0.98), awning, BUILDING)


def wall(canvas, rng, start, end, height):
    """A low wall of stones or bricks with a coping, along the ground line start-end ((x, z) metres)."""
    stone = pick(rng, STONE) * rng.uniform(0.85, 1.1)
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    along_street = start[0] == end[0]
    stone = canvas.lit(stone, -np.sign(start[0]) * along_street, 0, -1.0 * (not along_street))
    canvas.paint(panels(start, end, 0, length, 0, height), stone, WALL)
    course = max(height / rng.integers(3, 6), 0.35)
    low, joint = (
        grid.ravel() for grid in np.meshgrid(np.arange(0, height - 0.2, course), np.arange(0, length - 1, 1.8))
    )
    joint = joint + 0.9 * (np.round(low / course) % 2)
    high = np.minimum(low + course, height)
    odd = rng.random(len(joint)) < 0.35
    ends = np.minimum(joint[odd] + 1.75, length)
    canvas.paint(panels(start, end, joint[odd], ends, low[odd], high[odd]), stone * 0.86, WALL)
    canvas.paint(panels(start, end, joint, joint + 0.08, low, high), stone * 0.62, WALL)
    bed = np.arange(0, height - 0.2, course)
    canvas.paint(panels(start, end, 0, length, bed, bed + 0.07), stone * 0.62, WALL)
    canvas.paint(panels(start, end, 0, length, height - 0.18, height + 0.05), stone * 1.2, WALL)


def fence(canvas, rng, start, end, height):
    """Posts, rails and bars or mesh; what is seen through the gaps belongs to the fence too."""
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    steel = pick(rng, [(60, 64, 68), (190, 192, 190), (130, 96, 62), (44, 84, 62)]) * rng.uniform(0.85, 1.1)
    whole = panels(start, end, 0, length, 0, height)[0]
    canvas.veil(whole, steel, 0.25, FENCE)
    if rng.random() < 0.6:
        pickets = np.arange(0.1, length, 0.35)
        canvas.paint(panels(start, end, pickets, pickets + 0.1, 0.1, height - 0.05), steel * 0.9, FENCE)
    else:
        step = np.arange(0, length - 0.45, 0.45)
        for rising in (True, False):
            mesh = panels(start, end, step, step + 0.45, 0.1, height)
            low, high = mesh[:, 0 if rising else 1], mesh[:, 2 if rising else 3]
            lift = np.array([0, 0.1, 0])
            canvas.paint(np.stack([low, high - lift, high, low + lift], 1), steel * 0.9, FENCE)
    canvas.paint(panels(start, end, 0, length, np.array([height * 0.92, 0.12]), np.array([height, 0.22])), steel, FENCE)
    posts = np.arange(0, length, 2.2)
    canvas.paint(panels(start, end, posts, posts + 0.14, 0, height + 0.1), steel * 1.1, FENCE)


def _foliage(canvas, rng, x, z, centres, radii, leaf):
    """Leafy clumps [N, 2] painted dark, middle and sunlit, each pass higher and smaller."""
    ragged = CIRCLE * rng.uniform(0.75, 1.2, (len(centres), len(CIRCLE), 1)) * radii[:, None, None]
    sun = canvas.sun[:2] / np.abs(canvas.sun[:2]).max() * radii[:, None]
    passes = ((-0.12, 1.0, 0.62), (0.1, 0.8, 0.95), (0.4, 0.42, 1.0 + 0.35 * canvas.sunshine))
    clumps = [ragged * size + (centres + sun * shift)[:, None] for shift, size, _ in passes]
    tones = np.repeat([tone for _, _, tone in passes], len(centres))
    canvas.paint(upright(x, z, np.concatenate(clumps)), leaf * tones[:, None], VEGETATION)


def leaf_colour(rng):
    return LEAVES[_COMMON_LEAVES[rng.integers(len(_COMMON_LEAVES))]] * rng.uniform(0.8, 1.2)


def tree(canvas, rng, x, z):
    """A broad-leaved tree or a conifer, 5 to 9 m tall."""
    leaf, tall, trunk = leaf_colour(rng), rng.uniform(5, 9), rng.uniform(0.14, 0.26)
    bark = np.array([84, 66, 52]) * rng.uniform(0.8, 1.3)
    stem = [(-trunk, 0), (trunk, 0), (trunk * 0.6, tall * 0.7), (-trunk * 0.6, tall * 0.7)]
    canvas.paint(upright(x, z, stem), bark, VEGETATION)
    if rng.random() < 0.2:
        skirts = []
        for level in np.linspace(0.15, 0.75, 5):
            wide, low, high = 0.24 * (1.05 - level), level, min(level + 0.35, 1.05)
            skirts += [[(-wide, low), (wide, low), (0, high)], [(-wide * 0.2, low), (wide * 0.8, low), (0, high)]]
        tones = np.tile([[0.6], [0.85]], (5, 1))
        canvas.paint(upright(x, z, np.array(skirts) * tall), leaf * tones, VEGETATION)
        return
    count, crown = 9 if z < 20 else 5, rng.uniform(0.2, 0.3) * tall
    angle, reach = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
    centres = np.stack([np.cos(angle) * reach * crown, tall * 0.68 + np.sin(angle) * reach * crown * 0.9], -1)
    order = np.argsort(centres[:, 1])
    _foliage(canvas, rng, x, z, centres[order], rng.uniform(0.35, 0.6, count) * crown, leaf)


def bushes(canvas, rng, x, z, length, height):
    """A row of bushes `length` metres wide that faces the camera."""
    count = min(max(int(length / height * 1.6), 3), 5 if z < 40 else 3)
    centres = np.stack([np.linspace(-length / 2, length / 2, count), rng.uniform(0.3, 0.6, count) * height], -1)
    _foliage(canvas, rng, x, z, centres, rng.uniform(0.4, 0.6, count) * height, leaf_colour(rng))


def _mast(canvas, x, z, height, radius, colour):
    canvas.paint(upright(x, z, bar(0, 0, 0, height, 2 * radius)), colour, POLE)
    canvas.paint(upright(x, z, bar(radius * 0.5, 0, radius * 0.5, height, radius * 0.8)), colour * 1.35, POLE)


def _steel(rng):
    return pick(rng, [(92, 94, 96), (150, 152, 152), (62, 76, 68)]) * rng.uniform(0.85, 1.15)


def lamp_post(canvas, rng, x, z):
    """A street lamp whose arm reaches over the road."""
    colour, height, arm = _steel(rng), rng.uniform(5, 7.5), -np.sign(x) * rng.uniform(1.2, 2.2)
    _mast(canvas, x, z, height, rng.uniform(0.09, 0.13), colour)
    canvas.paint(upright(x, z, bar(0, height, arm, height + 0.3, 0.16)), colour, POLE)
    canvas.paint(upright(x, z, bar(arm * 0.75, height + 0.2, arm * 1.25, height + 0.3, 0.3)), (228, 224, 200), POLE)


def traffic_light(canvas, rng, x, z):
    """A dark box with one lit lamp of three, on a mast or also on an arm over the road."""
    colour, height = _steel(rng), rng.uniform(2.9, 3.8)
    overhead = rng.random() < 0.4
    reach = -np.sign(x) * rng.uniform(2.0, 3.0)
    mast = height + (2.2 if overhead else 0.0)
    _mast(canvas, x, z, mast, 0.1, colour)
    spots = [(-np.sign(x) * 0.1, height)]
    if overhead:
        canvas.paint(upright(x, z, bar(0, mast - 0.1, reach, mast, 0.18)), colour, POLE)
        spots.append((reach, mast - 0.5))
    state = rng.choice(3, p=[0.45, 0.15, 0.4])
    box = np.array([(-0.32, -0.75), (0.32, -0.75), (0.32, 0.75), (-0.32, 0.75)])
    for sideways, y in spots:
        spot = np.array([sideways, y])
        canvas.paint(upright(x, z, box + spot), pick(rng, [(26, 28, 28), (40, 46, 36)]), LIGHT)
        for i, lamp in enumerate([(250, 40, 30), (255, 190, 30), (50, 240, 130)]):
            glow = np.array(lamp) if i == state else np.array(lamp) * 0.16 + 22
            canvas.paint(upright(x, z, CIRCLE * 0.21 + spot + (0, 0.48 - 0.48 * i)), glow, LIGHT)


def traffic_sign(canvas, rng, x, z):
    """A sign on a post: round, triangle, square, diamond or a large direction board."""
    height, size, kind = rng.uniform(2.3, 3.0), rng.uniform(0.42, 0.58), rng.integers(7)
    _mast(canvas, x, z, height + (0.4 if kind == 6 else 0), rng.uniform(0.06, 0.09), _steel(rng))
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    triangle = np.array([(-1.1, -0.8), (1.1, -0.8), (0, 1.1)])
    diamond = square @ np.array([(0.75, 0.75), (-0.75, 0.75)])
    red, blue, white, yellow = (198, 30, 34), (28, 74, 168), (236, 236, 230), (244, 196, 30)
    outline, rim, field, mark = [
        (CIRCLE, red, white, (30, 30, 30)),
        (triangle, red, white, (30, 30, 30)),
        (triangle * (1, -1), red, white, None),
        (square, white, blue, white),
        (diamond, white, yellow, None),
        (CIRCLE, blue, blue, white),
        (square * (2.2, 1.0), white, pick(rng, [(24, 110, 66), blue]), white),
    ][kind]
    for scale, colour in ((1, rim), (0.74, field)):
        canvas.paint(upright(x, z, outline * size * scale + (0, height)), colour, SIGN)
    if mark is not None:
        strip, shifts = (square * (1.4, 0.12), (0.3, -0.3)) if kind == 6 else (square * (0.4, 0.12), (0,))
        for shift in shifts:
            canvas.paint(upright(x, z, strip * size + (0, height + shift * size)), mark, SIGN)


def clutter(canvas, rng, x, z):
    """A bin, crate or cone, which nobody labelled."""
    colour, wide, tall = rng.uniform(30, 200, 3), rng.uniform(0.25, 0.5), rng.uniform(0.6, 1.1)
    taper = pick(rng, [0.1, 0.8, 1.0, 1.1])
    outline = [(-wide, 0), (wide, 0), (wide * taper, tall), (-wide * taper, tall)]
    canvas.paint(upright(x, z, outline), colour, IGNORE)
    lid = [(-wide, tall * 0.45), (wide, tall * 0.45), (wide, tall * 0.6), (-wide, tall * 0.6)]
    canvas.paint(upright(x, z, np.array(lid) * ((1 + taper) / 2, 1)), colour * 1.4, IGNORE)

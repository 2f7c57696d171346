"""Persons, riders, bicycles and motorcycles of the synthetic street, as flat figures facing the camera."""

import numpy as np

from mosaiclib.data.sets.minicity.canvas import CIRCLE, bar, pick, upright

PERSON, RIDER, MOTORCYCLE, BICYCLE = 11, 12, 17, 18
SKIN = np.array([(236, 190, 160), (206, 150, 116), (150, 100, 70), (96, 64, 46)], float)
TROUSERS = np.array([(36, 38, 50), (50, 66, 104), (92, 84, 72), (24, 24, 26), (120, 116, 110)], float)


def _clothes(rng):
    return rng.uniform(25, 225, 3), pick(rng, TROUSERS) * rng.uniform(0.8, 1.2)


def _head(canvas, rng, x, z, centre, radius, class_id, helmet=None):
    cx, cy = centre
    skin = pick(rng, SKIN)
    canvas.paint(upright(x, z, CIRCLE * (radius, radius * 1.2) + centre), skin, class_id)
    hair = rng.uniform(0.2, 1) * np.array([90, 66, 44]) if helmet is None else helmet
    canvas.paint(upright(x, z, CIRCLE[:6] * (radius * 1.12, radius * 1.35) + (cx, cy + radius * 0.1)), hair, class_id)


def person(canvas, rng, x, z):
    """Someone who walks or stands, with a bag, a skirt or neither: 1.2 to 1.9 m tall."""
    tall = rng.uniform(0.92, 1.08) if rng.random() < 0.85 else 0.68
    top, trousers = _clothes(rng)
    stride, lean = rng.uniform(0.02, 0.32), rng.uniform(-0.04, 0.04)

    def draw(outline, colour):
        canvas.paint(upright(x, z, np.asarray(outline, float) * tall), colour, PERSON)

    arm_colour, swing = top * 0.8, rng.uniform(-0.15, 0.25)
    draw(bar(-0.22, 1.38, -0.26 - swing * 0.6, 0.85, 0.12), arm_colour)
    draw(bar(-0.08, 0.9, -0.08 - stride, 0.02, 0.17), trousers)
    draw(bar(0.08, 0.9, 0.08 + stride, 0.02, 0.17), trousers * 0.85)
    if rng.random() < 0.25:
        draw([(-0.3, 0.55), (0.3, 0.55), (0.18, 1.0), (-0.18, 1.0)], trousers * 1.5)
    draw(
        [(-0.2, 0.82), (0.2, 0.82), (0.25 + lean, 1.42), (0.12 + lean, 1.5), (-0.12 + lean, 1.5), (-0.25 + lean, 1.42)],
        top,
    )
    draw(bar(0.22, 1.38, 0.26 + swing, 0.85, 0.12), arm_colour)
    if rng.random() < 0.3:
        hand = 0.2 + swing
        bag = [(hand, 0.5), (hand + 0.28, 0.5), (hand + 0.26, 0.85), (hand + 0.02, 0.85)]
        draw(bag, rng.uniform(20, 160, 3))
    _head(canvas, rng, x, z, (lean * tall, 1.63 * tall), 0.125 * tall, PERSON)


def _spoked_wheel(canvas, x, z, centre, radius, thickness, class_id):
    canvas.veil(upright(x, z, CIRCLE * radius + centre), (70, 70, 74), 0.35, class_id)
    rim = CIRCLE * radius + centre
    inner = CIRCLE * (radius - thickness) + centre
    ring = np.stack([rim, np.roll(rim, -1, 0), np.roll(inner, -1, 0), inner], 1)
    canvas.paint(upright(x, z, ring), (22, 22, 24), class_id, overlap=True)


def bicycle(canvas, rng, x, z, flip=1, rider=False):
    """A bicycle from the side, ridden or parked; flip = -1 mirrors it."""
    frame = rng.uniform(20, 230, 3)
    spread, wheel = 0.55, 0.36

    def sticks(parts, thickness, colour, class_id=BICYCLE):
        outlines = np.array([bar(*part, thickness) for part in parts]) * (flip, 1)
        canvas.paint(upright(x, z, outlines), colour, class_id, overlap=True)

    for side in (-spread, spread):
        _spoked_wheel(canvas, x, z, (side * flip, wheel), wheel, 0.08, BICYCLE)
    bars = [(-0.55, 0.36, -0.15, 0.82), (-0.15, 0.8, 0.38, 0.84), (-0.05, 0.34, 0.4, 0.84), (-0.55, 0.36, -0.05, 0.34)]
    sticks([*bars, (-0.05, 0.34, -0.18, 0.92), (0.55, 0.36, 0.38, 1.02)], 0.075, frame)
    sticks([(-0.32, 0.96, -0.04, 0.96), (0.28, 1.04, 0.5, 1.0)], 0.1, (26, 24, 24))
    if rider:
        top, trousers = _clothes(rng)
        foot = rng.uniform(0.15, 0.35)
        sticks([(-0.16, 1.0, 0.2, 0.75), (0.2, 0.75, 0.05, foot)], 0.16, trousers, RIDER)
        sticks([(-0.16, 0.98, 0.12, 1.48)], 0.36, top, RIDER)
        sticks([(0.1, 1.4, 0.42, 1.06)], 0.12, top * 0.8, RIDER)
        helmet = rng.uniform(40, 240, 3) if rng.random() < 0.6 else None
        _head(canvas, rng, x, z, (0.2 * flip, 1.64), 0.13, RIDER, helmet)


def motorcycle(canvas, rng, x, z, flip=1, rider=False):
    """A motorcycle from the side: fat tyres, tank, engine, seat and lamp."""
    paint = pick(rng, [(200, 30, 30), (30, 60, 170), (30, 30, 34), (220, 140, 20), (60, 130, 60)])

    def draw(outline, colour, class_id=MOTORCYCLE):
        canvas.paint(upright(x, z, np.asarray(outline, float) * (flip, 1)), colour, class_id)

    for side in (-0.68, 0.7):
        draw(CIRCLE * 0.35 + (side, 0.35), (24, 24, 26))
        draw(CIRCLE * 0.19 + (side, 0.35), (150, 150, 152))
    draw([(-0.4, 0.25), (0.35, 0.25), (0.4, 0.62), (-0.45, 0.62)], (74, 74, 78))
    draw(bar(-0.95, 0.4, 0.0, 0.27, 0.11), (190, 190, 192))
    draw([(-1.0, 0.72), (-0.3, 0.6), (0.45, 0.62), (0.45, 0.9), (0.05, 1.02), (-0.3, 0.82), (-1.0, 0.9)], paint)
    draw([(-0.95, 0.86), (-0.2, 0.78), (-0.15, 0.9), (-0.9, 1.0)], (28, 26, 26))
    draw(bar(0.7, 0.35, 0.42, 1.05, 0.1), (160, 160, 162))
    draw([(0.4, 0.8), (0.72, 0.78), (0.62, 1.16), (0.36, 1.1)], paint * 0.8)
    draw(CIRCLE * 0.09 + (0.66, 0.92), (252, 246, 214))
    if rider:
        top, trousers = _clothes(rng)
        draw(bar(-0.32, 0.95, 0.1, 0.8, 0.2), trousers, RIDER)
        draw(bar(0.1, 0.8, -0.02, 0.35, 0.17), trousers * 0.9, RIDER)
        draw(bar(-0.35, 0.9, -0.05, 1.5, 0.42), top, RIDER)
        draw(bar(-0.02, 1.4, 0.42, 1.12, 0.14), top * 0.8, RIDER)
        helmet = rng.uniform(30, 240, 3)
        draw(CIRCLE * 0.18 + (0.08, 1.68), helmet, RIDER)
        draw([(0.12, 1.62), (0.27, 1.6), (0.27, 1.72), (0.12, 1.76)], (30, 32, 40), RIDER)


def cycle_from_behind(canvas, rng, x, z, motor):
    """Bicycle or motorcycle with its rider, riding away from or towards the camera."""
    class_id = MOTORCYCLE if motor else BICYCLE
    width, top_of_wheel = (0.24, 0.72) if motor else (0.1, 0.72)
    top, trousers = _clothes(rng)
    paint = rng.uniform(20, 220, 3)

    def draw(outline, colour, class_id=class_id):
        canvas.paint(upright(x, z, outline), colour, class_id)

    draw(bar(-0.42, 1.02, 0.42, 1.02, 0.08), (40, 40, 42))
    draw([(-width, 0.5), (width, 0.5), (width * 0.7, 0.95), (-width * 0.7, 0.95)], paint)
    draw(bar(0, 0, 0, top_of_wheel, width), (22, 22, 24))
    draw(CIRCLE * (0.13 if motor else 0.07) + (0, 0.8), pick(rng, [(220, 30, 26), (250, 244, 214)]))
    for side in (-1, 1):
        draw(bar(side * 0.12, 1.0, side * (0.2 + width / 2), rng.uniform(0.3, 0.45), 0.17), trousers, RIDER)
        draw(bar(side * 0.24, 1.45, side * 0.4, 1.05, 0.13), top * 0.8, RIDER)
    draw([(-0.19, 0.95), (0.19, 0.95), (0.27, 1.45), (0.12, 1.55), (-0.12, 1.55), (-0.27, 1.45)], top, RIDER)
    helmet = rng.uniform(30, 240, 3) if motor or rng.random() < 0.6 else None
    _head(canvas, rng, x, z, (0, 1.7), 0.16 if motor else 0.13, RIDER, helmet)

"""Shapes as pixels. A pixel belongs to a polygon that covers its centre, by COCO's own rasteriser (pycocotools)."""

import math

import numpy as np

_FARTHEST = 1e6  # pixels; no image is that long


def polygon(label, points, value):
    """Writes `value` to the pixels of `label` (uint8 [H, W]) in a polygon, [(x, y)] in pixels.

    Raises ValueError for points that are not numbers or lie outside any image; so do the others.
    """
    from pycocotools import mask

    points = numbers(points)
    if len(points) < 3:
        raise ValueError("a polygon has fewer than 3 points")
    height, width = label.shape
    # Cut to the image first, then drawn within its own box: what a shape costs is its own size.
    points = _clipped(points, width, height)
    if len(points) < 3:
        return
    left, top = np.floor(points.min(0)).astype(int)
    right, bottom = np.minimum(np.ceil(points.max(0)).astype(int) + 1, (width, height))
    if right <= left or bottom <= top:
        return
    flat = (points - (left, top)).ravel().tolist()
    inside = mask.decode(mask.merge(mask.frPyObjects([flat], int(bottom - top), int(right - left)))).astype(bool)
    label[top:bottom, left:right][inside] = value


def rectangle(label, corner, opposite, value, degrees=0.0, about=None):
    """The same for a rectangle, turned clockwise by so many degrees about a point, its first corner by default."""
    (left, top), (right, bottom) = numbers([corner, opposite])
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    polygon(label, _turned(corners, (left, top) if about is None else about, degrees), value)


def ellipse(label, centre, radii, value, degrees=0.0):
    """The same for an ellipse, as a polygon of 180 corners."""
    (x, y), (across, down) = numbers([centre, radii])
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    points = np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], 1)
    polygon(label, _turned(points, (x, y), degrees), value)


def runs(counts, size, order):
    """A mask, bool [H, W], from the lengths of its runs, which begin with 0; order: "F" by columns, "C" by rows."""
    counts = np.asarray(counts)
    if counts.ndim != 1 or not (counts.size == 0 or counts.dtype.kind in "iu"):
        raise ValueError("its run lengths are not whole numbers")
    total = size[0] * size[1]
    if (counts.size and (counts.min() < 0 or counts.max() > total)) or counts.sum(dtype=np.int64) != total:
        raise ValueError(f"its run lengths do not add up to {size[1]}x{size[0]} pixels")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(size, order=order)


def numbers(points):
    """[(x, y)] as float64 [N, 2]. Raises ValueError."""
    try:
        points = np.array(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("its points are not pairs of numbers") from None
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError("its points are not pairs of numbers")
    if not np.isfinite(points).all() or np.abs(points).max(initial=0) > _FARTHEST:
        raise ValueError("its points lie outside any image")
    return points


def _turned(points, about, degrees):
    if isinstance(degrees, bool) or not isinstance(degrees, int | float) or not math.isfinite(degrees):
        raise ValueError("its rotation is not a number")
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (points - about) @ matrix + about


def _clipped(points, width, height):
    """The polygon cut to 0..width x 0..height (Sutherland and Hodgman 1974)."""
    if (points >= 0).all() and (points <= (width, height)).all():
        return points
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        if not len(points):
            break
        after = np.roll(points, -1, axis=0)
        here, there = sign * (points[:, axis] - limit), sign * (after[:, axis] - limit)
        kept = []
        for position in range(len(points)):
            if here[position] >= 0:
                kept.append(points[position])
            if here[position] * there[position] < 0:
                share = here[position] / (here[position] - there[position])
                kept.append(points[position] + share * (after[position] - points[position]))
        points = np.array(kept).reshape(-1, 2)
    return points

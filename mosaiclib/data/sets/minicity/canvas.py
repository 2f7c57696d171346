"""The canvas of the synthetic street: a camera, and strokes that paint colour and class id together.

Street coordinates are metres: x to the right of the camera, y up from the road, z ahead of the camera.
The canvas is twice as wide and high as the image; halving it smooths the image's edges.
"""

import math

import cv2
import numpy as np

NEAR = 1.5  # metres; nothing may be drawn nearer than this
_ANGLES = np.linspace(0, 2 * np.pi, 11)[:-1]
CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], -1)  # [10, 2], radius 1


class Canvas:
    """Pixels of twice the image's size with the channels red, green, blue and class id (uint8).

    One stroke writes all four channels, so the label always has the outline of what is seen.
    """

    def __init__(self, rng, size):
        height, width = 2 * size[0], 2 * size[1]
        self.pixels = np.zeros((height, width, 4), np.uint8)
        self.focal = np.sqrt(height * width) * rng.uniform(0.95, 1.25)
        self.horizon = height * rng.uniform(0.40, 0.50)
        self.centre = width * rng.uniform(0.44, 0.56)
        self.widest = 1.1 * max(self.centre, width - self.centre) / self.focal  # sideways metres per metre ahead
        self.eye = rng.uniform(1.3, 1.9)
        focal, centre, horizon = 16 * self.focal, 16 * self.centre + 0.5, 16 * self.horizon + 0.5
        self.axes = np.array([(focal, 0), (0, -focal), (centre, horizon)])
        self.offset = np.array([0, focal * self.eye])
        self.haze_colour = np.array([205, 212, 222]) * rng.uniform(0.85, 1.1) + rng.uniform(-12, 12, 3)
        self.haze_rgb = self.haze_colour.tolist()
        self.haze_length = rng.uniform(90, 400)
        side = pick(rng, [-1, 1]) * rng.uniform(0.3, 0.9)
        sun = np.array([side, rng.uniform(0.5, 1.2), rng.uniform(-0.8, 0.5)])
        self.sun = sun / np.linalg.norm(sun)
        self.sunshine = pick(rng, [0.15, 0.6, 1.0])  # overcast to clear: strength of light and shadow

    def first_seen(self, x):
        """The depth from which on something at x lies inside the image."""
        return abs(x) / self.widest

    def lit(self, colour, x, y, z):
        """The colour [3] of a surface whose outward normal is (x, y, z)."""
        slant = self.sun[0] * x + self.sun[1] * y + self.sun[2] * z
        return np.asarray(colour, float) * (0.88 + 0.3 * self.sunshine * slant + 0.08 * y)

    def project(self, points):
        """Street points [..., 3], z at least NEAR, to canvas points [..., 2] in sixteenths of a pixel (int32)."""
        rows = points.reshape(-1, 3)  # one plain matrix product is several times faster than N small ones
        return ((rows @ self.axes + self.offset) / rows[:, 2:]).astype(np.int32).reshape(*points.shape[:-1], 2)

    def paint(self, points, colour, class_id, overlap=False, hazy=True):
        """Fill polygons [K, 3] or [N, K, 3] with a colour [3], or with a colour each [N, 3].

        Polygons of one stroke and colour that overlap need overlap=True.
        """
        if points.ndim == 2:
            points = points[None]
        if not points.size:
            return
        depth = float(points[0, 0, 2] + points[-1, points.shape[1] // 2, 2]) / 2 if hazy else 0.0
        colour = colour.tolist() if isinstance(colour, np.ndarray) else colour
        corners = list(self.project(points))
        if isinstance(colour[0], list):
            for corner, own in zip(corners, colour, strict=True):
                cv2.fillPoly(self.pixels, [corner], (*self.hazed(own, depth), class_id), shift=4)
            return
        ink = (*self.hazed(colour, depth), class_id)
        for group in [[corner] for corner in corners] if overlap else [corners]:
            cv2.fillPoly(self.pixels, group, ink, shift=4)

    def hazed(self, colour, depth):
        """The colour seen through `depth` metres of air, three floats."""
        clear = math.exp(-depth / self.haze_length)
        return [clear * own + (1 - clear) * haze for own, haze in zip(colour, self.haze_rgb, strict=True)]

    def veil(self, points, colour, opacity, class_id):
        """Lay a see-through polygon [K, 3] over what is there and give it a class: wire mesh, spokes."""
        corners = self.project(points)
        height, width = self.pixels.shape[:2]
        left, top = np.clip(corners.min(0) // 16, 0, (width, height))
        right, bottom = np.clip(corners.max(0) // 16 + 2, 0, (width, height))
        if right <= left or bottom <= top:
            return
        window = self.pixels[top:bottom, left:right]
        mask = np.zeros(window.shape[:2], np.uint8)
        cv2.fillPoly(mask, [corners - np.array([left, top], np.int32) * 16], 1, shift=4)
        ink = np.zeros_like(window)
        ink[..., :3] = np.clip(self.hazed(np.asarray(colour).tolist(), float(points[:, 2].mean())), 0, 255)
        blend = cv2.addWeighted(window, 1 - opacity, ink, opacity, 0)
        blend[..., 3] = class_id
        cv2.copyTo(blend, mask, window)

    def finish_ground(self, footprints, heights, contacts):
        """Darken the ground behind and under things, then let the haze swallow it with distance.

        footprints: list of [K, 2] (x, z) metres; heights: metres; contacts: True where a dark underside shows.
        """
        top = int(self.horizon)
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        slant = -self.sun[[0, 2]] / self.sun[1]
        for footprint, height in zip(footprints, heights, strict=True):
            outline = np.concatenate([footprint, footprint + slant * min(height, 9)])
            hull = cv2.convexHull(self.project(_on_ground(outline)))
            cv2.fillPoly(mask, [hull], int(125 * self.sunshine), shift=4)
        for footprint, contact in zip(footprints, contacts, strict=True):
            if contact:
                cv2.fillPoly(mask, [self.project(_on_ground(footprint))], 150, shift=4)
        depth = self.focal * self.eye / np.maximum(np.arange(top, mask.shape[0]) - self.horizon, 0.5)
        clear = np.exp(-depth / self.haze_length).astype(np.float32)[:, None]
        light = (1 - cv2.blur(mask, (5, 3))[top:] * np.float32(1 / 255)) * clear
        for channel in range(3):
            ground = self.pixels[top:, :, channel]
            ground[:] = ground * light + (1 - clear) * np.float32(min(self.haze_colour[channel], 255))

    def label(self):
        """The class ids at the image's size [H, W]: of each 2 x 2 canvas pixels the most frequent id."""
        ids = self.pixels[..., 3]
        a, b, c, d = ids[::2, ::2], ids[::2, 1::2], ids[1::2, ::2], ids[1::2, 1::2]
        return np.where((b == c) | (b == d), b, np.where((c == d) & (a != b), c, a))


def _on_ground(outline):
    points = np.zeros((len(outline), 3))
    points[:, ::2] = np.maximum(outline, (-np.inf, NEAR))
    return points


def pick(rng, options):
    """One of a sequence of numbers or colours at random, as float."""
    return np.array(options[rng.integers(len(options))], float)[()]


def upright(x, z, outline):
    """Polygons [..., K, 2] of (sideways, up) metres as street points [..., K, 3] facing the camera."""
    outline = np.asarray(outline, float)
    points = np.full((*outline.shape[:-1], 3), float(z))
    points[..., 0] = outline[..., 0] + x
    points[..., 1] = outline[..., 1]
    return points


def flat(left, right, near, far):
    """Ground rectangles as street points [N, 4, 3]; each side is one number or N of them, in metres."""
    count = next((len(side) for side in (left, right, near, far) if isinstance(side, np.ndarray)), 1)
    points = np.zeros((count, 4, 3))
    points[:, 0, 0] = points[:, 3, 0] = left
    points[:, 1, 0] = points[:, 2, 0] = right
    points[:, 0, 2] = points[:, 1, 2] = near
    points[:, 2, 2] = points[:, 3, 2] = far
    return points


def panels(start, end, along0, along1, low, high):
    """Upright rectangles [N, 4, 3] on the wall over the ground line start-end.

    start, end: (x, z) metres; along0, along1: metres from start; low, high: metres above the ground.
    """
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    points = flat(along0, along1, low, high)
    points[..., 1] = points[..., 2]
    points[..., 2] = start[1] + points[..., 0] * ((end[1] - start[1]) / length)
    points[..., 0] = start[0] + points[..., 0] * ((end[0] - start[0]) / length)
    return points


def bar(x0, y0, x1, y1, thickness):
    """A stick as a quadrilateral [4, 2] of (sideways, up) metres."""
    scale = thickness / 2 / (math.hypot(x1 - x0, y1 - y0) + 1e-6)
    u, v = (y0 - y1) * scale, (x1 - x0) * scale
    return np.array([(x0 + u, y0 + v), (x1 + u, y1 + v), (x1 - u, y1 - v), (x0 - u, y0 - v)])

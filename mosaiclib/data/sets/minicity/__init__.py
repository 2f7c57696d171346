"""Synthetic street scenes with the 19 Cityscapes train ids, for the workbook's runs that need no download.

A street is planned in metres (`layout`), painted from far to near on a canvas of twice the image's size
(`canvas`), whose fourth channel is the class id, and then photographed: light, texture, blur and noise.
Reports that show numbers from these scenes say that the data are synthetic.
"""

import cv2
import numpy as np

from mosaiclib.data.images import IGNORE
from mosaiclib.data.sets.minicity.canvas import CIRCLE, Canvas, pick
from mosaiclib.data.sets.minicity.layout import Layout

SKY = 10
SMALLEST = 32  # pixels
# Grey levels of surface texture per class id: fine grain, 3 pixel mottle, 12 pixel stains.
_TEXTURE = np.zeros((256, 3), np.float32)
_TEXTURE[:19] = [
    (9, 4, 8), (7, 5, 7), (5, 4, 9), (9, 10, 10), (5, 4, 4), (4, 3, 3), (2, 0, 0), (3, 2, 3), (14, 26, 12),
    (22, 12, 14), (0, 0, 0), (6, 7, 5), (6, 7, 5), (3, 3, 5), (4, 4, 7), (3, 3, 5), (3, 3, 5), (6, 4, 4), (6, 4, 4),
]  # fmt: skip


def scene(seed, size):
    """One street scene.

    seed: any non-negative int; the same seed and size give the same bytes.
    size: (height, width) in pixels, each at least 32; any aspect, odd numbers too.
    Returns the image, uint8 [H, W, 3] RGB, and the label, uint8 [H, W]: Cityscapes train ids 0..18, or 255 for
    what is not scored (bonnet of the own car, unlabelled clutter, scene border).
    Raises ValueError when the size is smaller than 32 pixels.
    """
    height, width = size
    if min(height, width) < SMALLEST:
        raise ValueError(f"A scene of {height}x{width} is too small to draw: give at least {SMALLEST}x{SMALLEST}.")
    rng = np.random.default_rng(seed)
    canvas = Canvas(rng, size)
    _sky(canvas, rng)
    Layout(canvas, rng).draw()
    if rng.random() < 0.4:
        _bonnet(canvas, rng)
    label = canvas.label()
    image = _photograph(canvas, rng)
    if rng.random() < 0.25:
        border = max(round(min(size) * rng.uniform(0.008, 0.02)), 1)
        inside = np.zeros(label.shape, bool)
        inside[border:-border, border:-border] = True
        label[~inside] = IGNORE
        image[~inside] //= 6
    return image, label


def _sky(canvas, rng):
    """Gradient and clouds behind everything, drawn at a quarter of the canvas's size."""
    rows, width = int(canvas.horizon) + 2, canvas.pixels.shape[1]
    low, wide = rows // 4 + 1, width // 4 + 1
    zenith = pick(rng, ((96, 146, 206), (150, 170, 196), (196, 202, 208), (120, 124, 150)))
    ramp = np.linspace(0, 1, low)[:, None, None] ** 1.3
    sky = zenith + (canvas.haze_colour - zenith) * ramp
    noise = sum(
        cv2.resize(rng.random((3 * n, 4 * n)), (wide, low), interpolation=cv2.INTER_CUBIC) / n for n in (1, 2, 4)
    )
    cloud = np.clip((noise - noise.mean()) * rng.uniform(0.8, 2.2) - rng.uniform(-0.2, 0.5), 0, 0.85)[..., None]
    sky = np.clip(sky + cloud * (rng.uniform(200, 250) - sky), 0, 255).astype(np.uint8)
    canvas.pixels[:rows, :, :3] = cv2.resize(sky, (width, rows), interpolation=cv2.INTER_LINEAR)
    canvas.pixels[:rows, :, 3] = SKY


def _bonnet(canvas, rng):
    """The own car's bonnet at the lower edge: not scored."""
    height, width = canvas.pixels.shape[:2]
    colour = (rng.uniform(25, 100) + rng.uniform(-15, 15, 3)).astype(int)
    reach = np.array([width * rng.uniform(0.45, 0.75), height * rng.uniform(0.06, 0.13)])
    for scale, tone in ((1.0, 1.0), (0.8, 1.5)):
        outline = CIRCLE[None, :, :] * reach * (scale, -(scale**2)) + (canvas.centre, height + 1)
        ink = np.clip(colour * tone, 0, 255).astype(int).tolist()
        cv2.fillPoly(canvas.pixels, list(outline.astype(np.int32)), (*ink, IGNORE))


def _photograph(canvas, rng):
    """The canvas as a camera sees it: surface texture, half size, exposure, colour cast, blur, noise."""
    height, width = canvas.pixels.shape[:2]
    ids = canvas.pixels[..., 3]
    texture = np.ones((height, width), np.float32)
    for i, step in enumerate((1, 3, 12)):
        noise = rng.integers(0, 256, (height // step + 1, width // step + 1), np.uint8)
        noise = noise[:height, :width] if step == 1 else cv2.resize(noise, (width, height))
        depth = cv2.LUT(ids, _TEXTURE[:, i] / (64 * 140))
        texture += (noise.astype(np.float32) - 127.5) * depth
    planes = [cv2.multiply(canvas.pixels[..., channel], texture, dtype=cv2.CV_8U) for channel in range(3)]
    picture = cv2.resize(cv2.merge(planes), (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    blur = rng.uniform(0, 0.75)
    if blur > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), blur * np.sqrt(height / 256))
    warmth, gain = rng.uniform(-0.12, 0.16), rng.uniform(0.65, 1.2)
    cast = gain * np.array([1 + warmth, 1 + rng.uniform(-0.04, 0.04), 1 - warmth])
    levels = np.arange(256)[:, None] / 255 * cast
    picture = cv2.LUT(picture, (255 * levels ** rng.uniform(0.8, 1.25)).astype(np.float32)[None])
    grain = rng.integers(-128, 128, picture.shape, np.int8).astype(np.float32)
    picture += grain * np.float32(rng.uniform(0.01, 0.08))
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)

"""Segmenting any picture, and drawing the result over it with a legend."""

from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mosaiclib.data import images
from mosaiclib.data.augment import GREY
from mosaiclib.data.pipeline import scale_input


class FreePicture(NamedTuple):
    """A real photograph that ships with scikit-image and may be passed on."""

    name: str
    title: str
    credit: str

    def read(self):
        """uint8 [H, W, 3]."""
        import skimage.data

        loaded = getattr(skimage.data, self.name)()
        return np.asarray(loaded[0] if isinstance(loaded, tuple) else loaded)[..., :3]


FREE_PICTURES = (
    FreePicture("stereo_motorcycle", "A workshop", "Middlebury stereo set, D. Scharstein, public domain"),
    FreePicture("rocket", "A launch pad", "SpaceX, CC0"),
    FreePicture("coffee", "A table", "Rachel Michetti, CC0"),
    FreePicture("astronaut", "An astronaut", "NASA, public domain"),
)


def letterbox(image, size):
    """Fits a picture into `size` (height, width), keeping its aspect, at the top left; the rest is grey.

    The protocol of MLPerf Mobile's ADE20K. Returns (uint8 [height, width, 3], (rows, columns) in use).
    """
    factor = min(size[0] / image.shape[0], size[1] / image.shape[1])
    rows, columns = (max(1, int(side * factor)) for side in image.shape[:2])
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    canvas = np.full((*size, 3), GREY, np.uint8)
    canvas[:rows, :columns] = cv2.resize(image, (columns, rows), interpolation=method)
    return canvas, (rows, columns)


def segment(classes_of, image, size):
    """The class map uint8 [H, W] of a picture of any size.

    classes_of: from uint8 [h, w, 3] of `size` to integer [h, w]: a TFLite file's runner, or `keras_runner`.
    """
    canvas, (rows, columns) = letterbox(image, size)
    found = np.asarray(classes_of(canvas))[:rows, :columns].astype(np.uint8)
    return cv2.resize(found, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def agreement(one, other, image, size):
    """The share of a picture's pixels (without the grey beside it) where two networks find the same class."""
    canvas, (rows, columns) = letterbox(image, size)
    return float((one(canvas) == other(canvas))[:rows, :columns].mean())


def keras_runner(model):
    """A Keras network with output "classes" as a function from uint8 [h, w, 3] to integer [h, w]."""
    return lambda canvas: np.asarray(model.predict_on_batch(scale_input(canvas)[None]))[0]


def confident_runner(model):
    """A Keras network with output "probabilities" as a function from uint8 [h, w, 3] to what it finds.

    That is (classes uint8 [h, w], their probabilities float32 [h, w] in 0..1).
    """

    def run(canvas):
        probabilities = np.asarray(model.predict_on_batch(scale_input(canvas)[None]))[0]
        return probabilities.argmax(-1).astype(np.uint8), probabilities.max(-1)

    return run


def overlay(image, label, palette, opacity=0.55):
    """The picture with its class colours over it: uint8 [H, W, 3]. Pixels of 255 stay as they are."""
    coloured = images.colour(label, palette)
    mixed = cv2.addWeighted(image, 1 - opacity, coloured, opacity, 0)
    mixed[label == 255] = image[label == 255]
    return mixed


def shares(label, classes, least=0.005):
    """[(class id, share of pixels)] of the classes that cover at least `least`, largest first."""
    counts = np.bincount(label[label != 255].ravel(), minlength=len(classes)) / label.size
    return [(int(i), float(counts[i])) for i in np.argsort(-counts) if counts[i] >= least]


def with_legend(picture, label, classes, palette):
    """The picture with a legend strip below that names the classes in it and their share of pixels."""
    width = picture.shape[1]
    size = max(14, width // 45)
    font, pad = ImageFont.load_default(size), size // 2
    entries = [(f"{classes[i]} {share:.0%}" if share >= 0.01 else f"{classes[i]} <1%", palette[i])
               for i, share in shares(label, classes)]  # fmt: skip
    places, x, y = [], pad, pad
    for text, colour in entries:
        advance = 2 * size + font.getlength(text) + 2 * pad
        if x > pad and x + advance > width:
            x, y = pad, y + size + 2 * pad
        places.append((x, y, text, colour))
        x += advance
    strip = Image.new("RGB", (width, y + size + 2 * pad), "white")
    draw = ImageDraw.Draw(strip)
    for x, y, text, colour in places:
        draw.rectangle((x, y, x + size, y + size), fill=tuple(colour), outline="black")
        draw.text((x + 1.5 * size, y + size / 2), text, fill="black", font=font, anchor="lm")
    return np.vstack([picture, np.asarray(strip)])


def shrink(image, longest):
    """The picture with its longer side at most `longest` pixels."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return image
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def shrink_label(label, size):
    """A label map at another (height, width), by nearest neighbour: no id is invented."""
    return cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST)

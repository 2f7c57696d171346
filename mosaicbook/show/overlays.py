"""Segmenting any image, and drawing the result over it with a legend."""

from contextlib import suppress

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mosaiclib.data import images


def overlay(image, label, palette, opacity=0.55):
    """The image with its class colours over it: uint8 [H, W, 3]. Pixels of 255 stay as they are."""
    coloured = images.colour(label, palette)
    mixed = cv2.addWeighted(image, 1 - opacity, coloured, opacity, 0)
    mixed[label == images.IGNORE] = image[label == images.IGNORE]
    return mixed


def shares(label, classes, least=0.005):
    """[(class id, share of pixels)] of the classes that cover at least `least`, largest first."""
    counts = np.bincount(label[label != images.IGNORE].ravel(), minlength=len(classes)) / label.size
    return [(int(i), float(counts[i])) for i in np.argsort(-counts) if counts[i] >= least]


def with_legend(picture, label, classes, palette):
    """The image with a legend strip below that names the classes in it and their share of pixels."""
    width = picture.shape[1]
    size = max(14, width // 45)
    pad = size // 2
    entries = [(f"{classes[i]} {share:.0%}" if share >= 0.01 else f"{classes[i]} <1%", palette[i])
               for i, share in shares(label, classes)]  # fmt: skip
    font = ImageFont.truetype(font_with("".join(text for text, _ in entries)), size)
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


def font_with(letters) -> str:
    """The file of a font that has these letters: DejaVu Sans, else one that is installed; DejaVu where none has."""
    from matplotlib import font_manager, ft2font

    first = font_manager.findfont("DejaVu Sans")
    wanted = {ord(letter) for letter in letters if not letter.isspace()}
    installed = {entry.fname for entry in font_manager.fontManager.ttflist if "LastResort" not in entry.fname}
    for path in (first, *sorted(installed)):  # the last resort has boxes for all letters
        with suppress(OSError, RuntimeError):
            if wanted <= ft2font.FT2Font(path).get_charmap().keys():
                return path
    return first


def lacking(letters) -> str:
    """Those of the letters that the legend's font does not have, each once."""
    from matplotlib import ft2font

    known = ft2font.FT2Font(font_with(letters)).get_charmap()
    return "".join(dict.fromkeys(x for x in letters if not x.isspace() and ord(x) not in known))


def shrink(image, longest):
    """The image with its longer side at most `longest` pixels."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return image
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def shrink_label(label, size):
    """A label map at another (height, width), by nearest neighbour: no id is invented."""
    return cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST)

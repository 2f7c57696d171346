"""Reads every image of a reading and draws its label map, upright as its image is."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mosaiclib.data import images
from mosaiclib.data.annotations.form import MALFORMED, Item
from mosaiclib.data.annotations.stored import refuse_several
from mosaiclib.data.images import IGNORE

_EXAMPLE_SIDE = 360  # pixels


@dataclass
class Drawn:
    """An item whose label map, of the reading's ids, lies at label_path. counts: pixels by id. example: both, small.

    ending: of the image, where it may stay as it is; None where it must become a PNG.
    """

    item: Item
    counts: np.ndarray
    ending: str | None
    label_path: Path
    example: tuple


def draw_all(reading, items, folder, exif, progress):
    """Reads every image and draws its label map, uint8 PNG of the reading's ids; what fails is left out."""
    evidence = exif or _evidence(items)

    def one(numbered):
        number, item = numbered
        try:
            return _draw(item, folder / f"{number}.png", evidence, len(reading.names))
        except ValueError as error:
            return str(error).rstrip(".")
        except MALFORMED:
            return "a shape is not of the form that its format has"

    drawn = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        results = progress(threads.map(one, enumerate(items)), total=len(items), desc="images")
        for item, result in zip(items, results, strict=True):
            if isinstance(result, str):
                reading.left_out.append((item.image.name, result.replace(str(item.image), "it")))
            else:
                drawn.append(result)
    if not drawn:
        raise ValueError(f"Nothing could be imported as {reading.title}.{reading.first_left_out()}")
    return drawn


def _evidence(items):
    """How labels lie on turned images, by the first that only fits one way: "stored", "upright" or None."""
    for item in items:
        try:
            stored, orientation = images.size_and_orientation(item.image, images.IMPORTED_FORMATS)
            if orientation > 4 and stored[0] != stored[1]:
                size = item.size or item.draw(stored[::-1]).shape
                if size in (stored, stored[::-1]):
                    return "stored" if size == stored else "upright"
        except (ValueError, *MALFORMED):
            continue
    return None


def _draw(item, path, evidence, classes):
    stored, orientation = images.size_and_orientation(item.image, images.IMPORTED_FORMATS)
    refuse_several(item.image, images.IMPORTED_FORMATS)
    image = images.read_image(item.image, formats=images.IMPORTED_FORMATS)
    upright = image.shape[:2]
    label = item.draw(item.size or upright)
    if label.shape not in (upright, stored):
        raise ValueError(f"its labels are {label.shape[1]}x{label.shape[0]}, the image is {upright[1]}x{upright[0]}")
    if orientation != 1:
        ambiguous = upright == stored
        if ambiguous and evidence is None and not item.upright:
            raise ValueError("it is turned by its EXIF orientation, and no size tells whether its labels are (--exif)")
        if label.shape != upright or (ambiguous and evidence == "stored" and not item.upright):
            label = images.upright(label, orientation)
    counts = np.bincount(label.ravel(), minlength=256)
    if counts[classes:IGNORE].any():
        raise ValueError("its labels hold ids without a class")
    if not counts[:IGNORE].any():
        raise ValueError("all of it is ignored")
    images.write_png(path, label)
    ending = images.is_kept(item.image, images.IMPORTED_FORMATS)
    factor = min(1, _EXAMPLE_SIDE / max(upright))
    size = tuple(max(1, round(side * factor)) for side in upright[::-1])
    small = (cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.resize(label, size, interpolation=0))
    return Drawn(item, counts, ending, path, small)

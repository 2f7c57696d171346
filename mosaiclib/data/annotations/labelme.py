"""LabelMe's JSON, one file an image: polygons, rectangles, circles, and masks."""

import base64
import binascii
import io
from functools import partial

import numpy as np
from PIL import Image

from mosaiclib.data.annotations import raster
from mosaiclib.data.annotations.form import Item, Names, Reading, canvas_size, is_name, painted
from mosaiclib.data.annotations.source import IMAGE_ENDINGS, split_of
from mosaiclib.wording import shortened

TITLE = "LabelMe JSON"


def recognise(source):
    """Whether one of the first JSON files has shapes and an imagePath."""
    return any(_is_labelme(source.json(path)) for path in source.ending(".json")[:20])


def read(source, legend):
    """The reading of every such file; classes are numbered in the order of their names."""
    reading, opened = Reading(TITLE, [], []), []
    for path in source.ending(".json"):
        with reading.leaving_out(path.name):
            content = source.json(path)
            if _is_labelme(content):
                opened.append((path, content))
    labels = [shape.get("label") for _, content in opened for shape in content["shapes"] if isinstance(shape, dict)]
    names = Names(sorted({label for label in labels if is_name(label)}))
    for path, content in opened:
        with reading.leaving_out(path.name):
            image = _image(source, path, content["imagePath"])
            size = canvas_size(content["imageHeight"], content["imageWidth"])
            shapes = [partial(_paint, shape, names.id(shape["label"])) for shape in content["shapes"]]
            split = split_of(source.relative(path)) or split_of(source.relative(image))
            reading.items.append(Item(image, split, size, painted(shapes), path, empty=not shapes))
    reading.names = names.names
    return reading


def _is_labelme(content):
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def _image(source, path, name):
    beside = [path.with_suffix(ending) for ending in (*IMAGE_ENDINGS, *map(str.upper, IMAGE_ENDINGS))]
    try:
        return source.image(name)
    except ValueError:
        for candidate in beside:
            if candidate in source.files:
                return candidate
        raise


def _paint(shape, value, label):
    points, kind = shape["points"], shape.get("shape_type", "polygon")
    if kind == "polygon":
        raster.polygon(label, points, value)
    elif kind == "rectangle" and len(points) == 2:
        raster.rectangle(label, *points, value)
    elif kind in ("rectangle", "oriented_rectangle"):
        raster.polygon(label, points, value)
    elif kind == "circle" and len(points) == 2:
        centre, edge = raster.numbers(points)
        radius = float(np.hypot(*(edge - centre)))
        raster.ellipse(label, centre, (radius, radius), value)
    elif kind == "mask":
        _paste(label, points[0], _decoded(shape["mask"]), value)
    else:
        raise ValueError(f"it holds a {shortened(kind, 40)}, which covers no area")


def _decoded(text):
    try:
        content = base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            canvas_size(image.height, image.width)
            return np.asarray(image.convert("L")) > 0
    except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("its mask is not PNG") from None


def _paste(label, corner, mask, value):
    left, top = raster.numbers([corner])[0].round().astype(int)
    part = label[max(top, 0) :, max(left, 0) :][: mask.shape[0], : mask.shape[1]]
    if left < 0 or top < 0 or part.shape != mask.shape:
        raise ValueError("its mask reaches over the border")
    part[mask] = value

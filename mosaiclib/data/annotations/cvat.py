"""CVAT's XML, "CVAT for images 1.1": polygons, boxes, ellipses and masks."""

from functools import partial

import numpy as np

from mosaiclib.data.annotations import raster
from mosaiclib.data.annotations.form import Item, Names, Reading, canvas_size, painted
from mosaiclib.data.annotations.source import beginning, split_of, split_word, xml_of
from mosaiclib.wording import shortened

TITLE = "CVAT XML"


def recognise(source):
    """Whether an XML file begins with CVAT's element."""
    return any(_is_cvat(path) for path in source.ending(".xml")[:20])


def read(source, legend):
    """The reading of every <image>; ids follow the labels of the task, drawn in the order of z_order."""
    reading, names, colours = Reading(TITLE, [], []), Names(), {}
    for path in filter(_is_cvat, source.ending(".xml")):
        root = xml_of(path)
        if root.find("track") is not None:
            raise ValueError(f"{path} is of a video: export the task again as 'CVAT for images 1.1'.")
        for element in root.iterfind("meta//labels/label"):
            number = names.id(element.findtext("name"))
            text = (element.findtext("color") or "").lstrip("#")
            if len(text) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in text):
                colours[number] = tuple(bytes.fromhex(text))
        for element in root.iterfind("image"):
            with reading.leaving_out(shortened(element.get("name"), 200)):
                image = source.image(element.get("name"))
                size = canvas_size(_number(element, "height"), _number(element, "width"))
                drawn = [shape for shape in element if shape.tag != "tag"]
                drawn.sort(key=lambda shape: _number(shape, "z_order", 0))
                shapes = [partial(_paint, shape, names.id(shape.get("label"))) for shape in drawn]
                split = split_word((element.get("subset") or "").lower()) or split_of(source.relative(path))
                split = split or split_of(source.relative(image))
                reading.items.append(Item(image, split, size, painted(shapes), path, empty=not shapes))
    reading.names = names.names
    colours.setdefault(0, (0, 0, 0))
    if all(number in colours for number in range(len(names.names))):
        reading.colours = [colours[number] for number in range(len(names.names))]
    return reading


def _is_cvat(path):
    text = beginning(path)
    return "<annotations" in text and ("<meta" in text or "<image" in text)


def _number(element, name, default=None):
    text = element.get(name)
    if text is None and default is not None:
        return default
    try:
        return float(text)
    except (TypeError, ValueError):
        raise ValueError(f"its {name} is not a number") from None


def _whole(*values):
    if not all(value.is_integer() for value in values):
        raise ValueError("a mask does not begin at a whole pixel")
    return map(int, values)


def _paint(shape, value, label):
    number = partial(_number, shape)
    if shape.tag == "polygon":
        points = [pair.split(",") for pair in shape.get("points", "").split(";")]
        raster.polygon(label, points, value)
    elif shape.tag == "box":
        one, other = (number("xtl"), number("ytl")), (number("xbr"), number("ybr"))
        middle = ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2)
        raster.rectangle(label, one, other, value, number("rotation", 0.0), about=middle)
    elif shape.tag == "ellipse":
        centre, radii = (number("cx"), number("cy")), (number("rx"), number("ry"))
        raster.ellipse(label, centre, radii, value, number("rotation", 0.0))
    elif shape.tag == "mask":
        size = canvas_size(number("height"), number("width"))
        lengths = shape.get("rle", "").split(",")
        if not all(text.strip().isdecimal() and len(text) < 12 for text in lengths):
            raise ValueError("a mask's run lengths are not whole numbers")
        counts = np.array(lengths, np.int64)
        mask, left, top = raster.runs(counts, size, "C"), *_whole(number("left"), number("top"))
        part = label[max(top, 0) : top + size[0], max(left, 0) : left + size[1]]
        if part.shape != mask.shape:
            raise ValueError("a mask reaches over the border")
        part[mask] = value
    else:
        raise ValueError(f"it holds a {shortened(shape.tag, 40)}, which covers no area")

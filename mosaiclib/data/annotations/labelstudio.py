"""Label Studio's JSON and JSON-MIN: polygons, rectangles, ellipses, and the brush's run lengths."""

import re
from functools import partial
from urllib.parse import unquote

import numpy as np

from mosaiclib.data.annotations import raster
from mosaiclib.data.annotations.form import Item, Names, Reading, canvas_size, clean_name, painted
from mosaiclib.data.annotations.source import split_of
from mosaiclib.wording import shortened

TITLE = "Label Studio JSON"
_KINDS = ("polygonlabels", "brushlabels", "rectanglelabels", "ellipselabels")


def recognise(source):
    """Whether a JSON file is a list of tasks."""
    return any(_is_label_studio(source.json(path)) for path in source.ending(".json")[:20])


def read(source, legend):
    """The reading of every task's first annotation that was not cancelled; classes in the order of their names."""
    reading, tasks, labels = Reading(TITLE, [], []), [], set()
    for path in source.ending(".json"):
        content = source.json(path)
        for task in content if _is_label_studio(content) else ():
            with reading.leaving_out(_called(task)):
                shapes = [shape for shape in _shapes(task) if _kind(shape)]
                tasks.append((path, task, shapes))
                labels |= {_label(shape) for shape in shapes}
    names = Names(sorted(labels))
    for path, task, shapes in tasks:
        with reading.leaving_out(_called(task)):
            image = _image(source, task)
            sizes = {canvas_size(shape["original_height"], shape["original_width"]) for shape in shapes}
            if len(sizes) > 1 or any(shape.get("image_rotation") for shape in shapes):
                raise ValueError("it was turned or resized while it was labelled")
            painting = [partial(_paint, shape, names.id(_label(shape))) for shape in shapes]
            size, split = next(iter(sizes), None), split_of(source.relative(image))
            reading.items.append(Item(image, split, size, painted(painting), path, empty=not shapes))
    reading.names = names.names
    return reading


def _is_label_studio(content):
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return False
    first = content[0]
    return ("data" in first and "annotations" in first) or any(_kind(shape) for shape in _minimal(first))


def _minimal(task):
    """The shapes of a task in JSON-MIN: those in any list of it."""
    return [shape for value in task.values() if isinstance(value, list) for shape in value if isinstance(shape, dict)]


def _shapes(task):
    """Each shape as one flat dict of its value and its image's size."""
    if "annotations" not in task:
        return _minimal(task)
    drawn = [annotation for annotation in task["annotations"] if not annotation.get("was_cancelled")]
    return [{**shape, **shape["value"]} for shape in drawn[0]["result"] if "value" in shape] if drawn else []


def _kind(shape):
    return next((kind for kind in _KINDS if shape.get(kind)), None)


def _label(shape):
    return clean_name(shape[_kind(shape)][0])


def _called(task):
    return f"task {shortened(task.get('id', ''), 40)}" if isinstance(task, dict) else "an entry"


def _image(source, task):
    """The image of a task: its name without the address before it, or the eight characters of an upload."""
    data = task.get("data", task)
    problem = ValueError("it names no image")
    for text in data.values():
        if isinstance(text, str):
            name = unquote(text.split("?d=")[-1].split("?")[0])
            for candidate in (name, re.sub(r"(^|.*/)[0-9a-f]{8}-", r"\1", name)):
                try:
                    return source.image(candidate)
                except ValueError as error:
                    problem = error
    raise problem


def _paint(shape, value, label):
    height, width = label.shape
    kind = _kind(shape)
    if kind == "polygonlabels":
        raster.polygon(label, raster.numbers(shape["points"]) * (width / 100, height / 100), value)
    elif kind == "brushlabels":
        if shape.get("format", "rle") != "rle":
            raise ValueError("its brush strokes are not run lengths")
        label[_decoded(shape["rle"], label.shape)] = value
    elif kind == "rectanglelabels":
        left, top = shape["x"] * width / 100, shape["y"] * height / 100
        right, bottom = left + shape["width"] * width / 100, top + shape["height"] * height / 100
        raster.rectangle(label, (left, top), (right, bottom), value, shape.get("rotation", 0))
    else:
        centre = shape["x"] * width / 100, shape["y"] * height / 100
        radii = shape["radiusX"] * width / 100, shape["radiusY"] * height / 100
        raster.ellipse(label, centre, radii, value, shape.get("rotation", 0))


def _decoded(numbers, size):
    """The brush's mask, bool [H, W]: bytes of red, green, blue and alpha, of which alpha says what was painted.

    The stream of bits: 32 for how many values follow, 5 for their width less one, four times 4 for a length's width
    less one. Then runs: a bit that says whether all values are alike, 2 that choose the length's width, the length less
    one, and one value or so many.
    """
    if not isinstance(numbers, list) or not all(type(number) is int and 0 <= number <= 255 for number in numbers):
        raise ValueError("its brush strokes are not bytes")
    bits = np.unpackbits(np.array(numbers, np.uint8))
    position = 0

    def take(count):
        nonlocal position
        if position + count > len(bits):
            raise ValueError("its brush strokes end too early")
        part = bits[position : position + count]
        position += count
        return part

    def number(count):
        return int("".join(map(str, take(count).tolist())), 2)

    total, width = number(32), number(5) + 1
    widths = [number(4) + 1 for _ in range(4)]
    if total != 4 * size[0] * size[1] or width > 8:
        raise ValueError("its brush strokes are of another size")
    values, weights = np.zeros(total, np.uint8), 1 << np.arange(width)[::-1]
    done = 0
    while done < total:
        alike, length = number(1), number(widths[number(2)]) + 1
        if done + length > total:
            raise ValueError("its brush strokes hold too many pixels")
        part = take(width if alike else width * length).reshape(-1, width)
        values[done : done + length] = part @ weights
        done += length
    return values.reshape(*size, 4)[..., 3] > 0

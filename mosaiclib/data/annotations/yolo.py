"""YOLO's text files of polygons: labels/a.txt beside images/a.jpg, and data.yaml with the names."""

from functools import partial

import yaml

from mosaiclib.data.annotations import raster
from mosaiclib.data.annotations.form import Item, Names, Reading, painted
from mosaiclib.data.annotations.source import IMAGE_ENDINGS, beginning, split_of, text_of

TITLE = "YOLO polygons"


def recognise(source):
    """Whether a text file in a folder labels/ begins with a class and coordinates."""
    return any(_is_line(beginning(path)) for path in _label_files(source)[:20])


def read(source, legend):
    """The reading of every image with such a file; id 0 is the background, the others follow YOLO's classes."""
    reading, classes = Reading(TITLE, [], []), _class_names(source) or dict(legend.names)
    names = Names()
    by_key = {_key(source.relative(path)): path for path in _label_files(source)}
    images = {}
    for path in source.all_files():
        if path.suffix.lower() in IMAGE_ENDINGS:
            images.setdefault(_key(source.relative(path)), []).append(path)
    parsed = {}
    for key, path in by_key.items():
        with reading.leaving_out(path.name):
            parsed[key] = [
                _shape(line, number) for number, line in enumerate(text_of(path).splitlines(), 1) if line.strip()
            ]
    used = {number for shapes in parsed.values() for number, _ in shapes}
    ids = {number: names.id(classes.get(number, f"class {number}")) for number in sorted(used | classes.keys())}
    for key, paths in images.items():
        with reading.leaving_out(paths[0].name):
            if len(paths) > 1:
                raise ValueError(f"{paths[1].name} has the same name")
            if key not in parsed:
                raise ValueError(
                    "no label file belongs to it" if key not in by_key else "its label file cannot be read"
                )
            shapes = [partial(_paint, points, ids[number]) for number, points in parsed[key]]
            split = split_of(source.relative(paths[0]))
            reading.items.append(Item(paths[0], split, None, painted(shapes), by_key[key], not shapes, upright=True))
    reading.left_out += [(by_key[key].name, "it belongs to no image") for key in sorted(by_key.keys() - images.keys())]
    reading.names = names.names
    return reading


def _label_files(source):
    return [path for path in source.ending(".txt") if "labels" in source.relative(path).parts[:-1]]


def _key(relative):
    return tuple(part for part in relative.with_suffix("").parts if part.lower() not in ("images", "labels"))


def _is_line(text):
    words = text.splitlines()[0].split() if text.strip() else []
    return len(words) >= 5 and words[0].isdecimal() and all(_is_share(word) for word in words[1:])


def _is_share(word):
    try:
        return -1 <= float(word) <= 2
    except ValueError:
        return False


def _shape(line, number):
    """(class, [(x, y)] as shares of the image's size) of a line."""
    words = line.split()
    if len(words) == 5:
        raise ValueError(f"line {number} is a box, not a polygon")
    if len(words) < 7 or len(words) % 2 == 0 or not words[0].isdecimal() or not all(map(_is_share, words[1:])):
        raise ValueError(f"line {number} is not a class and a polygon")
    values = [float(word) for word in words[1:]]
    return int(words[0]), list(zip(values[::2], values[1::2], strict=True))


def _paint(points, value, label):
    height, width = label.shape
    raster.polygon(label, [(x * width, y * height) for x, y in points], value)


def _class_names(source):
    for path in source.ending(".yaml", ".yml"):
        try:
            names = yaml.safe_load(text_of(path, 1 << 20)).get("names")
            return {int(i): name for i, name in (names.items() if isinstance(names, dict) else enumerate(names))}
        except (yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError):
            continue
    return {}

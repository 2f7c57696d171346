"""COCO's JSON: polygons, and run lengths packed or not, of the instances and "stuff" tasks."""

from collections import defaultdict
from functools import partial

import numpy as np

from mosaiclib.data.annotations import raster
from mosaiclib.data.annotations.form import Item, Names, Reading, canvas_size, painted
from mosaiclib.data.annotations.source import split_of
from mosaiclib.wording import shortened

TITLE = "COCO JSON"


def recognise(source):
    """Whether one of the JSON files has images, annotations and categories."""
    return any(_is_coco(source.json(path)) for path in source.ending(".json")[:20])


def read(source, legend):
    """The reading of every image of every such file; ids follow those of the categories."""
    contents = {path: source.json(path) for path in source.ending(".json")}
    contents = {path: content for path, content in contents.items() if _is_coco(content)}
    names, reading = Names(), Reading(TITLE, [], [])
    for path, content in contents.items():
        categories = {}
        for category in sorted(content["categories"], key=lambda entry: _number(entry, "id")):
            categories[category["id"]] = names.id(category["name"])
        by_image = defaultdict(list)
        for annotation in content["annotations"]:
            by_image[_number(annotation, "image_id")].append(annotation)
        for entry in content["images"]:
            with reading.leaving_out(_called(entry)):
                image = source.image(entry["file_name"])
                size = canvas_size(entry["height"], entry["width"])
                shapes = [
                    partial(_paint, annotation["segmentation"], size, categories[annotation["category_id"]])
                    for annotation in by_image[entry["id"]]
                ]
                split = split_of(source.relative(path)) or split_of(source.relative(image))
                reading.items.append(Item(image, split, size, painted(shapes), path, empty=not shapes))
    reading.names = names.names
    return reading


def _is_coco(content):
    parts = ("images", "annotations", "categories")
    return isinstance(content, dict) and all(isinstance(content.get(part), list) for part in parts)


def _called(entry):
    return shortened(entry.get("file_name"), 200) if isinstance(entry, dict) else "an entry of images"


def _number(entry, name):
    if not isinstance(entry, dict) or not isinstance(entry.get(name), int):
        raise ValueError(f"The COCO file holds an entry whose '{name}' is not a whole number.")
    return entry[name]


def _paint(segmentation, size, value, label):
    if isinstance(segmentation, dict):
        label[_decoded(segmentation, size)] = value
    elif isinstance(segmentation, list) and segmentation:
        for flat in segmentation:
            if not isinstance(flat, list) or len(flat) % 2:
                raise ValueError("a polygon is not a list of x and y")
            raster.polygon(label, [flat[i : i + 2] for i in range(0, len(flat), 2)], value)
    else:
        raise ValueError("an object has only a box, no outline")


def _decoded(segmentation, size):
    """A mask from run lengths. Packed ones are unpacked here: pycocotools 2.0.11 writes beyond its memory where they
    are damaged, and leaves pixels as they were where they end early."""
    if list(segmentation["size"]) != list(size):
        raise ValueError("its run lengths are of another size")
    counts = segmentation["counts"]
    return raster.runs(_unpacked(counts) if isinstance(counts, str) else counts, size, "F")


def _unpacked(text):
    """Run lengths from COCO's text: 5 bits a character from 48 on, 0x20 for more to come; from the third on each is a
    difference from the one before the last."""
    codes = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    if codes.size and (codes.min() < 0 or codes.max() > 63):
        raise ValueError("its run lengths are no COCO text")
    counts, value, shift = [], 0, 0
    for code in codes.tolist():
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            if shift > 35:
                raise ValueError("its run lengths are no COCO text")
            continue
        if code & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    return counts

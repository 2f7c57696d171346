"""Writes what a reader yields as a folder that trains: images/, labels/, classes.yaml, and a page on all of it."""

import os
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import yaml

from mosaiclib import files
from mosaiclib.data import images
from mosaiclib.data.annotations import detect, page, splitting
from mosaiclib.data.annotations.drawing import draw_all
from mosaiclib.data.annotations.form import printable
from mosaiclib.data.annotations.source import split_lists
from mosaiclib.data.dataset import spread_palette
from mosaiclib.data.images import IGNORE

EXIF = ("stored", "upright")
_EXAMPLES = 12


@dataclass
class Imported:
    """What was written. pixels: by split and class name. examples: [(name, image, label)], small.

    left_out: (what, why). rewritten: images that were turned, shrunk or decoded into a PNG; the others are links or
    copies.
    """

    folder: str
    format: str
    classes: list[str]
    palette: list[tuple[int, int, int]]
    images: dict[str, int]
    pixels: dict[str, dict[str, int]]
    ignored_pixels: int
    rewritten: int
    notes: list[str]
    left_out: list[tuple[str, str]]
    examples: list = field(default_factory=list, repr=False)


def convert(source_path, out, name=None, legend=None, images_folder=None, exif=None, keep_empty=False, copy=False,
            max_side=None, progress=lambda items, **_: items) -> Imported:  # fmt: skip
    """Imports a source of any known format into the new folder `out`, which is there as a whole at the end or not.

    name, legend, images_folder: as `detect.read` has them. exif: "stored" or "upright", how labels lie where images
    are turned by their EXIF orientation and no size tells. keep_empty: images on which nothing is drawn are all
    background. copy: copies images where hard links would serve. max_side: longer sides of images and labels are
    shrunk to so many pixels. progress: called with the iterable of items,
    total=their number and desc. Raises ValueError in one sentence, and OSError.
    """
    out = Path(out).expanduser()
    if max_side is not None and max_side < 32:
        raise ValueError(f"Images of at most {max_side} pixels a side show nothing: let --max-side be 32 or more.")
    if exif not in (None, *EXIF):
        raise ValueError(f"Labels cannot lie '{exif}': choose stored or upright.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists already: name a new folder, or remove it.")
    source, reading = detect.read(source_path, name, legend, images_folder)
    items = _usable(reading, source, keep_empty)
    with files.replacing_folder(out) as partial:
        (partial / "drawn").mkdir()
        drawn = draw_all(reading, items, partial / "drawn", exif, progress)
        # A page that is passed on says nothing of where the source lies on this machine.
        reading.left_out = [(what, why.replace(f"{source.root}/", "")) for what, why in reading.left_out]
        result = _write(reading, drawn, partial, out, copy, max_side)
        if out.exists():
            out.rmdir()  # fails where it has been filled in the meantime
    return result


def _usable(reading, source, keep_empty):
    """The items with their splits, each image once; empty ones only where they are kept."""
    lists, seen, usable = split_lists(source), set(), []
    for item in reading.items:
        what = str(source.relative(item.image))
        if item.image in seen:
            reading.left_out.append((what, "a second annotation of an image that is there already"))
        elif item.empty and not keep_empty:
            reading.left_out.append((what, "nothing is drawn on it (--keep-empty takes it as background)"))
        else:
            seen.add(item.image)
            split = lists.get(item.image.stem, item.split)
            usable.append(replace(item, split=split))
    return usable


def _write(reading, drawn, partial, out, copy, max_side):
    """Writes the folder `partial`, which will be `out`."""
    total = sum(each.counts for each in drawn)
    kept = [i for i in range(len(reading.names)) if total[i]]
    if len(kept) < 2:
        only = reading.names[kept[0]]
        raise ValueError(
            f"Only one class occurs in the {len(drawn)} images, '{only}': there is nothing to learn."
            f"{reading.first_left_out()}"
        )
    for i in set(range(len(reading.names))) - set(kept):
        reading.left_out.append((f"the class '{reading.names[i]}'", "it occurs in no image that was imported"))
    table = np.full(256, IGNORE, np.uint8)
    table[kept] = np.arange(len(kept))
    classes = [printable(files.as_text(reading.names[i])) for i in kept]
    palette = [tuple(reading.colours[i]) for i in kept] if reading.colours else spread_palette(len(kept))
    palette = list(palette) if len(set(palette)) == len(palette) else list(spread_palette(len(kept)))

    present = [set(np.flatnonzero(each.counts[:IGNORE])) for each in drawn]
    try:
        splits, how = splitting.assign([each.item for each in drawn], present)
    except ValueError as error:
        raise ValueError(f"{error}{reading.first_left_out()}") from None
    names, pixels, counts, rewritten, shrunk = Counter(), {}, Counter(), 0, 0
    for each, split in zip(drawn, splits, strict=True):
        stem = _stem(each.item, out, names, split)
        label = table[images.read_label(each.label_path)]
        factor = min(1, (max_side or max(label.shape)) / max(label.shape))
        size = tuple(max(1, round(factor * side)) for side in label.shape)
        label = cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST) if factor < 1 else label
        images.write_png(partial / "labels" / split / f"{stem}.png", label)
        rewritten += each.ending is None or factor < 1
        shrunk += factor < 1
        _place(each, partial / "images" / split, stem, copy, size if factor < 1 else None)
        counts[split] += 1
        row = pixels.setdefault(split, np.zeros(256, np.int64))
        row += np.bincount(label.ravel(), minlength=256)
    shutil.rmtree(partial / "drawn")
    described = {"names": classes, "colours": [list(map(int, colour)) for colour in palette]}
    text = yaml.safe_dump(described, allow_unicode=True, default_flow_style=None)
    (partial / "classes.yaml").write_text(text, encoding="utf-8")
    notes = [*reading.notes, how] + ([f"{shrunk} images were shrunk to {max_side} pixels."] if shrunk else [])
    order = [split for split in ("train", "val", "test") if counts[split]]
    chosen = drawn[:: max(1, -(-len(drawn) // _EXAMPLES))]
    result = Imported(
        folder=str(out),
        format=reading.title,
        classes=classes,
        palette=palette,
        images={split: counts[split] for split in order},
        pixels={split: dict(zip(classes, pixels[split][: len(kept)].tolist(), strict=True)) for split in order},
        ignored_pixels=int(sum(row[IGNORE] for row in pixels.values())),
        rewritten=rewritten,
        notes=notes,
        left_out=[(printable(what), printable(why)) for what, why in reading.left_out],
        examples=[(each.item.image.name, each.example[0], table[each.example[1]]) for each in chosen],
    )
    (partial / "import.html").write_text(page.render(result), encoding="utf-8", errors="backslashreplace")
    return result


def _stem(item, out, names, split):
    """A file name without ending, free in its split: the image's own, with a number where it is taken."""
    stem = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in item.image.stem)[:100].lstrip(".")
    stem = stem or "image"
    names[split, stem.lower()] += 1
    count = names[split, stem.lower()]
    while count > 1 and (split, f"{stem}_{count}".lower()) in names:
        count += 1
    if count > 1:
        stem = f"{stem}_{count}"
        names[split, stem.lower()] += 1
    return stem


def _place(each, folder, stem, copy, size=None):
    """Links the image into the folder, or copies it where no link can be; a rewritten one becomes an upright PNG.

    size: (height, width) that it is shrunk to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if each.ending is None or size:
        pixels = images.read_image(each.item.image, formats=images.IMPORTED_FORMATS)
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA) if size else pixels
        images.write_png(folder / f"{stem}.png", pixels)
        return
    target = folder / f"{stem}{each.ending}"
    if not copy:
        try:
            os.link(os.path.realpath(each.item.image), target)
            return
        except OSError:
            pass
    shutil.copyfile(each.item.image, target)

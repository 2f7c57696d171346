"""Masks drawn as pixels: ids at any depth, 0 and 255, grey levels, colours, palettes, and one file a class."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from mosaiclib.data import images
from mosaiclib.data.annotations.form import BACKGROUND, IGNORE, Item, Names, Reading, is_ignored
from mosaiclib.data.annotations.pairing import pair

_FORMATS = (*images.IMPORTED_FORMATS, "GIF")
_RARE = 0.01  # share of all pixels that blended colours may have


TITLE = "masks"


def recognise(source):
    """True: what is no other format is looked at as masks."""
    return True


def read(source, legend) -> Reading:
    """The reading of images with masks. legend: a `legend.Legend`."""
    pairs = pair(source)
    if pairs.by_class:
        return _one_file_a_class(pairs)
    return of_pairs(TITLE, pairs.whole, legend, pairs.left_out)


def of_pairs(title, pairs, legend, left_out=()) -> Reading:
    """The reading of [(image, mask, split)], whose values are looked at first, all over."""
    reading = Reading(title, [], [], left_out=list(left_out))
    surveyed = [(each, survey) for each, survey in zip(pairs, _surveys(pairs, reading), strict=True) if survey]
    if not surveyed:
        return reading
    in_colour = any(survey.is_colour for _, survey in surveyed)
    counts = Counter()
    for _, survey in surveyed:
        counts.update(survey.colours if in_colour else survey.values)
        if len(counts) > 1 << 20:
            raise ValueError("The masks hold more than a million values: they are no masks of classes.")
    palette = {key: colour for _, survey in surveyed for key, colour in survey.palette.items()}
    decide = _by_colour if in_colour else _by_value
    table = decide(reading, counts, legend, palette)
    for (image, mask, split), _ in surveyed:
        reading.items.append(Item(image, split, None, partial(_draw, mask, table, in_colour), mask))
    return reading


@dataclass
class _Survey:
    """How often each value, or (r, g, b) as one number, occurs in a mask; palette: the colour of each value."""

    values: Counter
    colours: Counter
    palette: dict
    is_colour: bool


def _surveys(pairs, reading):
    def look(pair):
        try:
            pixels, palette = pixels_of(pair[1])
            if pixels.ndim == 3:
                return _Survey(Counter(), _counted(_packed(pixels)), {}, True)
            values, colours = _counted(pixels), Counter()
            for value, count in values.items():
                colours[_one_number(palette.get(value, (value,) * 3))] += count
            return _Survey(values, colours, palette, False)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for (image, *_), survey in zip(pairs, threads.map(look, pairs), strict=True):
            if isinstance(survey, ValueError):
                reading.left_out.append((image.name, str(survey)))
            yield None if isinstance(survey, ValueError) else survey


def pixels_of(path):
    """(Stored values [H, W] or colours [H, W, 3], palette {value: (r, g, b)}) of a mask file. Raises ValueError."""
    image, depth = images.loaded(path, _FORMATS)
    palette = {}
    if image.mode == "P":
        entries = np.reshape(image.getpalette("RGB") or [], (-1, 3))
        palette = {value: tuple(map(int, colour)) for value, colour in enumerate(entries)}
    elif image.mode in ("CMYK", "YCbCr", "HSV", "LAB", "F"):
        raise ValueError(f"{path} is no mask: its mode is {image.mode}")
    pixels = images.stored_values(image, depth)
    if pixels.ndim == 3:
        clear = pixels[..., -1] == 0 if pixels.shape[2] in (2, 4) else None
        pixels = pixels[..., : 3 if pixels.shape[2] > 2 else 1]
        if clear is not None and clear.any():  # transparent is background, whatever colour lies below
            pixels = np.where(clear[..., None], 0, pixels)
        if (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
    return pixels, palette


def _counted(pixels):
    values, counts = np.unique(pixels, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _packed(pixels):
    red, green, blue = (pixels[..., i].astype(np.uint32) for i in range(3))
    return red << 16 | green << 8 | blue


def _listed(values):
    text = ", ".join(map(str, values[:12]))
    return f"{text} and {len(values) - 12} more" if len(values) > 12 else text


def _one_number(colour):
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _unpacked(number):
    return number >> 16, number >> 8 & 255, number & 255


def _by_value(reading, counts, legend, palette):
    """{value: id} of masks with one channel, which also fills the reading's names and notes."""
    table = _binary(reading, counts, legend)
    if table:
        return table
    values = sorted(counts)
    if palette and legend.colours:
        return _by_colour(reading, counts, legend, palette, of_values=True)
    if len(values) > IGNORE + 1:
        raise ValueError(f"The masks hold {len(values)} different values: they are no masks of classes.")
    largest = max((value for value in values if value != IGNORE), default=0)
    as_ids = values[-1] <= IGNORE and (largest < 2 * len(values) or (legend.names and largest <= max(legend.names)))
    as_ids = as_ids or bool(palette and values[-1] <= IGNORE)
    classes = [value for value in values if not (as_ids and value == IGNORE)]
    if not classes:
        raise ValueError("The masks hold nothing but 255, which stands for pixels without a class.")
    table = {IGNORE: IGNORE}
    for value in classes:
        name = legend.names.get(value) or (BACKGROUND if value == 0 else f"class {value}")
        if is_ignored(name):
            table[value] = IGNORE
            continue
        table[value] = len(reading.names)
        reading.names.append(name)
    if palette:
        reading.colours = [palette.get(value, (0, 0, 0)) for value in classes if table[value] != IGNORE]
    kind = "ids" if as_ids else "grey levels, each a class"
    reading.notes.append(f"The masks hold {kind}: {_listed(values)}.{' 255 is ignored.' if as_ids else ''}")
    return table


def _binary(reading, counts, legend):
    """{value: id} where masks show one object: two values, 0 and another, or nearly so where JPEG blurred them."""
    total, values = sum(counts.values()), sorted(counts)
    near = sum(n for value, n in counts.items() if value <= 16 or 239 <= value <= 255)
    blurred = len(values) > 16 and values[-1] <= 255 and near >= 0.97 * total and legend.path is None
    two = len(values) == 2 and values[0] == 0 and not (values[1] == 1 and len(legend.names) > 1)
    if not (two or blurred) or len(legend.names) > 2 or values[-1] > 65535:
        return None
    reading.names = [legend.names.get(0, BACKGROUND), legend.names.get(1) or legend.names.get(values[-1], "object")]
    if blurred:
        reading.notes.append("The masks are black and white with blurred edges: what is above 127 is the object.")
        return {value: int(value > 127) for value in values}
    reading.notes.append(f"The masks hold 0 and {values[1]}: {values[1]} is '{reading.names[1]}'.")
    return {0: 0, values[1]: 1}


def _by_colour(reading, counts, legend, palette, of_values=False):
    """{colour as one number: id}, by the legend or by what is found; of_values: {value: id} of a palette."""
    key = (lambda value: _one_number(palette.get(value, (value,) * 3))) if of_values else lambda number: number
    shares = Counter()
    for value, count in counts.items():
        shares[key(value)] += count
    total = sum(shares.values())
    if legend.colours:
        classes = {_one_number(colour): name for colour, name in legend.colours.items()}
        reading.notes.append(f"The colours are named by {legend.path.name}.")
    else:
        classes = _found(shares, total)
        reading.notes.append("No legend was found: each colour is a class, and classes.yaml may be given other names.")
    unknown = {number: n for number, n in shares.items() if number not in classes}
    share = sum(unknown.values()) / total
    if share > _RARE:
        common = max(unknown, key=unknown.get)
        raise ValueError(
            f"The masks hold colours without a class on {share:.1%} of their pixels, most {_unpacked(common)}: name "
            "each in a legend (--legend FILE, one `name, r, g, b` a line)."
        )
    if unknown:
        reading.notes.append(
            f"{len(unknown)} rare or blended colours on {share:.2%} of the pixels belong to no class and are ignored."
        )
    ids = {}
    reading.names, reading.colours = [], []
    for number, name in classes.items():
        if is_ignored(name):
            ids[number] = IGNORE
        elif name in reading.names:  # one class in two colours
            ids[number] = reading.names.index(name)
        else:
            ids[number] = len(reading.names)
            reading.names.append(name)
            reading.colours.append(_unpacked(number))
    return {value: ids.get(key(value), IGNORE) for value in counts}


def _found(shares, total):
    """{colour: name}: black first, the others by how much they cover, until only blends are left."""
    from PIL.ImageColor import colormap

    known = {value: name for name, value in reversed(colormap.items()) if isinstance(value, str)}
    if len(shares) > 64:
        shares = Counter({number: n for number, n in shares.items() if n >= 0.0005 * total})
    if len(shares) > IGNORE:
        raise ValueError(f"The masks hold {len(shares)} colours: they are no masks of classes.")
    order = sorted(shares, key=lambda number: (number != 0, -shares[number], number))
    text = {number: f"#{number:06x}" for number in order}
    return {number: BACKGROUND if number == 0 else known.get(text[number], text[number]) for number in order}


def _draw(mask, table, in_colour, size):
    pixels, palette = pixels_of(mask)
    if in_colour and pixels.ndim == 2:
        colours = np.array([_one_number(palette.get(v, (v, v, v))) for v in range(256)], np.uint32)
        pixels = colours[pixels]
    elif in_colour:
        pixels = _packed(pixels)
    values, inverse = np.unique(pixels, return_inverse=True)
    ids = np.array([table[value] for value in values.tolist()], np.uint8)
    return ids[inverse.reshape(pixels.shape)]


def _one_file_a_class(pairs):
    """Masks of one class each, laid over one another in the order of the names; what is not 0 is the class."""
    reading = Reading("masks, one file a class", [], [], left_out=pairs.left_out)
    names = Names(sorted({name for _, masks, _ in pairs.by_class for name in masks}))
    often = Counter(name for _, masks, _ in pairs.by_class for name in masks)
    if len(pairs.by_class) > 2 and max(often.values()) == 1:
        raise ValueError(
            f"No two images share a name of a mask ({min(often)} ...): name masks by class, not by object."
        )
    reading.names = names.names
    for image, masks, split in pairs.by_class:
        draw = partial(_draw_classes, [(names.id(name), path) for name, path in sorted(masks.items())])
        reading.items.append(Item(image, split, None, draw, next(iter(masks.values())).parent))
    reading.notes.append("Each file holds one class; where they overlap, the last in the order of names counts.")
    return reading


def _draw_classes(masks, size):
    label = None
    for value, path in masks:
        pixels, _ = pixels_of(path)
        if pixels.ndim != 2 or (label is not None and pixels.shape != label.shape):
            raise ValueError(f"{path} is not black and white, or of another size than its sisters")
        label = np.zeros(pixels.shape, np.uint8) if label is None else label
        label[pixels > (127 if len(np.unique(pixels)) > 2 else 0)] = value
    return label

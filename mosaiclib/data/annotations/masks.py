"""Masks drawn as pixels: ids at any depth, 0 and 255, grey levels, colours, palettes, and one file per class."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from mosaiclib.data import images, mask_values
from mosaiclib.data.annotations import meaning, stored
from mosaiclib.data.annotations.form import Item, Names, Reading
from mosaiclib.data.annotations.pairing import pair

_FORMATS = (*images.IMPORTED_FORMATS, "GIF")
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
    palette, in_colour = {}, any(survey.is_colour for _, survey in surveyed)
    for _, survey in surveyed:
        for value in survey.values:
            # Where one index has two colours, each file has a palette of its own: the colours count.
            colour = survey.palette.get(value, (value,) * 3)
            in_colour = in_colour or palette.setdefault(value, colour) != colour
    has_palette = any(survey.palette for _, survey in surveyed)
    counts, filled = Counter(), set()
    for _, survey in surveyed:
        counts.update(survey.colours if in_colour else survey.values)
        filled.update(map(survey.number, survey.filled) if in_colour else survey.filled)
        if len(counts) > 1 << 20:
            raise ValueError("The masks hold more than a million values: they are not masks of classes.")
    decide = meaning.by_colour if in_colour else meaning.by_value
    blurred = any(survey.is_lossy for _, survey in surveyed)
    table = decide(reading, counts, legend, palette if has_palette else {}, blurred, filled)
    for (image, mask, split), _ in surveyed:
        reading.items.append(Item(image, split, None, partial(_draw, mask, table, in_colour), mask))
    return reading


@dataclass
class _Survey:
    """How often each value, or (r, g, b) as one number, occurs in a mask; palette: the colour of each value.

    filled: those that fill 3x3 pixels somewhere. is_lossy: whether its file's compression has changed values.
    """

    values: Counter
    colours: Counter
    palette: dict
    filled: list
    is_colour: bool
    is_lossy: bool

    def number(self, value):
        """A value's colour as one number."""
        return value if self.is_colour else meaning.one_number(self.palette.get(value, (value,) * 3))


def _surveys(pairs, reading):
    def look(pair):
        try:
            pixels, palette = pixels_of(pair[1])
            is_lossy = stored.is_lossy(pair[1])
            if pixels.ndim == 3:
                packed = _packed(pixels)
                filled = mask_values.filled_values(packed).tolist()
                return _Survey(Counter(), _counted(packed), {}, filled, True, is_lossy)
            filled = mask_values.filled_values(pixels).tolist()
            survey = _Survey(_counted(pixels), Counter(), palette, filled, False, is_lossy)
            for value, count in survey.values.items():
                survey.colours[survey.number(value)] += count
            return survey
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
    stored.refuse_several(path, _FORMATS)
    palette = {}
    if image.mode == "P":
        entries = np.reshape(image.getpalette("RGB") or [], (-1, 3))
        palette = {value: tuple(map(int, colour)) for value, colour in enumerate(entries)}
    elif image.mode in ("CMYK", "YCbCr", "HSV", "LAB", "F"):
        raise ValueError(f"{path} is not a mask: its mode is {image.mode}")
    pixels = images.stored_values(image, depth)
    if pixels.min() < 0:
        raise ValueError(f"{path} is not a mask: it holds {pixels.min()}, and ids count from 0")
    if pixels.ndim == 3:
        clear = pixels[..., -1] == 0 if pixels.shape[2] in (2, 4) else None
        pixels = pixels[..., : 3 if pixels.shape[2] > 2 else 1]
        if clear is not None and clear.any():  # transparent is background, whatever colour lies below
            pixels = np.where(clear[..., None], 0, pixels)
        if (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
    return pixels, palette


def _counted(pixels):
    values, lengths = _runs(pixels)
    values, inverse = np.unique(values, return_inverse=True)
    counts = np.bincount(inverse, lengths).astype(np.int64)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _runs(pixels):
    """(Values, lengths) of the runs of equal pixels: few in a mask, so that what follows need not sort every pixel."""
    flat = pixels.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    return flat[starts], np.diff(starts, append=flat.size)


def _packed(pixels):
    red, green, blue = (pixels[..., i].astype(np.uint32) for i in range(3))
    return red << 16 | green << 8 | blue


def _draw(mask, table, in_colour, size):
    pixels, palette = pixels_of(mask)
    if in_colour and pixels.ndim == 2:
        colours = np.array([meaning.one_number(palette.get(v, (v, v, v))) for v in range(256)], np.uint32)
        pixels = colours[pixels]
    elif in_colour:
        pixels = _packed(pixels)
    values, lengths = _runs(pixels)
    values, inverse = np.unique(values, return_inverse=True)
    ids = np.array([table[value] for value in values.tolist()], np.uint8)
    return np.repeat(ids[inverse], lengths).reshape(pixels.shape)


def _one_file_a_class(pairs):
    """Masks of one class each, laid over one another in the order of the names; what is not 0 is the class."""
    reading = Reading("masks, one file per class", [], [], left_out=pairs.left_out)
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
        label[pixels > (127 if len(np.unique(pixels)) > 2 or stored.is_lossy(path) else 0)] = value
    return label

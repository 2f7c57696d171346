"""What the values or colours of masks mean: ids, black and white, grey levels, or colours of a legend."""

from collections import Counter

import numpy as np

from mosaiclib.data.annotations.form import BACKGROUND, is_ignored
from mosaiclib.data.annotations.stored import LOSSY
from mosaiclib.data.images import IGNORE

_RARE = 0.01  # share of all pixels that blended colours may have
_ROUNDING = 2  # how far a blend of two colours may lie from the line between them
_FEW = 64  # colours that may each be a class


def by_value(reading, counts, legend, palette, blurred, filled):
    """{value: id} of masks with one channel, which also fills the reading's names and notes.

    blurred: whether the files' compression has changed values; then black and white alone can be told apart. filled:
    values that fill 3x3 pixels somewhere, as blends at smoothed edges do not.
    """
    values = sorted(counts)
    largest = max((value for value in values if value != IGNORE), default=0)
    as_ids = values[-1] <= IGNORE and (largest < 2 * len(values) or (legend.names and largest <= max(legend.names)))
    as_ids = as_ids or bool(palette and values[-1] <= IGNORE)
    sure = filled - {IGNORE} if as_ids else filled
    blends = [] if palette or len(values) > IGNORE + 1 else _blends(counts.keys(), sure, lambda value: value)
    table = _binary(reading, counts, legend, blurred, blends if not as_ids else [])
    if table:
        return table
    if blurred:
        raise ValueError(f"The masks hold more than black and white, and {LOSSY}.")
    _refuse_blends([value for value in blends if value not in legend.names], "`name, value`")
    if palette and legend.colours:
        return by_colour(reading, counts, legend, palette, blurred, filled, of_values=True)
    if len(values) > IGNORE + 1:
        raise ValueError(f"The masks hold {len(values)} different values: they are not masks of classes.")
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


def _blends(numbers, filled, colour):
    """Those of the numbers that are not filled and lie between two that are. colour: of a number, or itself."""
    sure = np.array([np.atleast_1d(colour(number)) for number in filled & numbers], float)
    found = []
    for number in sorted(numbers - filled) if len(sure) > 1 else []:
        one = np.atleast_1d(colour(number)) - sure
        other = one[:, None] - one[None]  # from each filled one to each other
        along = np.einsum("ik,ijk->ij", one, other) / np.maximum((other**2).sum(-1), 1)
        beside = np.abs(one[:, None] - along[..., None] * other).max(-1)
        if ((along > 0) & (along < 1) & (beside <= _ROUNDING)).any():
            found.append(number)
    return found


def _refuse_blends(found, line):
    if found:
        raise ValueError(
            f"The masks hold values between others that nowhere fill 3x3 pixels ({len(found)} of them, such as "
            f"{found[0]}): edges that were smoothed, or classes of thin lines. Save masks without smoothing, or name "
            f"each class in a legend (--legend FILE, one {line} a line)."
        )


def _binary(reading, counts, legend, lossy, blends):
    """{value: id} where masks show one object: two values, 0 and another, or nearly so where JPEG blurred them."""
    total, values = sum(counts.values()), sorted(counts)
    near = sum(n for value, n in counts.items() if value <= 16 or 239 <= value <= 255)
    unnamed = legend.path is None or ((lossy or blends) and len(legend.names) == 2)
    blurred = (lossy or blends or len(values) > 16) and 239 <= values[-1] <= 255 and near >= 0.97 * total and unnamed
    two = len(values) == 2 and values[0] == 0 and not (values[1] == 1 and len(legend.names) > 1)
    if not (two or blurred) or len(legend.names) > 2 or values[-1] > 65535:
        return None
    reading.names = [legend.names.get(0, BACKGROUND), legend.names.get(1) or legend.names.get(values[-1], "object")]
    if blurred:
        reading.notes.append("The masks are black and white with blurred edges: what is above 127 is the object.")
        return {value: int(value > 127) for value in values}
    reading.notes.append(f"The masks hold 0 and {values[1]}: {values[1]} is '{reading.names[1]}'.")
    return {0: 0, values[1]: 1}


def by_colour(reading, counts, legend, palette, blurred, filled, of_values=False):
    """{colour as one number: id}, by the legend or by what is found; of_values: {value: id} of a palette.

    blurred, filled: as of `by_value`.
    """
    key = (lambda value: one_number(palette.get(value, (value,) * 3))) if of_values else lambda number: number
    shares = Counter()
    for value, count in counts.items():
        shares[key(value)] += count
    total = sum(shares.values())
    if legend.colours:
        classes = {one_number(colour): name for colour, name in legend.colours.items()}
        reading.notes.append(f"The colours are named by {legend.path.name}.")
    elif blurred:
        raise ValueError(f"The masks hold colours, and {LOSSY}, or name each colour in a legend (--legend FILE).")
    else:
        if len(shares) <= _FEW:
            blends = _blends(shares.keys(), filled, _unpacked)
            _refuse_blends([_unpacked(number) for number in blends], "`name, r, g, b`")
        classes = _found(shares, total, filled)
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


def _found(shares, total, filled):
    """{colour: name}: black first, the others by how much they cover, until only blends are left."""
    from PIL.ImageColor import colormap

    known = {value: name for name, value in reversed(colormap.items()) if isinstance(value, str)}
    if len(shares) > _FEW:
        shares = Counter({number: n for number, n in shares.items() if n >= 0.0005 * total and number in filled})
    if len(shares) > IGNORE:
        raise ValueError(f"The masks hold {len(shares)} colours: they are not masks of classes.")
    order = sorted(shares, key=lambda number: (number != 0, -shares[number], number))
    text = {number: f"#{number:06x}" for number in order}
    return {number: BACKGROUND if number == 0 else known.get(text[number], text[number]) for number in order}


def _listed(values):
    text = ", ".join(map(str, values[:12]))
    return f"{text} and {len(values) - 12} more" if len(values) > 12 else text


def one_number(colour):
    """(r, g, b) as one number."""
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _unpacked(number):
    return number >> 16, number >> 8 & 255, number & 255

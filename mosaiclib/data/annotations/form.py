"""What a reader of any format yields: images, and the class ids that were drawn on them."""

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mosaiclib.data.images import IGNORE, MAXIMUM_PIXELS
from mosaiclib.wording import shortened

BACKGROUND = "background"
MALFORMED = (KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)  # of what JSON may hold
_IGNORED_NAMES = {"__ignore__", "ignore", "ignored", "void", "unlabeled", "unlabelled"}
_BACKGROUND_NAMES = {"background", "_background_", "__background__", "bg"}


@dataclass(frozen=True)
class Item:
    """One image and its labels.

    image: its path. split: train, val, test, or None where the source names none. size: (height, width) of the
    canvas that was drawn on, None where it is the image's own. draw: the labels, from that (height, width) to uint8
    [height, width] of ids in `Reading.names`, 255 where ignored; raises ValueError. source: the file drawn from.
    empty: whether nothing was drawn, so that nobody may have looked at it yet. upright: whether the labels are known
    to lie as the image does when its EXIF orientation has turned it.
    """

    image: Path
    split: str | None
    size: tuple[int, int] | None
    draw: Callable[[tuple[int, int]], np.ndarray] = field(repr=False)
    source: Path
    empty: bool = False
    upright: bool = False


@dataclass
class Reading:
    """names, colours: by id (colours None: to be spread). left_out: (what, why). notes: how it was understood."""

    title: str
    names: list[str]
    items: list[Item]
    colours: list[tuple[int, int, int]] | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def leaving_out(self, what):
        """Leaves `what` out, with the reason, where the block meets something that is not as the format has it."""
        try:
            yield
        except KeyError as error:
            self.left_out.append((str(what), f"it lacks {shortened(error, 200)}"))
        except MALFORMED:
            self.left_out.append((str(what), "it is not of the form that its format has"))
        except ValueError as error:
            self.left_out.append((str(what), str(error).rstrip(".")))

    def first_left_out(self):
        """A sentence on what was left out, "" where nothing was."""
        more = f", and {len(self.left_out) - 1} more" if self.left_out[1:] else ""
        return printable(f" Left out: {': '.join(self.left_out[0])}{more}.") if self.left_out else ""


def painted(shapes):
    """The `Item.draw` of shapes: functions that paint on a label map, one over the other, on background."""

    def draw(size):
        label = np.zeros(size, np.uint8)
        for paint in shapes:
            paint(label)
        return label

    return draw


class Names:
    """Class names by id as they turn up; id 0 is the background. Names like "void" and "__ignore__" are ignored."""

    def __init__(self, names=()):
        self.names = [BACKGROUND]
        for name in names:
            self.id(name)

    def id(self, name):
        """The id of a class, a new one where it has none. Raises ValueError for what is not a name, or the 256th."""
        name = clean_name(name)
        if name.lower() in _IGNORED_NAMES:
            return IGNORE
        if name.lower() in _BACKGROUND_NAMES:
            return 0
        if name not in self.names:
            if len(self.names) == IGNORE:
                raise ValueError("there are more than 255 classes")
            self.names.append(name)
        return self.names.index(name)


def printable(text):
    """The text without characters that could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def is_ignored(name):
    """Whether a class of that name stands for pixels without a class."""
    return name.lower() in _IGNORED_NAMES


def clean_name(name):
    """A class name of 1 to 60 printable characters. Raises ValueError."""
    text = " ".join(name.split()) if isinstance(name, str) else name
    if not isinstance(text, str) or not 0 < len(text) <= 60 or not text.isprintable():
        raise ValueError(f"{shortened(name, 80)!r} is not a class name: it must have 1 to 60 printable characters")
    return text


def is_name(value):
    """Whether `clean_name` takes it."""
    try:
        return bool(clean_name(value))
    except ValueError:
        return False


def canvas_size(height, width):
    """(height, width) as positive integers. Raises ValueError for numbers that no image has."""
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int | float) or not math.isfinite(side) or side != int(side):
            raise ValueError(f"its size {shortened(width, 20)}x{shortened(height, 20)} is not in whole pixels")
    if height < 1 or width < 1 or height * width > MAXIMUM_PIXELS:
        raise ValueError(f"its size is {width:.0f}x{height:.0f}, outside 1 to 100 million pixels")
    return int(height), int(width)

"""One network's classes as those of a data set, by their names."""

import re
from dataclasses import dataclass

import numpy as np

ANY = 255  # names of a file that gives class ids and does not say how many there are


@dataclass(frozen=True)
class Mapping:
    """ids: for each class of a network the data set's, or `len(classes)` where it has none, uint8.

    missing: classes of the data set that the network does not know. strange: its own that the data set does not have.
    by_name: False where the network names nothing and its classes were taken in the data set's order.
    """

    ids: np.ndarray
    missing: tuple[str, ...]
    strange: tuple[str, ...]
    by_name: bool

    def __call__(self, found):
        """A class map of the network as one of the data set."""
        return self.ids[found]

    @property
    def sentence(self) -> str:
        """What does not fit; "" where all does."""
        parts = [] if self.by_name else ["it names no classes: taken in the data set's order"]
        parts += [f"does not know {', '.join(self.missing)}"] if self.missing else []
        parts += [f"knows {len(self.strange)} more"] if self.strange else []
        return "; ".join(parts)


def mapping(names, classes) -> Mapping:
    """Maps a network's class names to a data set's: equal but for case, spaces, hyphens and underscores.

    Raises ValueError where no name is shared, where a name occurs twice, or where an unnamed network has another number
    of classes.
    """
    if all(re.fullmatch(r"class \d+", name) for name in names):
        if len(names) not in (len(classes), ANY):
            raise ValueError(f"it names no classes and has {len(names)}, but the data set has {len(classes)}")
        ids = np.minimum(np.arange(len(names)), len(classes)).astype(np.uint8)
        return Mapping(ids, (), (), by_name=False)
    wanted = {_plain(name): number for number, name in enumerate(classes)}
    own = [_plain(name) for name in names]
    twice = next((name for name in own if own.count(name) > 1 and name in wanted), None)
    if twice:
        raise ValueError(f"it has two classes called '{twice}'")
    ids = np.array([wanted.get(name, len(classes)) for name in own], np.uint8)
    missing = tuple(name for name in classes if _plain(name) not in own)
    if len(missing) == len(classes):
        raise ValueError(f"none of its classes ({', '.join(names[:4])} and so on) is one of the data set's")
    return Mapping(ids, missing, tuple(name for name in names if _plain(name) not in wanted), by_name=True)


def _plain(name):
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()

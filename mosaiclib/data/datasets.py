"""The data sets, by name: what their classes are, where their files lie, what may be shown of them."""

import difflib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mosaiclib.data import camvid, classes, images, minicity_files

IGNORE = 255


class Sample(NamedTuple):
    """One picture and its label map, as published on disk."""

    image_path: Path
    label_path: Path


@dataclass(frozen=True)
class Dataset:
    """A data set for semantic segmentation.

    classes, palette: names and (r, g, b) legend colours by train id.
    to_train_id: 256 entries from the ids on disk to train ids; 255 is ignored.
    shareable: whether its pictures may be passed on; where not, published reports show none of them.
    rule: the IoU rule its results are usually given by (see `evaluation.RULES`).
    """

    name: str
    title: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    to_train_id: tuple[int, ...]
    list_split: Callable[[str], list] = field(repr=False)
    splits: tuple[str, ...] = ("train", "val")
    synthetic: bool = False
    shareable: bool = False
    licence: str = ""
    rule: str = "cityscapes"

    def split(self, name) -> list[Sample]:
        """The samples of a split, sorted. Raises ValueError where there is no such split or it is empty."""
        if name not in self.splits:
            raise ValueError(f"{self.name} has no split '{name}': choose one of {', '.join(self.splits)}.")
        samples = [Sample(Path(image), Path(label)) for image, label in self.list_split(name)]
        if not samples:
            raise ValueError(f"The split '{name}' of {self.name} holds no pictures.")
        return samples

    def read(self, sample):
        """(picture uint8 [H, W, 3], train ids uint8 [H, W]). Raises ValueError that names a bad file."""
        image = images.read_image(sample.image_path)
        label = images.read_label(sample.label_path)
        if image.shape[:2] != label.shape:
            raise ValueError(
                f"{sample.label_path} is {label.shape[1]}x{label.shape[0]}, but its picture is "
                f"{image.shape[1]}x{image.shape[0]}."
            )
        return image, self.train_ids(label, sample.label_path)

    def train_ids(self, label, path="The label map"):
        """Maps ids on disk to train ids. Raises ValueError that names an id the data set does not have."""
        mapped = np.asarray(self.to_train_id, np.int16)[label]
        if mapped.min() < 0:
            raise ValueError(f"{path} holds the id {label[mapped < 0][0]}, which {self.name} does not have.")
        return mapped.astype(np.uint8)

    def fingerprint(self) -> str:
        """A sha256 over names and bytes of all files, so that a run can say what it saw."""
        digest = hashlib.sha256()
        for split in self.splits:
            for path in (path for sample in self.split(split) for path in sample):
                digest.update(f"{split}/{path.name}\0".encode())
                digest.update(path.read_bytes())
        return digest.hexdigest()


def get(name, root=None) -> Dataset:
    """The data set called `name`, read from the folder `root` or from where it is fetched or rendered to.

    "minicity" is synthetic and always there; "minicity-256x512" is the same drawn at another size.
    "camvid" is real: from its zip (MOSAIC_MIRROR) or a folder. Raises ValueError for an unknown name and
    `fetch.NotAvailable` where files are missing, each saying what to do.
    """
    drawn = re.fullmatch(r"minicity(?:-(\d{2,4})x(\d{2,4}))?", name)
    if drawn:
        size = tuple(int(side) for side in drawn.groups()) if drawn[1] else minicity_files.SIZE
        return Dataset(
            name=name,
            title=f"minicity (synthetic street scenes, {size[1]}x{size[0]})",
            classes=classes.CITYSCAPES,
            palette=classes.CITYSCAPES_PALETTE,
            to_train_id=_identity(len(classes.CITYSCAPES)),
            list_split=partial(minicity_files.samples, size, root),
            synthetic=True,
            shareable=True,
            licence="drawn by this library (Apache-2.0)",
        )
    if name == "camvid":
        return Dataset(
            name=name,
            title="CamVid (11 classes, 480x360)",
            classes=classes.CAMVID,
            palette=classes.CAMVID_PALETTE,
            to_train_id=_identity(len(classes.CAMVID), void=len(classes.CAMVID)),
            list_split=partial(camvid.samples, root),
            splits=("train", "val", "test"),
            licence="research use only",
            rule="camvid",
        )
    known = ("minicity", "camvid")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"There is no data set called '{name}'.{hint} There are: {', '.join(known)}.")


def _identity(count, void=None):
    """Ids 0..count-1 keep their value, 255 and `void` are ignored, all others are errors (-1)."""
    table = [i if i < count else -1 for i in range(256)]
    table[IGNORE] = IGNORE
    if void is not None:
        table[void] = IGNORE
    return tuple(table)

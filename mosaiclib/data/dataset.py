"""A data set for semantic segmentation: classes, ids, files by split, and how a pair is read."""

import colorsys
import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mosaiclib.data import guard, images, listing
from mosaiclib.data.images import IGNORE
from mosaiclib.files import as_text

FINGERPRINT_BYTES = 1 << 29


def spread(items, count):
    """`count` of the items at even distances, the first among them; all where there are no more."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def no_labels(split):
    return []


class Sample(NamedTuple):
    """One image and its label map, as published on disk."""

    image_path: Path
    label_path: Path

    @property
    def name(self):
        """The image's file name, as text."""
        return as_text(self.image_path.name)

    @property
    def stem(self):
        """That without its ending."""
        return as_text(self.image_path.stem)


@dataclass(frozen=True)
class Dataset:
    """A data set for semantic segmentation.

    classes, palette: names and (r, g, b) legend colours by train id.
    to_train_id: 256 entries from the ids on disk to train ids; 255 is ignored, -1 may not occur.
    list_split: from a split's name to (image, label map) paths for every image in it, sorted.
    list_labels: from a split's name to all label maps on disk, so that those without an image are found.
    prepare: what is done to every pair (image, train ids) when it is read, if anything. prepare_evaluation: the same
        where it is evaluated, by its protocol.
    shareable: whether its images may be redistributed; where not, published reports show none of them.
    rule: the IoU rule its results are usually given by (see `evaluation.RULES`).
    root: the folder that was named for it, if one was.
    published: how many images each split has as published, where it is.
    video_of: the video that an image's file is a frame of; None where images are related to no other.
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
    list_labels: Callable[[str], list] = field(default=no_labels, repr=False)
    prepare: Callable | None = field(default=None, repr=False)
    prepare_evaluation: Callable | None = field(default=None, repr=False)
    root: Path | None = None
    published: dict[str, int] = field(default_factory=dict, repr=False)
    video_of: Callable[[Path], str] | None = field(default=None, repr=False)

    def for_evaluation(self) -> "Dataset":
        """This data set as its protocol of evaluation reads it."""
        return replace(self, prepare=self.prepare_evaluation or self.prepare)

    def check_split(self, name):
        """Raises ValueError where there is no split of that name."""
        if name not in self.splits:
            raise ValueError(f"{self.name} has no split '{name}': choose one of {', '.join(self.splits)}.")

    def listing(self, name) -> tuple[list[Sample], list[str]]:
        """(one sample per image of the split, sorted; a sentence for everything that does not match).

        What does not match: an image without a label map, a label map without an image or with several, a
        split without images. No file is opened. Raises `fetch.NotAvailable` where the data set is not there.
        """
        samples = [Sample(Path(image), Path(label)) for image, label in self.list_split(name)]
        pictures = defaultdict(list)
        for image, label in samples:
            pictures[label].append(image)
        where = f" in {self.root}" if self.root else ""
        problems = (
            [] if samples else [f"The split '{name}' of {self.name}{where} holds no images{self._instead(name)}."]
        )
        for label, found in pictures.items():
            if not label.is_file():
                near = [path.name for path in listing.files(label.parent, "") if path.name.startswith(label.stem)]
                there = f", and {near[0]} is there instead" if near else ""
                problems.append(f"{found[0]} has no label map: {label} is missing{there}.")
            elif len(found) > 1:
                problems.append(f"{' and '.join(map(str, found))} have one label map, {label}: rename one of them.")
        problems += [f"{label} belongs to no image." for label in self.list_labels(name) if label not in pictures]
        return samples, problems

    def _instead(self, split):
        """What the images' folder of a folder of one's own holds in their place, and what to do with it."""
        contents = listing.contents(self.root / "images" / split) if self.name == "folder" else ""
        return f", but {contents}: {guard.way_out(self)} takes them" if contents else ""

    def split(self, name) -> list[Sample]:
        """The samples of a split, sorted. Raises ValueError where there is no such split or files do not match."""
        self.check_split(name)
        samples, problems = self.listing(name)
        if problems:
            more = f" ({len(problems) - 1} more: `mosaic data verify` lists them.)" if len(problems) > 1 else ""
            raise ValueError(problems[0] + more)
        return samples

    def videos(self, samples) -> tuple[str, ...]:
        """The video that each sample is a frame of; "" for an image that is related to no other."""
        return tuple(self.video_of(sample.image_path) if self.video_of else "" for sample in samples)

    def read(self, sample):
        """(image uint8 [H, W, 3], train ids uint8 [H, W]). Raises ValueError that names a bad file."""
        image = images.read_image(sample.image_path)
        label = images.read_label(sample.label_path)
        self.check_sizes(image, label, sample)
        pair = image, self.train_ids(label, sample.label_path)
        return self.prepare(*pair) if self.prepare else pair

    def check_sizes(self, image, label, sample):
        """Raises ValueError where a label map is not of its image's size."""
        self.check_size(image.shape[:2], label, sample)

    def check_size(self, size, label, sample):
        """The same for the upright image's (height, width)."""
        if size == label.shape:
            return
        text = f"{sample.label_path} is {label.shape[1]}x{label.shape[0]}, but its image is {size[1]}x{size[0]}"
        if size[::-1] == label.shape and images.size_and_orientation(sample.image_path)[1] > 4:
            text += " when turned by its EXIF orientation: turn the label map too, as `mosaic data import` does"
        raise ValueError(f"{text}.")

    def train_ids(self, label, path="The label map"):
        """Maps ids on disk to train ids. Raises ValueError that names all ids the data set does not have."""
        label, table = np.asarray(label, np.uint8), np.array(self.to_train_id)
        unknown = cv2.LUT(label, np.uint8(table < 0)).reshape(label.shape)
        if cv2.countNonZero(unknown):
            ids = np.unique(label[unknown > 0]).tolist()
            named = f"the id {ids[0]}" if len(ids) == 1 else f"the ids {', '.join(map(str, ids))}"
            raise ValueError(f"{path} holds {named}, which {self.name} does not have.")
        return cv2.LUT(label, np.uint8(table % 256)).reshape(label.shape)

    def fingerprint(self) -> str:
        """A sha256 over names and bytes of all files, so that a run can say what it saw.

        Of a data set of more than FINGERPRINT_BYTES (Cityscapes has 12 GB), over names and sizes, and it then
        begins with "sizes-".
        """
        files = [(split, path) for split in self.splits for sample in self.split(split) for path in sample]
        sizes = [path.stat().st_size for _, path in files]
        by_size = sum(sizes) > FINGERPRINT_BYTES
        digest = hashlib.sha256()
        for (split, path), size in zip(files, sizes, strict=True):
            digest.update(f"{split}/{as_text(path.name)}\0".encode())
            digest.update(f"{size}\0".encode() if by_size else path.read_bytes())
        return f"sizes-{digest.hexdigest()}" if by_size else digest.hexdigest()


def identity(count, ignored=()):
    """Ids 0..count-1 keep their value but where they are `ignored`."""
    return id_table({i: i for i in range(count)}, ignored)


def id_table(train_ids, ignored):
    """256 entries: train ids by id on disk; 255 and `ignored` ids are 255; all others are errors (-1)."""
    table = [train_ids.get(i, -1) for i in range(256)]
    for i in (IGNORE, *ignored):
        table[i] = IGNORE
    return tuple(table)


def spread_palette(count):
    """A palette of `count` well separated colours for data sets that publish none: (r, g, b) in 0..255."""
    golden = 0.618034
    return tuple(
        tuple(
            round(255 * channel)
            for channel in colorsys.hsv_to_rgb((i * golden) % 1, (0.65, 0.45, 0.85)[i % 3], (0.9, 0.7, 0.55)[i % 3])
        )
        for i in range(count)
    )

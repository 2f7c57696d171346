"""Renders minicity to PNG files once, so that it is read like any other data set."""

import re
from functools import partial
from pathlib import Path

from mosaiclib import files
from mosaiclib.data import fetch, images
from mosaiclib.data.dataset import Dataset, identity
from mosaiclib.data.sets.cityscapes import CLASSES, PALETTE

NAMES = ("minicity",)
SIZE = (128, 256)
COUNTS = {"train": 640, "val": 80}
VERSION = 1
# Scenes are drawn from disjoint seeds, so that no val scene is ever trained on.
FIRST_SEED = {"train": 1_000_000, "val": 2_000_000}


def samples(size, root, split):
    """(image, label map) paths of a split drawn at `size` (height, width), rendering it where need be."""
    base = Path(root) if root else fetch.data_folder()
    folder = base / f"minicity-{size[0]}x{size[1]}-v{VERSION}" / split
    if not folder.is_dir():
        _render(folder, size, split)
    return [(path, path.with_name(f"{path.stem[:-6]}_label.png")) for path in sorted(folder.glob("*_image.png"))]


def _render(folder, size, split):
    from mosaiclib.data.sets import minicity

    with files.replacing_folder(folder, first_stays=True) as partial:
        for index in range(COUNTS[split]):
            image, label = minicity.scene(FIRST_SEED[split] + index, size)
            images.write_png(partial / f"{index:05d}_image.png", image)
            images.write_png(partial / f"{index:05d}_label.png", label)


def dataset(name, root) -> Dataset:
    """Minicity, synthetic and always there; "minicity-256x512" is the same drawn at another size."""
    sides = re.findall(r"\d+", name)
    size = tuple(map(int, sides)) if sides else SIZE
    return Dataset(
        name=name,
        title=f"minicity (synthetic street scenes, {size[1]}x{size[0]})",
        classes=CLASSES,
        palette=PALETTE,
        to_train_id=identity(len(CLASSES)),
        list_split=partial(samples, size, root),
        synthetic=True,
        shareable=True,
        licence="drawn by this library (Apache-2.0)",
        published=COUNTS,
    )

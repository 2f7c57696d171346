"""Cityscapes as published: leftImg8bit/ and gtFine/ side by side, 2,975 train and 500 val pairs of 2048x1024.

Labels are read from *_gtFine_labelIds.png, which the archives hold, so no preparation step is needed. The test
split has no public labels and is left out. The images may not be redistributed.
"""

from functools import partial

from mosaiclib.data import fetch, listing
from mosaiclib.data.dataset import Dataset, id_table

NAMES = ("cityscapes",)
CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip

# The Cityscapes legend colours of the official evaluator, and the matching ones where CamVid names differ.
PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
    (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60),
    (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip


# Ids on disk to train ids (cityscapesscripts.helpers.labels). "License plate", -1 there, is never drawn.
TRAIN_IDS = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9,
    23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip
IGNORED_IDS = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)

HOW = (
    "register at https://www.cityscapes-dataset.com, unpack leftImg8bit_trainvaltest.zip and "
    "gtFine_trainvaltest.zip into one folder, and name that folder as the data set's root."
)
_PICTURE, _LABEL = "_leftImg8bit.png", "_gtFine_labelIds.png"


def samples(root, split):
    """(image, label map) of every image of a split, by city and name, whether or not the label map is there.

    root: the folder that holds leftImg8bit/ and gtFine/; None for cityscapes/ in the data folder. Raises
    `fetch.NotAvailable`, saying how to get the data set, where it is not there.
    """
    root = _root(root)
    return [
        (picture, root / "gtFine" / split / picture.parent.name / f"{picture.name[: -len(_PICTURE)]}{_LABEL}")
        for picture in _by_city(root / "leftImg8bit" / split, _PICTURE)
    ]


def labels(root, split):
    """All label maps of a split."""
    return _by_city(_root(root) / "gtFine" / split, _LABEL)


def _root(root):
    return listing.required(root or fetch.data_folder() / "cityscapes", ("leftImg8bit", "gtFine"), HOW)


def _by_city(folder, ending):
    return [path for city in listing.folders(folder) for path in listing.files(city, ending.lower())]


def dataset(name, root) -> Dataset:
    """Cityscapes in a folder as published; raises `fetch.NotAvailable` at the first use where it is not there."""
    return Dataset(
        name=name,
        title="Cityscapes (19 classes, fine annotations)",
        classes=CLASSES,
        palette=PALETTE,
        to_train_id=id_table(TRAIN_IDS, IGNORED_IDS),
        list_split=partial(samples, root),
        list_labels=partial(labels, root),
        root=root,
        published={"train": 2975, "val": 500},
        licence="Cityscapes licence: non-commercial, images may not be redistributed",
        rule="cityscapes",
    )

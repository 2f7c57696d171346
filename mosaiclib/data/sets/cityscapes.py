"""Cityscapes as published: leftImg8bit/ and gtFine/ side by side, 2,975 train and 500 val pairs of 2048x1024.

Labels are read from *_gtFine_labelIds.png, which the archives hold, so no preparation step is needed. The test
split has no public labels and is left out. The pictures may not be passed on.
"""

from mosaiclib.data import fetch, listing

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
    """(picture, label map) of every picture of a split, by city and name, whether or not the label map is there.

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

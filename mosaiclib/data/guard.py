"""Checks of a folder of one's own as a whole: what no single file shows, and what a training must not begin with."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mosaiclib.data import images


def check(dataset, train_splits, validates):
    """Raises ValueError in one sentence where a training on `dataset` could not end well.

    That is where the val split is missing or empty although the recipe validates; in a folder of one's own also what
    `faults` lists, and label maps that are not of their image's size. Reads all its training label maps.
    """
    if validates and not _is_own(dataset):
        dataset.split("val")
    if not _is_own(dataset):
        return
    for name in (*train_splits, *(("val",) if validates else ())):
        if name not in dataset.splits:
            raise ValueError(missing_split(dataset, name))
        dataset.split(name)

    def ids(sample):
        label = images.read_label(sample.label_path)
        size, orientation = images.size_and_orientation(sample.image_path)
        dataset.check_size(size[::-1] if orientation > 4 else size, label, sample)
        return np.flatnonzero(np.bincount(label.ravel(), minlength=256))

    samples = [sample for name in train_splits for sample in dataset.split(name)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        present = {int(i) for found in threads.map(ids, samples) for i in found}
    for sentence in faults(dataset, present):
        raise ValueError(sentence)


def faults(dataset, present):
    """Sentences on what the training label maps of a folder of one's own lack; of other data sets none.

    present: the ids on disk that occur in them.
    """
    if not _is_own(dataset) or not present:
        return []
    seen = {dataset.to_train_id[i] for i in present}
    if not seen - {images.IGNORE, -1}:
        return [
            f"Every pixel of the training label maps in {dataset.root} is ignored (id {_listed(present)}): draw "
            "the ids of classes.yaml, which count from 0."
        ]
    if present == {0, images.IGNORE}:
        return [
            f"The training label maps in {dataset.root} hold only 0 and 255, and 255 is ignored: draw the object as 1, "
            f"as {way_out(dataset)} does."
        ]
    ignored = {i for i, train_id in enumerate(dataset.to_train_id) if train_id == images.IGNORE}
    missing = [f"'{name}' (id {i})" for i, name in enumerate(dataset.classes) if i not in seen | ignored]
    if not missing:
        return []
    return [
        f"No training label map in {dataset.root} holds {_listed(missing)}: add images of it to train, or leave it out "
        f"of classes.yaml, as {way_out(dataset)} does."
    ]


def missing_split(dataset, name):
    """A sentence on a split that a folder does not have."""
    there = f"it has {_listed(dataset.splits)}" if dataset.splits else "it has none"
    return (
        f"{dataset.root} has no split '{name}' ({there}): training needs images/{name}/ and labels/{name}/, as "
        f"{way_out(dataset)} makes them."
    )


def way_out(dataset):
    """The command that mends a folder."""
    return f"`mosaic data import {dataset.root} --out NEW_FOLDER`"


def _is_own(dataset):
    return dataset.name == "folder"


def _listed(items):
    return ", ".join(map(str, sorted(items) if isinstance(items, set) else items))

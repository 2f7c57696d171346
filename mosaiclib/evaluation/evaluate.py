"""Evaluation of a network, or of label maps on disk, over a split."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from mosaiclib.data import images
from mosaiclib.evaluation.iou import ConfusionMatrix


def evaluate(classes_of, dataset, split) -> ConfusionMatrix:
    """Runs `classes_of` (uint8 image [H, W, 3] -> integer [H, W]) over a split, image by image.

    Images are decoded in threads while the network runs.
    """
    matrix = ConfusionMatrix(len(dataset.classes))
    for (alone,) in by_image(dataset, dataset.split(split), classes_of):
        matrix.add(alone)
    return matrix


def by_image(dataset, samples, *networks):
    """Yields the ConfusionMatrix of each network for each sample alone; a network is as in `evaluate`."""
    for label, *maps in predictions(dataset, samples, *networks):
        alone = [ConfusionMatrix(len(dataset.classes)) for _ in maps]
        for matrix, found in zip(alone, maps, strict=True):
            matrix.update(label, found)
        yield alone


def predictions(dataset, samples, *networks):
    """Yields (label, a class map of each network) of every sample; a network is as in `evaluate`."""
    for image, label in _ahead(dataset.read, samples):
        yield label, *(np.asarray(classes_of(image)) for classes_of in networks)


def evaluate_files(predictions, labels, dataset, workers=2) -> ConfusionMatrix:
    """Counts label maps that lie on disk: predicted ones against the data set's own, in pairs.

    predictions, labels: iterables of paths of PNGs with ids as the data set publishes them (Cityscapes: label
    ids, as its benchmark server takes them). Raises ValueError that names a bad file.
    """

    def count(pair):
        prediction, label = (dataset.train_ids(images.read_label(path), path) for path in pair)
        matrix = ConfusionMatrix(len(dataset.classes))
        try:
            matrix.update(label, prediction)
        except ValueError as error:
            raise ValueError(f"{pair[0]} against {pair[1]}: {error}") from None
        return matrix

    total = ConfusionMatrix(len(dataset.classes))
    for matrix in _ahead(count, zip(predictions, labels, strict=True), workers):
        total.add(matrix)
    return total


def _ahead(function, items, workers=2):
    """`map` in threads, in order, with only a few results waiting."""
    items = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque(pool.submit(function, item) for item in islice(items, 2 * workers))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(items, 1))
            yield result

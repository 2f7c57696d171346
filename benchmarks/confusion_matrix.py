"""Our confusion matrix beside cityscapesscripts', on the same random pairs of 1024x2048 label maps.

    pip install --no-deps --require-hashes -r tests/oracles.lock
    python benchmarks/confusion_matrix.py [--pairs 6] [--rounds 5] [--workers 2]

Both take turns: first on maps held in memory, then on PNG files with decoding, theirs one file after another as its
evaluator does, ours in threads. Checks that both count the same, and prints medians and ratios.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import cv2
import numpy as np
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official

from mosaiclib import evaluation
from mosaiclib.data import datasets, images
from mosaiclib.data.sets.cityscapes import TRAIN_IDS

SIZE = (1024, 2048)
IDS = np.array([4, *TRAIN_IDS], np.uint8)


def random_pair(generator):
    """(truth, prediction) uint8 [1024, 2048] of label ids: the same smooth regions, some borders moved."""
    best = np.full((2, *SIZE), -np.inf, np.float32)
    maps = np.zeros((2, *SIZE), np.uint8)
    for label in IDS:
        coarse = generator.normal(size=(32, 64)).astype(np.float32)
        for number in range(2):
            moved = coarse + 0.2 * number * generator.normal(size=coarse.shape).astype(np.float32)
            score = cv2.resize(moved, SIZE[::-1], interpolation=cv2.INTER_LINEAR)
            maps[number][score > best[number]] = label
            np.maximum(best[number], score, out=best[number])
    return maps


class Opened:
    """An opened, decoded image: what the official evaluator asks of one of Pillow's."""

    def __init__(self, pixels):
        self.pixels, self.size = pixels, pixels.shape[::-1]

    def __array__(self, dtype=None, copy=None):
        return self.pixels


def official_counts(labels, predictions):
    """cityscapesscripts' confusion matrix of paths (or of what its Image.open knows), for the 19 classes."""
    arguments = SimpleNamespace(**vars(official.args))
    arguments.evalInstLevelScore = False
    matrix = official.generateMatrix(arguments)
    for label, prediction in zip(labels, predictions, strict=True):
        official.evaluatePair(prediction, label, matrix, None, None, arguments)
    scored = list(TRAIN_IDS)
    return matrix[np.ix_(scored, scored)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    pairs = [random_pair(generator) for _ in range(options.pairs)]
    held = {
        f"{kind}{i}": Opened(pixels) for i, pair in enumerate(pairs) for kind, pixels in zip("tp", pair, strict=True)
    }
    cityscapes = datasets.get("cityscapes", "unused")
    train_ids = [[cityscapes.train_ids(pixels) for pixels in pair] for pair in pairs]

    def ours_in_memory():
        matrix = evaluation.ConfusionMatrix(19)
        for truth, prediction in train_ids:
            matrix.update(truth, prediction)
        return matrix.counts

    def official_in_memory():
        with mock.patch.object(official, "Image", SimpleNamespace(open=held.get)):
            return official_counts(*([f"{kind}{i}" for i in range(options.pairs)] for kind in "tp"))

    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.png" for name in held}
        for name, path in files.items():
            images.write_png(path, held[name].pixels)
        labels, predictions = ([files[f"{kind}{i}"] for i in range(options.pairs)] for kind in "tp")
        contenders = {
            "in memory": (ours_in_memory, official_in_memory),
            "with decoding": (
                lambda: evaluation.evaluate_files(predictions, labels, cityscapes, options.workers).counts,
                lambda: official_counts(map(str, labels), map(str, predictions)),
            ),
        }
        for what, (ours, theirs) in contenders.items():
            seconds = {ours: [], theirs: []}
            counts = {ours: ours(), theirs: theirs()}  # also warms up
            assert np.array_equal(counts[ours], counts[theirs]), "the two count differently"
            for _ in range(options.rounds):
                for function, measured in seconds.items():
                    start = time.perf_counter()
                    function()
                    measured.append(time.perf_counter() - start)
            mine, other = (1000 * statistics.median(seconds[f]) / options.pairs for f in (ours, theirs))
            print(
                f"{what}: ours {mine:.1f} ms a pair, cityscapesscripts {other:.1f} ms, "
                f"{mine / other:.3f} of its time ({options.pairs} pairs, median of {options.rounds} rounds)"
            )


if __name__ == "__main__":
    main()

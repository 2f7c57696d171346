"""How good a segmentation is: a confusion matrix over all images, and the IoU rules by name.

Every published mIoU follows one of these rules, and they differ: a number here always says which.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from mosaiclib.data.images import IGNORE

_CHUNK = 1 << 24  # calcHist answers in float32, which counts exactly to here


class ConfusionMatrix:
    """Counts pixels by (true class, predicted class), image after image; memory does not grow.

    counts: int64 [C, C], rows the truth, columns the prediction, train ids below `classes`.
    unclassified: int64 [C], pixels of each true class whose prediction is none of the classes.
    Pixels whose truth is 255 are in neither.
    """

    def __init__(self, classes):
        if not 1 <= classes <= IGNORE:
            raise ValueError(f"A confusion matrix has 1 to {IGNORE} classes, not {classes}.")
        self.counts = np.zeros((classes, classes), np.int64)
        self.unclassified = np.zeros(classes, np.int64)
        self.pictures = 0

    def update(self, truth, prediction):
        """Adds one image: truth [H, W] with 255 ignored, prediction [H, W], integers in 0..255.

        Raises ValueError where sizes differ, an id is out of range, or the truth holds one that is not a class.
        """
        if truth.shape != prediction.shape:
            raise ValueError(f"Truth is {truth.shape} and prediction {prediction.shape}: they must be of one size.")
        classes = len(self.counts)
        pairs = _count_pairs(_as_bytes(truth, "truth"), _as_bytes(prediction, "prediction"))
        strange = classes + np.flatnonzero(pairs[classes:IGNORE].any(1))
        if strange.size:
            raise ValueError(f"The truth holds the id {strange[0]}, but there are only {classes} classes.")
        self.counts += pairs[:classes, :classes]
        self.unclassified += pairs[:classes, classes:].sum(1)
        self.pictures += 1

    def add(self, other):
        """Adds the counts of another matrix over the same classes."""
        self.counts += other.counts
        self.unclassified += other.unclassified
        self.pictures += other.pictures


def _as_bytes(ids, name):
    if ids.dtype != np.uint8:
        if ids.size and (ids.min() < 0 or ids.max() > 255):
            raise ValueError(f"The {name} holds ids from {ids.min()} to {ids.max()}; they must lie in 0..255.")
        ids = ids.astype(np.uint8)
    return np.ascontiguousarray(ids).reshape(-1)


def _count_pairs(truth, prediction):
    """How often each pair of values occurs: int64 [256, 256] from two uint8 vectors."""
    pairs = np.zeros((256, 256), np.int64)
    for start in range(0, len(truth), _CHUNK):
        chunk = [vector[start : start + _CHUNK] for vector in (truth, prediction)]
        pairs += cv2.calcHist(chunk, [0, 1], None, [256, 256], [0, 256, 0, 256]).astype(np.int64)
    return pairs


@dataclass(frozen=True)
class Rule:
    """How an mIoU is made of a confusion matrix.

    IoU = TP / (TP + FP + FN) of each class from `first` on. Pixels whose truth is another class are left out,
    as those labelled 255 are; a prediction of another class on a pixel that counts is an FN of the true class.
    absent: what a class with TP + FP + FN = 0 adds to the mean; None leaves it out of the mean.
    classes: how many the rule is made for, where it is made for one data set.
    """

    first: int = 0
    absent: float | None = None
    classes: int | None = None


RULES = {
    # cityscapesscripts, evalPixelLevelSemanticLabeling.
    "cityscapes": Rule(),
    # SegNet's protocol: void left out, mean over the 11 classes, all of which occur in each split.
    "camvid": Rule(),
    # TF2 Model Garden, segmentation validation: mean over all classes.
    "garden": Rule(absent=0.0),
    # MLPerf Mobile, ade20k.cc: classes 1 to 31 of 32, and their sum is divided by 31 whatever occurs.
    "mlperf31": Rule(first=1, absent=0.0, classes=32),
}


@dataclass(frozen=True)
class Score:
    """miou and pixel_accuracy in 0..1, 0 where nothing was counted; per_class_iou holds None for a class that the
    rule leaves out."""

    rule: str
    miou: float
    per_class_iou: tuple[float | None, ...]
    pixel_accuracy: float
    n_images: int

    @property
    def over(self):
        """How many classes the mean is over where some do not occur, as in " over 3 of 4 classes"; else ""."""
        return over_classes(self.rule, self.per_class_iou)


def over_classes(rule, per_class_iou):
    """`Score.over` of the IoUs by class, None for one that does not occur, by a named rule."""
    counted = [value is not None for value in per_class_iou][RULES[rule].first if rule in RULES else 0 :]
    return "" if all(counted) else f" over {sum(counted)} of {len(counted)} classes"


def score(matrix, rule) -> Score:
    """The IoU of a `ConfusionMatrix` by a named rule: cityscapes, camvid, garden or mlperf31."""
    if rule not in RULES:
        raise ValueError(f"There is no rule '{rule}': choose one of {', '.join(RULES)}.")
    chosen, classes = RULES[rule], len(matrix.counts)
    if chosen.classes not in (None, classes):
        raise ValueError(f"The rule '{rule}' is for {chosen.classes} classes, and there are {classes} here.")
    counts = matrix.counts[chosen.first :]
    labelled = counts.sum(1) + matrix.unclassified[chosen.first :]
    counts = counts[:, chosen.first :]
    hits = np.diag(counts)
    union = labelled + counts.sum(0) - hits
    iou = [float(hit / whole) if whole else chosen.absent for hit, whole in zip(hits, union, strict=True)]
    total = labelled.sum()
    return Score(
        rule,
        _mean([value for value in iou if value is not None]),
        (*[None] * chosen.first, *iou),
        float(hits.sum() / total) if total else 0.0,
        matrix.pictures,
    )


def _mean(values):
    """The mean of floats added one after another, as the official evaluators do: equal to the last digit."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values) if values else 0.0

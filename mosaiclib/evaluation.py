"""How good a segmentation is: a confusion matrix over all pictures, and the IoU rules by name.

Every published mIoU follows one of these rules, and they differ: a number here always says which.
"""

from dataclasses import dataclass

import numpy as np

from mosaiclib.data.pipeline import scale_input


class ConfusionMatrix:
    """Counts pixels by (true class, predicted class), picture after picture; memory does not grow.

    Pixels whose truth is 255 are left out; predictions are train ids below `classes`.
    """

    def __init__(self, classes):
        self.counts = np.zeros((classes, classes), np.int64)
        self.pictures = 0

    def update(self, truth, prediction):
        """Adds one picture: truth uint8 [H, W] with 255 ignored, prediction integer [H, W]."""
        if truth.shape != prediction.shape:
            raise ValueError(f"Truth is {truth.shape} and prediction {prediction.shape}: they must be of one size.")
        classes = len(self.counts)
        valid = truth != 255
        pairs = truth[valid].astype(np.int64) * classes + prediction[valid]
        self.counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
        self.pictures += 1

    def add(self, other):
        """Adds the counts of another matrix over the same classes."""
        self.counts += other.counts
        self.pictures += other.pictures


@dataclass(frozen=True)
class Score:
    """miou and pixel_accuracy in 0..1; per_class_iou holds None for a class that the rule leaves out."""

    rule: str
    miou: float
    per_class_iou: tuple[float | None, ...]
    pixel_accuracy: float
    n_images: int


def _present_classes(intersection, union):
    """Mean over the classes that occur in truth or prediction (cityscapesScripts)."""
    iou = [float(i / u) if u else None for i, u in zip(intersection, union, strict=True)]
    present = [value for value in iou if value is not None]
    return (float(np.mean(present)) if present else 0.0), iou


def _all_classes(intersection, union):
    """Mean over all classes, a class that never occurs counting 0 (TF Model Garden)."""
    iou = [float(i / u) if u else 0.0 for i, u in zip(intersection, union, strict=True)]
    return float(np.mean(iou)), iou


def _mlperf31(intersection, union):
    """Mean over classes 1 to 31 of 32, absent ones counting 0; class 0 is predicted but not scored."""
    miou, iou = _all_classes(intersection[1:], union[1:])
    return miou, [None, *iou]


RULES = {
    "cityscapes": _present_classes,
    "camvid": _present_classes,
    "garden": _all_classes,
    "mlperf31": _mlperf31,
}


def score(matrix, rule) -> Score:
    """The IoU of a `ConfusionMatrix` by a named rule: cityscapes, camvid, garden or mlperf31."""
    if rule not in RULES:
        raise ValueError(f"There is no rule '{rule}': choose one of {', '.join(RULES)}.")
    counts = matrix.counts
    intersection = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - intersection
    miou, iou = RULES[rule](intersection, union)
    total = counts.sum()
    return Score(rule, miou, tuple(iou), float(intersection.sum() / total) if total else 0.0, matrix.pictures)


def evaluate(classes_of, dataset, split, limit=None, progress=None) -> ConfusionMatrix:
    """Runs `classes_of` (uint8 picture [H, W, 3] -> integer [H, W]) over a split, picture by picture.

    limit: only the first so many samples. progress: called with the iterable of samples (tqdm).
    """
    matrix = ConfusionMatrix(len(dataset.classes))
    samples = dataset.split(split)[:limit]
    for sample in progress(samples) if progress else samples:
        image, label = dataset.read(sample)
        matrix.update(label, classes_of(image))
    return matrix


class KerasSegmenter:
    """A Keras network with output "classes" as a function from picture to class map at the same size.

    build: called with (height, width) and returns the network for it; one network is kept at a time.
    """

    def __init__(self, build):
        self._build, self._size, self._model = build, None, None

    def __call__(self, image):
        if image.shape[:2] != self._size:
            self._model, self._size = self._build(image.shape[:2]), image.shape[:2]
        return np.asarray(self._model.predict_on_batch(scale_input(image)[None]))[0]

"""Boundary IoU: how well a segmentation follows the edges (Cheng et al., "Boundary IoU", CVPR 2021).

IoU is dominated by the inside of large regions. Boundary IoU counts only pixels near a contour: of each class
the pixels of the truth that lie within d of the truth's own contour, and those of the prediction that lie
within d of the prediction's; intersection over union of these two bands, in their own sense of distance (a
square window). d is a share of the image's diagonal: 2 % for images like COCO's and 0.5 % for
Cityscapes, as in that paper.
"""

import math

import cv2
import numpy as np

from mosaiclib.data.images import IGNORE

RATIO = 0.02
_OUTSIDE = 254  # a class of its own around the image: its edge counts as a contour, as in the paper's code


def distance(size, dilation_ratio=RATIO) -> int:
    """The width d of a band in pixels, at least 1, for images of `size` (height, width)."""
    return max(1, round(dilation_ratio * math.hypot(*size)))


def band(label, d):
    """Which pixels of a label map uint8 [H, W] are within d of the contour of their own class: bool [H, W]."""
    padded = cv2.copyMakeBorder(label, d, d, d, d, cv2.BORDER_CONSTANT, value=_OUTSIDE)
    window = np.ones((2 * d + 1, 2 * d + 1), np.uint8)
    # A window with one class only has its least id where it has its greatest.
    near = cv2.dilate(padded, window) != cv2.erode(padded, window)
    return near[d:-d, d:-d]


class BoundaryCounts:
    """Adds up the bands of image after image, per class, for one dilation ratio.

    Pixels whose truth is 255 are left out, and their region is one for both sides, so that its edge is a
    contour of what lies beside it in truth and prediction alike.
    """

    def __init__(self, classes, dilation_ratio=RATIO):
        if not 0 < dilation_ratio < 1:
            raise ValueError(
                f"A dilation ratio is a share of the diagonal between 0 and 1, but this is {dilation_ratio}."
            )
        self.dilation_ratio = dilation_ratio
        self.intersection = np.zeros(classes, np.int64)
        self.union = np.zeros(classes, np.int64)

    def update(self, truth, prediction):
        """Adds one image: truth uint8 [H, W] with 255 ignored, prediction integer [H, W] of the same size."""
        if truth.shape != prediction.shape:
            raise ValueError(f"Truth is {truth.shape} and prediction {prediction.shape}: they must be of one size.")
        d, classes = distance(truth.shape, self.dilation_ratio), len(self.union)
        prediction = np.where(truth == IGNORE, IGNORE, prediction).astype(np.uint8)
        edges, found = band(truth, d) & (truth != IGNORE), band(prediction, d) & (truth != IGNORE)
        both = edges & found & (truth == prediction)
        common = np.bincount(truth[both], minlength=classes)
        self.intersection += common
        self.union += np.bincount(truth[edges], minlength=classes) - common
        self.union += np.bincount(prediction[found], minlength=classes)

    def per_class(self) -> list[float | None]:
        """Boundary IoU by class in 0..1; None for a class that is nowhere."""
        return [float(i / u) if u else None for i, u in zip(self.intersection, self.union, strict=True)]

    def mean(self) -> float:
        """The mean over the classes that occur, 0 where none does."""
        known = [value for value in self.per_class() if value is not None]
        return float(np.mean(known)) if known else 0.0

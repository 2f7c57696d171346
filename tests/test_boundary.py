"""Boundary IoU against the definition of its paper, class by class with erosions."""

import cv2
import numpy as np
import pytest

from mosaiclib.evaluation import boundary


def by_definition(truth, prediction, classes, d):
    """Intersection and union per class: a mask minus its erosion, the image's edge being a contour."""
    found = []
    for number in range(classes):
        bands = []
        for label in (truth, np.where(truth == 255, 255, prediction)):
            mask = cv2.copyMakeBorder((label == number).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
            eroded = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=d)
            bands.append((mask - eroded)[1:-1, 1:-1].astype(bool))
        found.append((int((bands[0] & bands[1]).sum()), int((bands[0] | bands[1]).sum())))
    return found


@pytest.mark.parametrize(("size", "ratio"), [((37, 53), 0.02), ((37, 53), 0.11), ((64, 31), 0.005), ((5, 7), 0.5)])
def test_counts_are_those_of_the_definition(size, ratio):
    generator = np.random.default_rng(3)
    counts, expected = boundary.BoundaryCounts(4, ratio), np.zeros((4, 2), int)
    for _ in range(3):
        truth, prediction = (
            cv2.resize(generator.integers(0, 4, (6, 6), dtype=np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
            for _ in range(2)
        )
        truth[generator.random(size) < 0.02] = 255
        counts.update(truth, prediction)
        expected += by_definition(truth, prediction, 4, boundary.distance(size, ratio))
    np.testing.assert_array_equal(np.stack([counts.intersection, counts.union], 1), expected)


def test_a_shifted_edge_costs_more_in_boundary_iou_than_in_iou():
    truth = np.zeros((100, 200), np.uint8)
    truth[:, 100:] = 1
    prediction = np.roll(truth, 3, axis=1)
    prediction[:, :3] = 0
    counts = boundary.BoundaryCounts(3, 0.02)
    counts.update(truth, truth)
    assert counts.per_class() == [1.0, 1.0, None] and counts.mean() == 1.0
    counts = boundary.BoundaryCounts(2, 0.02)
    counts.update(truth, prediction)
    assert counts.mean() < 0.9 < 97 / 103


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one size"):
        boundary.BoundaryCounts(2).update(np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8))
    with pytest.raises(ValueError, match="share of the diagonal"):
        boundary.BoundaryCounts(2, 20)

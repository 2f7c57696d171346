"""IoU rules against a brute-force reading of each, on random maps with ignored, absent and empty classes."""

import numpy as np
import pytest

from mosaiclib import evaluation


def pair(generator, classes, absent=()):
    allowed = [c for c in range(classes) if c not in absent]
    truth = generator.choice([*allowed, 255], (37, 53)).astype(np.uint8)
    prediction = np.where(
        generator.random(truth.shape) < 0.6, np.minimum(truth, classes - 1), generator.choice(allowed, truth.shape)
    )
    return truth, prediction.astype(np.int32)


def brute_force(pairs, classes):
    """Per class (TP, FP, FN) pixel by pixel; pixels whose truth is 255 do not count."""
    counts = np.zeros((classes, 3), int)
    for truth, prediction in pairs:
        for t, p in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
            if t == 255:
                continue
            if t == p:
                counts[t, 0] += 1
            else:
                counts[p, 1] += 1
                counts[t, 2] += 1
    return counts


@pytest.mark.parametrize("rule", ["cityscapes", "garden", "mlperf31"])
def test_rules(rule):
    generator = np.random.default_rng(6)
    classes, absent = 32, (3, 17, 31)
    pairs = [pair(generator, classes, absent) for _ in range(3)]
    if rule == "mlperf31":
        pairs = [(np.where(t == 0, 255, t).astype(np.uint8), p) for t, p in pairs]
    matrix = evaluation.ConfusionMatrix(classes)
    for truth, prediction in pairs:
        matrix.update(truth, prediction)
    tp, fp, fn = brute_force(pairs, classes).T
    union = tp + fp + fn
    iou = np.divide(tp, union, out=np.zeros(classes), where=union > 0)
    expected = {
        "cityscapes": iou[union > 0].mean(),
        "garden": iou.sum() / classes,
        "mlperf31": iou[1:].sum() / 31,
    }[rule]
    found = evaluation.score(matrix, rule)
    assert found.miou == pytest.approx(expected, abs=1e-12)
    assert found.pixel_accuracy == pytest.approx(tp.sum() / (tp + fn).sum(), abs=1e-12)
    assert found.n_images == 3
    assert (found.per_class_iou[3] is None) == (rule == "cityscapes")


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match="one size"):
        evaluation.ConfusionMatrix(3).update(np.zeros((4, 4), np.uint8), np.zeros((4, 5), int))


def test_an_unknown_rule_lists_the_rules():
    with pytest.raises(ValueError, match="cityscapes, camvid"):
        evaluation.score(evaluation.ConfusionMatrix(3), "pascal")

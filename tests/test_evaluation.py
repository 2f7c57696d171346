"""IoU rules: against the official evaluator, and against brute-force readings of each, pixel by pixel."""

import tracemalloc
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from mosaiclib import evaluation
from mosaiclib.data import datasets, images
from mosaiclib.data.sets.cityscapes import CLASSES as CITYSCAPES
from mosaiclib.evaluation import iou
from mosaiclib.evaluation.image_counts import ImageCounts
from mosaiclib.inference import KerasSegmenter


def maps(generator, ids, shape=(37, 53), agreement=0.6):
    """A random label map over `ids` and a prediction over the same ids that agrees with it on a share of pixels."""
    truth = generator.choice(ids, shape).astype(np.uint8)
    return truth, np.where(generator.random(shape) < agreement, truth, generator.choice(ids, shape)).astype(np.uint8)


def matrix_of(pairs, classes):
    matrix = evaluation.ConfusionMatrix(classes)
    for truth, prediction in pairs:
        matrix.update(truth, prediction)
    return matrix


def pixels(pairs):
    """How often each (true, predicted) pair occurs, counted in plain Python."""
    return Counter(pair for t, p in pairs for pair in zip(t.ravel().tolist(), p.ravel().tolist(), strict=True))


@pytest.fixture
def official(monkeypatch):
    """cityscapesscripts' evaluator: (paths of predictions, paths of label maps) -> its results."""
    evaluator = pytest.importorskip(
        "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling",
        reason="pip install --no-deps --require-hashes -r tests/oracles.lock",
    )
    arguments = SimpleNamespace(**vars(evaluator.args))
    arguments.evalInstLevelScore, arguments.JSONOutput, arguments.quiet = False, False, True
    return lambda predictions, labels: evaluator.evaluateImgLists(
        list(map(str, predictions)), list(map(str, labels)), arguments
    )


EVERY_ID = np.arange(34)
SCORED = np.array([7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33])


@pytest.mark.parametrize(
    ("case", "true_ids", "predicted_ids"),
    [
        ("all ids", EVERY_ID, EVERY_ID),
        ("ids that are not scored are predicted", SCORED, EVERY_ID),
        ("classes that never occur", [0, 3, 7, 11, 26], [7, 8, 11, 33]),
        ("one class only", [23], [23]),
        ("a class that is only predicted, on ignored pixels", [0, 7], [7, 31]),
    ],
)
def test_cityscapes_equals_the_official_evaluator_to_the_last_digit(case, true_ids, predicted_ids, official, tmp_path):
    generator = np.random.default_rng(len(case))
    paths = []
    for number in range(4):
        shape = tuple(generator.integers(20, 60, 2))
        truth = generator.choice(true_ids, shape).astype(np.uint8)
        other = generator.choice(predicted_ids, shape).astype(np.uint8)
        prediction = np.where((generator.random(shape) < 0.6) & np.isin(truth, predicted_ids), truth, other)
        if case.startswith("a class that is only predicted"):
            prediction[truth == 7] = 7
        for kind, label in (("prediction", prediction), ("label", truth)):
            images.write_png(tmp_path / f"{number}_{kind}.png", label)
        paths.append((tmp_path / f"{number}_prediction.png", tmp_path / f"{number}_label.png"))
    cityscapes = datasets.get("cityscapes", tmp_path)
    for count in range(1, 5):
        predictions, labels = zip(*paths[:count], strict=True)
        expected = official(predictions, labels)
        matrix = evaluation.evaluate_files(predictions, labels, cityscapes)
        found = evaluation.score(matrix, "cityscapes")
        theirs = [expected["classScores"][name] for name in CITYSCAPES]
        assert found.per_class_iou == tuple(None if np.isnan(value) else value for value in theirs)
        assert found.miou == expected["averageScoreClasses"]
        assert found.n_images == count
        official_counts = np.array(expected["confMatrix"])[SCORED]
        assert np.array_equal(matrix.counts, official_counts[:, SCORED])
        assert np.array_equal(matrix.unclassified, official_counts.sum(1) - official_counts[:, SCORED].sum(1))


def test_mlperf31_is_ade20k_cc_read_pixel_by_pixel():
    """ade20k.cc: an FP counts only where the truth is one of 1..31; the sum is divided by 31."""
    generator = np.random.default_rng(3)
    on_disk = [i for i in range(60) if i not in (5, 17)]  # 0 and 32 on are not a class of the 31; 5 and 17 never occur
    pairs = []
    for _ in range(3):
        truth, prediction = maps(generator, on_disk)
        pairs.append((truth, np.where(prediction > 31, 0, prediction)))
    expected = []
    counted = pixels(pairs)
    for c in range(1, 32):
        tp = sum(n for (g, p), n in counted.items() if p == c and g == c)
        fp = sum(n for (g, p), n in counted.items() if p == c and g != c and 1 <= g <= 31)
        fn = sum(n for (g, p), n in counted.items() if p != c and g == c)
        expected.append(tp / (tp + fp + fn) if tp + fp + fn else 0.0)
    to_train_id = np.array(datasets.get("ade20k_top31", "unused").to_train_id)
    through_dataset = matrix_of([(to_train_id[t].astype(np.uint8), p) for t, p in pairs], 32)
    # The label 0 kept as a class: the rule itself has to leave it out.
    with_other = matrix_of([(np.where(t > 31, 0, t), p) for t, p in pairs], 32)
    for matrix in (through_dataset, with_other):
        found = evaluation.score(matrix, "mlperf31")
        assert found.per_class_iou == (None, *expected)
        assert found.miou == pytest.approx(sum(expected) / 31, abs=1e-15)
        assert found.pixel_accuracy == pytest.approx(
            sum(n for (g, p), n in counted.items() if g == p and 1 <= g <= 31)
            / sum(n for (g, _), n in counted.items() if 1 <= g <= 31)
        )
    assert expected[4] == expected[16] == 0 and min(expected[:4]) > 0


@pytest.mark.parametrize("rule", ["garden", "camvid", "cityscapes"])
def test_what_a_class_that_never_occurs_adds_to_the_mean(rule):
    generator = np.random.default_rng(6)
    classes = 11
    pairs = [maps(generator, [0, 1, 2, 4, 5, 6, 8, 9, 10, 255]) for _ in range(3)]  # 3 and 7 never occur
    counted = Counter({(t, p): n for (t, p), n in pixels(pairs).items() if t != 255})
    iou = {}
    for c in range(classes):
        union = sum(n for (t, p), n in counted.items() if c in (t, p))
        iou[c] = counted[c, c] / union if union else None
    present = [value for value in iou.values() if value is not None]
    found = evaluation.score(matrix_of(pairs, classes), rule)
    assert len(present) == 9
    assert found.miou == pytest.approx(sum(present) / (11 if rule == "garden" else 9), abs=1e-15)
    absent = 0.0 if rule == "garden" else None
    assert found.per_class_iou == tuple(absent if value is None else value for value in iou.values())
    correct = sum(n for (t, p), n in counted.items() if t == p)
    assert found.pixel_accuracy == correct / sum(counted.values())


def test_nothing_labelled_scores_zero():
    empty = matrix_of([(np.full((3, 4), 255, np.uint8), np.zeros((3, 4), np.int64))], 5)
    for rule in ("cityscapes", "garden"):
        found = evaluation.score(empty, rule)
        assert (found.miou, found.pixel_accuracy, found.n_images) == (0, 0, 1)


def test_counts_are_exact_beyond_what_one_histogram_holds(monkeypatch):
    monkeypatch.setattr(iou, "_CHUNK", 100)
    truth, prediction = maps(np.random.default_rng(2), [0, 1, 2, 255], (31, 47))
    counted = pixels([(truth, prediction)])
    matrix = matrix_of([(truth[::-1], prediction.astype(np.int64)[::-1])], 3)
    assert matrix.counts.tolist() == [[counted[t, p] for p in range(3)] for t in range(3)]
    assert matrix.unclassified.tolist() == [counted[t, 255] for t in range(3)]


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    """Eight pairs on disk counted once and twenty times over: the peak is the same."""
    generator = np.random.default_rng(4)
    paths = []
    for number in range(8):
        for kind, label in zip(("p", "t"), maps(generator, SCORED, (128, 256)), strict=True):
            images.write_png(tmp_path / f"{kind}{number}.png", label)
        paths.append((tmp_path / f"p{number}.png", tmp_path / f"t{number}.png"))
    cityscapes = datasets.get("cityscapes", tmp_path)

    def peak(count):
        tracemalloc.start()
        try:
            total = evaluation.evaluate_files(*zip(*(paths * (count // 8)), strict=True), cityscapes, workers=1)
            assert total.pictures == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(8)  # what is loaded once
    assert peak(160) < peak(8) + 4 * 128 * 256  # room for two pairs in flight


def test_a_network_is_run_over_a_split_in_order(tiny_dataset):
    seen = []

    def classes_of(image):
        seen.append(image)
        return np.minimum(image[..., 0] // 60, 3)

    matrix = evaluation.evaluate(classes_of, tiny_dataset, "train")
    pairs = [tiny_dataset.read(sample) for sample in tiny_dataset.split("train")]
    assert all(np.array_equal(image, found) for (image, _), found in zip(pairs, seen, strict=True))
    assert evaluation.score(matrix, "cityscapes").miou == 1 and matrix.pictures == 6


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match="one size"):
        evaluation.ConfusionMatrix(3).update(np.zeros((4, 4), np.uint8), np.zeros((4, 5), int))


def test_ids_that_are_no_class_are_refused_and_nothing_is_counted():
    matrix = evaluation.ConfusionMatrix(3)
    zeros = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"truth holds the id 77, but there are only 3 classes"):
        matrix.update(np.where(np.eye(4), 77, 0).astype(np.uint8), zeros)
    with pytest.raises(ValueError, match=r"prediction holds ids from -1 to 0"):
        matrix.update(zeros, -np.eye(4, dtype=np.int64))
    assert matrix.counts.sum() == matrix.pictures == 0


def test_a_bad_file_is_named(tmp_path):
    images.write_png(tmp_path / "label.png", np.full((4, 6), 7, np.uint8))
    images.write_png(tmp_path / "small.png", np.full((4, 5), 7, np.uint8))
    images.write_png(tmp_path / "strange.png", np.full((4, 6), 77, np.uint8))
    cityscapes = datasets.get("cityscapes", tmp_path)
    for name, complaint in (("small", "must be of one size"), ("strange", "the id 77"), ("missing", "not exist")):
        with pytest.raises(ValueError, match=rf"{name}\.png.*{complaint}"):
            evaluation.evaluate_files([tmp_path / f"{name}.png"], [tmp_path / "label.png"], cityscapes)


def test_a_rule_made_for_one_data_set_is_not_applied_to_another():
    with pytest.raises(ValueError, match="'mlperf31' is for 32 classes, and there are 3 here"):
        evaluation.score(evaluation.ConfusionMatrix(3), "mlperf31")


def test_an_unknown_rule_lists_the_rules():
    with pytest.raises(ValueError, match="cityscapes, camvid"):
        evaluation.score(evaluation.ConfusionMatrix(3), "pascal")


def test_pictures_may_be_enlarged_for_the_network_and_are_scored_at_their_own_size():
    """The network's logits are its input's colours: the class is the image's largest channel, whatever the scale."""
    seen = []

    class Colours:
        def predict_on_batch(self, batch):
            seen.append(batch.shape)
            return batch

    patches = np.random.default_rng(0).permuted(np.tile([10, 120, 240], (5, 7, 1)), axis=-1).astype(np.uint8)
    image = patches.repeat(9, 0).repeat(9, 1)
    segment = KerasSegmenter(lambda size, output: Colours(), input_scale=1.5)
    found = segment(image)
    assert seen == [(1, 68, 94, 3)] and found.shape == image.shape[:2]
    centres = (slice(4, None, 9), slice(4, None, 9))
    np.testing.assert_array_equal(found[centres], patches.argmax(-1))
    with pytest.raises(ValueError, match="input_scale must be above 0"):
        KerasSegmenter(Colours, input_scale=0)


def test_a_mean_over_fewer_classes_says_so():
    """A class without pixels in truth and prediction is left out of some rules' mean, and counts 0 in others'."""
    matrix = evaluation.ConfusionMatrix(32)
    matrix.update(np.uint8([[1, 1, 2, 3]]), np.uint8([[1, 1, 2, 4]]))
    assert evaluation.score(matrix, "cityscapes").over == " over 4 of 32 classes"
    assert ImageCounts.of([matrix], ["a"], ["a"], "cityscapes").over == " over 4 of 32 classes"
    assert evaluation.score(matrix, "garden").over == evaluation.score(matrix, "mlperf31").over == ""
    assert iou.over_classes("camvid", [0.5, 0.0]) == iou.over_classes("mlperf31", [None, 0.2]) == ""

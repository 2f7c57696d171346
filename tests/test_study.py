"""A study compares what was trained alike: means and spreads over seeds, from the runs' own records."""

import numpy as np
import pytest

from mosaicbook import runs
from mosaicbook.beyond import study


def write(profile, row, model, seed, miou, split="test", input_scale=1.0):
    """The records of a training and of its evaluation."""
    training = runs.folder_of(profile, f"train/{row}")
    evaluation = runs.folder_of(profile, f"evaluate/{row}-{split}-{input_scale:g}")
    result = {
        "model": model,
        "weights": str(training / "weights"),
        "split": split,
        "input_scale": input_scale,
        "miou": miou,
        "pixel_accuracy": 0.9,
        "per_class_iou": {"sky": miou, "pole": None if seed else 0.5},
    }
    for folder, numbers in ((training, {"seed": seed}), (evaluation, result)):
        folder.mkdir(parents=True, exist_ok=True)
        runs.write_json(folder / "run.json", {"status": "done"})
        runs.write_json(folder / "result.json", numbers)


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))


def test_seeds_are_averaged_and_other_splits_and_enlarged_pictures_left_out(reports):
    mious = np.random.default_rng(5).uniform(0.3, 0.9, 2)
    write("p", "a0", "mnmh448-mosaic-f64-d64", 0, mious[0])
    write("p", "a1", "mnmh448-mosaic-f64-d64", 1, mious[1])
    write("p", "b0", "mnmh448-mdl", 0, 0.1)
    write("p", "b0", "mnmh448-mdl", 0, 0.99, split="val")
    write("p", "b0", "mnmh448-mdl", 0, 0.98, input_scale=1.5)
    first, second = study.rows("p", "test")
    assert first.miou == pytest.approx(mious.mean()) and first.spread == pytest.approx(mious.std(ddof=1))
    assert (second.model, second.miou, second.spread) == ("mnmh448-mdl", 0.1, None)
    # A class that one seed has no IoU of is left out.
    assert list(first.per_class_iou) == ["sky"]
    assert study.record(first, (360, 480))["mIoU"] == pytest.approx(100 * mious.mean())


def test_two_trainings_with_one_seed_are_refused(reports):
    write("p", "a0", "mnmh448-mdl", 0, 0.5)
    write("p", "again", "mnmh448-mdl", 0, 0.6)
    with pytest.raises(ValueError, match="one network with one seed"):
        study.rows("p", "test")


@pytest.mark.parametrize(("second", "proof"), [((0.58, 0.581), True), ((0.50, 0.66), False)])
def test_a_difference_within_the_seeds_is_no_proof(reports, second, proof):
    for seed, (better, worse) in enumerate(zip((0.60, 0.601), second, strict=True)):
        write("p", f"a{seed}", "mnmh448-mosaic-f64-d64", seed, better)
        write("p", f"b{seed}", "mnmh448-mdl", seed, worse)
    assert ("no proof" in study.verdict(*study.rows("p", "test"))) != proof

"""Few labels: the parts are nested and even, an unlabelled image's label is never seen, the law is found again."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import readme_findings

from mosaicbook.beyond import few_labels, few_labels_page, frozen_study
from mosaicbook.runs.provenance import ROOT
from mosaiclib import models
from mosaiclib.data import datasets, images, subsets
from mosaiclib.data.sets import minicity
from mosaiclib.data.sets.minicity import files as minicity_files
from mosaiclib.evaluation import label_next, learning_curve
from mosaiclib.models import catalogue
from mosaiclib.training import distil, frozen, recipes

SPEC = catalogue.mosaic(m=32, f=8, d=8, bins=(1, 2), skips="8-C, 4-S")


@pytest.mark.parametrize("seed", range(4))
def test_a_share_is_spread_evenly_and_lies_within_every_larger_one(seed):
    before = set()
    for share in (0.02, 0.05, 0.1, 0.3, 0.45, 1):
        chosen = subsets.share_of(468, share, seed)
        assert len(chosen) == round(468 * share) and before <= set(chosen)
        before = set(chosen)
        distances = np.diff([*chosen, chosen[0] + 468])
        assert distances.max() <= 3 / share and len(set(distances[:-1])) <= 3
    with pytest.raises(ValueError, match="0 is not a share"):
        subsets.share_of(468, 0)


def test_the_law_of_a_curve_is_found_again_and_its_interval_holds_what_comes():
    counts = [23, 47, 94, 211, 468]
    law = learning_curve.PowerLaw(0.62, 0.9, 0.5)
    found = learning_curve.fit(counts, law(counts))
    assert found(936) == pytest.approx(law(936), abs=1e-3)
    held = total = 0
    for trial in range(60):
        noise = np.random.default_rng(trial).normal(0, 0.005, (5, 3))
        groups = {count: list(law(count) + row) for count, row in zip(counts, noise, strict=True)}
        interval = learning_curve.gain(groups, 936)
        held += interval.lower <= law(936) - law(468) <= interval.upper
        forecast = learning_curve.back_test(groups)
        total += forecast.lower <= law(468) <= forecast.upper
    assert held >= 52 and total >= 52
    with pytest.raises(ValueError, match="needs 4 numbers of images, not 3"):
        learning_curve.fit([1, 2, 3], [0.1, 0.2, 0.3])


def test_targets_that_are_certain_cost_what_labels_cost():
    generator = np.random.default_rng(0)
    labels = generator.choice([0, 1, 2, 255], (2, 16, 24)).astype(np.uint8)
    certain = ((labels[..., None] == np.arange(3)) & (labels != 255)[..., None]).astype(np.float32)
    for shape in ((2, 16, 24, 3), (2, 32, 48, 3), (2, 8, 12, 3)):
        logits = keras.ops.convert_to_tensor(generator.normal(size=shape).astype(np.float32))
        expected = float(frozen.loss(labels, logits))
        assert float(distil.soft_cross_entropy(certain, logits)) == pytest.approx(expected, rel=1e-4)


def test_of_images_alike_the_least_certain_is_labelled_first_and_the_others_are_passed_over():
    """Six videos of ten frames each; of the three least certain ones each gives a frame."""
    generator = np.random.default_rng(2)
    scenes = generator.dirichlet(np.ones(4), (6, 12, 16))
    entropies, descriptions = [], []
    for video, certainty in enumerate((1.0, 3.0, 2.0, 4.0, 1.4, 5.0)):
        for frame in range(10):
            sharper = scenes[video] ** (certainty + 0.02 * frame)
            entropy, description = label_next.look(sharper / sharper.sum(-1, keepdims=True))
            entropies.append(entropy), descriptions.append(description)
    assert np.argsort(entropies)[-10:].max() < 10
    assert label_next.choose(entropies, descriptions, 3) == [0, 40, 20]
    assert sorted(label_next.choose(entropies, descriptions, 80)) == list(range(60))
    uniform, _ = label_next.look(np.full((5, 7, 11), 1 / 11))
    assert uniform == pytest.approx(np.log(11), rel=1e-5) and label_next.look(np.eye(3)[[[0, 1], [2, 0]]])[0] < 1e-6


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Six small scenes to train on, two to evaluate on, and what a training of notebook 65 is given."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path / "reports"))
    for split, count in (("train", 6), ("val", 2)):
        for number in range(count):
            image, label = minicity.scene(number + 10 * (split == "val"), (64, 128))
            folder = tmp_path / f"minicity-64x128-v{minicity_files.VERSION}" / split
            images.write_png(folder / f"{number:05d}_image.png", image)
            images.write_png(folder / f"{number:05d}_label.png", label)
    data = datasets.get("minicity-64x128", tmp_path)
    plan = recipes.Recipe(1, 2, (64, 128), 0.01, "adamw", selection="last")
    weights = tmp_path / "weights"
    models.save(
        models.build(SPEC, (64, 128), len(data.classes)), weights, models.Card(SPEC, data.classes, "x", (64, 128))
    )
    given = few_labels.given(str(weights), data, plan, 2, "", tmp_path / "taps", lambda _: None)
    held = frozen_study.stored_split(str(weights), data, "val", tmp_path / "taps", lambda _: None)
    about = frozen_study.About(SPEC, data, "val", plan, 6, 2, str(weights), [], "code")
    run = SimpleNamespace(folder=tmp_path / "run", scratch=tmp_path / "scratch")
    run.folder.mkdir(), run.scratch.mkdir()
    return few_labels.Trainings(given, held, about, "", run, lambda _: None)


def test_an_unlabelled_images_label_is_never_seen_and_all_labels_train_as_notebook_25_does(task):
    """With other labels of the images that are unlabelled to it, each of the two others learns the same."""
    arms = few_labels.arms([0.34, 1], 0.34, "soft")
    assert [arm.name for arm in arms] == ["share0.34", "share0.34-soft", "share1"]
    before = {arm.name: task.train(arm, 3) for arm in arms}
    assert before["share0.34-soft"]["training"]["labels"] == "2 images, soft targets of a teacher for 4 others"
    trainer = frozen.HeadTrainer(SPEC, task.given.stored, len(task.about.data.classes), task.about.recipe)
    assert before["share1"]["loss"] == trainer.train(3) and "labels" not in before["share1"]["training"]

    labelled = task.given.views_of(subsets.share_of(6, 0.34, 3))
    assert list(labelled) == [*labelled[:2], *(labelled[:2] + 6)]
    poisoned = np.full_like(task.given.stored.labels, 3)
    poisoned[labelled] = task.given.stored.labels[labelled]
    task.given.stored.labels = poisoned
    for path in task.run.scratch.glob("*.json"):
        path.unlink()
    after = {arm.name: task.train(arm, 3)["loss"] for arm in arms}
    assert {name for name in after if after[name] != before[name]["loss"]} == {"share1"}


def test_arms_are_compared_in_spite_of_their_labels_and_a_killed_run_goes_on(task, monkeypatch):
    arms = few_labels.arms([0.34, 0.5, 0.67, 1], 0.34, "hard")
    evaluations = [task.train(arm, seed) for arm in arms for seed in range(2)]
    assert json.loads(json.dumps(evaluations)) == evaluations
    monkeypatch.setattr(distil, "PartTrainer", None)
    task = replace(task)
    assert [task.train(arm, seed) for arm in arms for seed in range(2)] == evaluations
    result = {"evaluations": evaluations, "taught": "hard", "taught_arm": "share0.34-hard"}
    found = few_labels_page.judged(task.run.folder, result)
    assert [row["labelled_images"] for row in found["arms"]] == [2, 2, 3, 4, 6]
    assert [(d["one"], d["other"]) for d in found["differences"]] == [
        ("share0.34-hard", "share0.34"), ("share1", "share0.34"), ("share1", "share0.34-hard")]  # fmt: skip
    means = {arm.name: np.mean([e["miou"] for e in evaluations if e["arm"] == arm.name]) for arm in arms}
    for difference in found["differences"]:
        assert difference["difference"] == pytest.approx(means[difference["one"]] - means[difference["other"]])
        assert difference["interval"][0] < difference["difference"] < difference["interval"][1]
    assert found["law"]["images"] == 6 and "forecast" not in found["law"]
    assert len(few_labels_page.sentences(found)) == 3
    evaluations[0]["training"]["steps"] = 5
    with pytest.raises(ValueError, match="may not be compared: the steps of training"):
        few_labels_page.judged(task.run.folder, result)


def test_images_of_a_folder_are_learnt_from_and_one_without_any_is_refused(task, tmp_path):
    about, more = task.about, tmp_path / "more"
    more.mkdir()
    store = (about.weights, about.data, about.recipe, 2)
    with pytest.raises(ValueError, match=f"{more} holds no images"):
        few_labels.given(*store, str(more), tmp_path / "taps", print)
    for number in range(3):
        images.write_png(more / f"{number}.png", minicity.scene(number + 30, (64, 128))[0])
    given = few_labels.given(*store, str(more), tmp_path / "taps", lambda _: None)
    assert (given.labelled, given.images, len(given.stored)) == (6, 9, 18)
    assert (given.stored.labels[[6, 7, 8, 15, 16, 17]] == 255).all() and (given.stored.labels[:6] != 255).any()
    found = replace(task, given=given, teacher=about.weights).train(few_labels.Arm(1, "soft"), 0)
    assert found["training"]["labels"] == "6 images, soft targets of a teacher for 3 others"
    by_head = distil.said_by_head(SPEC, about.weights, given.stored, len(about.data.classes))
    by_network = distil.said_by_network(about.weights, given.pairs, given.stored, about.data.classes)
    np.testing.assert_allclose(by_head, by_network, atol=5e-3)
    with pytest.raises(ValueError, match="which are not the 2 of the images"):
        distil.said_by_network(about.weights, given.pairs, given.stored, ("a", "b"))


def test_the_document_says_what_the_published_run_measured_and_its_counts_say_the_same():
    """The means and the difference, from the counts of each image by plain numpy."""
    assert readme_findings.few_labels() in (ROOT / "docs/few-labels.md").read_text(encoding="utf-8")
    folder = ROOT / "reports/published/few-labels/runs/labels/curve"
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    mious = {}
    for one in result["evaluations"]:
        counts = np.load(folder / one["image_counts"])["counts"].sum(0, dtype=np.int64)
        hits, union = np.diag(counts), counts.sum(1) + counts[:, :-1].sum(0) - np.diag(counts)
        mious.setdefault(one["arm"], []).append((hits / union).mean())
    for arm in result["arms"]:
        assert len(mious[arm["arm"]]) == arm["seeds"] and arm["miou"] == pytest.approx(np.mean(mious[arm["arm"]]))
    first = result["differences"][0]
    assert (first["one"], first["other"]) == ("share0.1-soft", "share0.1")
    assert first["difference"] == pytest.approx(np.mean(mious[first["one"]]) - np.mean(mious[first["other"]]))
    told = re.search(r"is (\S+), (\S+) and (\S+) points better", (ROOT / "docs/few-labels.md").read_text())
    by_seed = 100 * np.subtract(mious[first["one"]], mious[first["other"]])
    assert [f"{points:.1f}" for points in by_seed] == list(told.groups())
    groups = [np.array(values) for values in mious.values() if len(values) > 1]
    spread = np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in groups) / sum(len(g) - 1 for g in groups))
    assert result["seeds_sd"] == pytest.approx(spread)

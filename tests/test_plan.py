"""A plan builds every training that it lists, and times them by their MACs and what finished ones measured."""

import pytest

from mosaicbook import runs
from mosaicbook.batch import plan, profiles

PROFILES = sorted(path.stem for path in profiles.FOLDER.glob("*.yaml"))


def small(tmp_path, **train):
    path = tmp_path / "p.yaml"
    path.write_text(
        "title: t\ndescription: d\ntrain_macs_per_s: 1.0e+6\nsweeps:\n"
        f"  - {{dataset: cityscapes, rows: [mnmh480-mosaic, enet], train: {train}}}\n"
    )
    return profiles.load(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROFILES)
def test_every_training_of_every_profile_can_be_built(name):
    profile = profiles.load(name)
    planned = plan.trainings(profile, list(profile.runs))
    assert set(planned) == {run_id for run_id in profile.runs if run_id.startswith(("train/", "pretrain/"))}
    assert {run_id: training.problem for run_id, training in planned.items() if training.problem} == {}


def test_what_cannot_be_built_is_said_with_its_reason(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    profile = small(tmp_path, crop_height=100, crop_width=256, epochs=2)
    plan.tell(profile, list(profile.runs))
    text = capsys.readouterr().out
    assert "cannot be built: train/cityscapes-mnmh480-mosaic: A pyramid level of 16 bins" in text
    assert "2 trainings, of which 1 cannot be built." in text and "nobody has measured" in text


def test_times_follow_macs_and_what_was_measured(tmp_path, capsys, monkeypatch):
    from mosaiclib import models
    from mosaiclib.models import catalogue

    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    profile = small(tmp_path, crop_height=257, crop_width=256, epochs=2)
    macs = {name: 3 * models.cost(catalogue.get(name), (257, 256), 19).conv_macs * 2975 * 2
            for name in ("enet", "mnmh480-mosaic")}  # fmt: skip
    plan.tell(profile, list(profile.runs))
    assert profile.runs["train/cityscapes-enet"].about_s == round(macs["enet"] / 1e6)
    folder = runs.folder_of("p", "train/cityscapes-enet")
    folder.mkdir(parents=True)
    runs.write_json(folder / "result.json", {"train_wall_s": 100.0})
    runs.write_json(folder / "run.json", {"status": "done"})
    plan.tell(profile, list(profile.runs))
    assert "as 1 finished training of p measured" in capsys.readouterr().out
    expected = round(100 * macs["mnmh480-mosaic"] / macs["enet"])
    assert profile.runs["train/cityscapes-mnmh480-mosaic"].about_s == expected


def test_a_pretraining_is_in_the_times(tmp_path, monkeypatch):
    """Table 1's 14x14 network for 1,000 classes, on as many images as ImageNet has."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    (tmp_path / "p.yaml").write_text(
        "title: t\ndescription: d\ntrain_macs_per_s: 1.0e+12\nruns:\n  pretrain/a: {notebook: "
        "notebooks/15_pretrain.ipynb, description: d, parameters: {epochs: 2, data_root: /nowhere}}\n"
    )
    profile = profiles.load(tmp_path / "p.yaml")
    plan.tell(profile, list(profile.runs))
    macs = profile.runs["pretrain/a"].about_s * 1e12 / (3 * 1_281_167 * 2)
    assert 1e8 < macs < 1e9  # of one image of 224x224

"""A profile is a plan: sweeps become runs, a change reruns what depends on it, missing data is one sentence."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml

from mosaicbook import paper
from mosaicbook.batch import dependencies, profiles, waiting
from mosaicbook.runs.provenance import ROOT
from mosaiclib.models import catalogue

DECODER = "models/heads/mosaic.py"


@pytest.fixture
def profile(tmp_path):
    """Loads a profile from Python data."""

    def load(**fields):
        path = tmp_path / "p.yaml"
        path.write_text(yaml.safe_dump({"title": "t", "description": "d", **fields}))
        return profiles.load(path)

    return load


def depending_on(plan, file):
    path = ROOT / "mosaiclib" / file
    assert path.is_file()
    return {run_id for run_id in plan.runs if path in dependencies.sources(plan, run_id)}


@pytest.mark.parametrize("name", sorted(path.stem for path in profiles.FOLDER.glob("*.yaml")))
def test_every_profile_loads_and_gives_a_page_to_every_table_and_figure(name):
    plan = profiles.load(name)
    pages = {f"{folder}/{path.stem}" for folder in ("tables", "figures", "beyond")
             for path in (ROOT / "notebooks" / folder).glob("*.ipynb")}  # fmt: skip
    assert len(pages) >= 17 and pages <= set(plan.runs)
    for run_id in pages:
        if "profile" in plan.runs[run_id].all_parameters:
            assert plan.runs[run_id].parameters["profile"] == name


# === What depends on what ===


def test_only_networks_with_a_part_depend_on_its_file():
    plan = profiles.load("quick")
    decoder = depending_on(plan, DECODER)
    assert {"pictures/released-r4", "train/minicity", "tables/table_3", "figures/figure_4"} <= decoder
    assert not decoder & {"data/minicity", "tables/table_1", "latency/host"}
    assert depending_on(plan, "models/baselines/enet.py") == {"tables/table_2"} | (
        depending_on(plan, "models/baselines/erfnet.py") - {"figures/figure_2"}
    )
    # ICNet pools with the MOSAIC head's own function.
    whole = catalogue.get("icnet")
    assert ROOT / "mosaiclib" / DECODER in dependencies._modules(whole)
    assert ROOT / "mosaiclib" / DECODER not in dependencies._modules(catalogue.get("enet"))
    for spec in map(catalogue.get, catalogue.names()):
        files = {path.parent.name for path in dependencies._modules(spec)}
        assert files <= {"backbones", "heads", "segmenters", "models"}
        assert ("backbones" in files) == (spec.backbone is not None)


def test_looks_commands_and_other_data_sets_are_nobody_s_inputs():
    plan = profiles.load("camvid")
    for file in ("reporting/site.py", "reporting/template/style.css", "cli/reports.py", "batch.py", "specs.py"):
        assert not depending_on(plan, file), file
    assert not depending_on(plan, "data/minicity/street.py") and not depending_on(plan, "data/ade20k.py")
    assert {"data/camvid", "train/camvid", "evaluate/camvid-test"} <= depending_on(plan, "data/camvid.py")


def test_a_network_s_own_spec_is_a_setting_of_its_runs(monkeypatch):
    plan = profiles.load("quick")
    before = {run_id: dependencies.settings(plan, run_id) for run_id in plan.runs}
    name = plan.runs["train/minicity"].parameters["model"]
    monkeypatch.setitem(catalogue._BY_NAME, name, catalogue.mosaic(d=65))
    changed = {run_id for run_id in plan.runs if dependencies.settings(plan, run_id) != before[run_id]}
    tables = {f"tables/table_{t}" for t in paper.TABLES if name in {record.spec for record in paper.records(t)}}
    assert changed == {"train/minicity", "evaluate/minicity", "export/minicity", "beyond/edges"} | tables


@pytest.mark.slow
def test_snakemake_reruns_what_depends_on_a_changed_line_and_nothing_else(tmp_path):
    """In a copy of the repository in which every run of the quick profile is done."""
    copy = tmp_path / "copy"
    for name in ("mosaiclib", "notebooks", "profiles"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "Snakefile", copy)
    plan = profiles.load("quick")
    script = (
        "import json\nfrom mosaiclib import batch, profiles\nplan = profiles.load('quick')\n"
        "print(json.dumps(batch.out_of_date(plan, 'quick', list(plan.runs))))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MOSAIC_")} | {"PYTHONPATH": str(copy)}

    def out_of_date(touched=None):
        if touched:
            with open(copy / touched, "a") as file:
                file.write("\n# one more line\n")
        done = subprocess.run([sys.executable, "-c", script], cwd=copy, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    (copy / "README.md").write_text("x")
    for run_id in plan.runs:  # in their order, so that no result is older than what it needs
        folder = copy / "reports/quick/runs" / run_id
        folder.mkdir(parents=True)
        (folder / "result.json").write_text("{}")
        (folder / "run.json").write_text('{"status": "done"}')
    later = time.time() + 2
    for path in copy.rglob("result.json"):
        os.utime(path, (later, later))
    assert out_of_date("README.md") == {}
    assert out_of_date("mosaicbook/site/index.py") == {}
    time.sleep(max(0, later + 0.1 - time.time()))
    found = out_of_date(f"mosaiclib/{DECODER}")
    assert list(found) == [run_id for run_id in plan.runs if run_id not in ("data/minicity", "tables/table_1")]
    assert found["train/minicity"] == f"changed: mosaiclib/{DECODER}"


# === Sweeps and narrowing ===

SWEEP = {
    "dataset": "minicity", "tables": [3], "rows": ["enet"], "learning_rates": [0.0005, 0.002],
    "train": {"epochs": 7}, "export": {"height": 64, "width": 128}, "latency": {},
}  # fmt: skip


def test_a_sweep_is_every_row_at_every_rate(profile):
    plan = profile(sweeps=[SWEEP], pages=["tables"])
    networks = [*dict.fromkeys(record.spec for record in paper.records(3)), "enet"]
    assert [r for r in plan.runs if r.startswith("train/")] == [
        f"train/minicity-{network}-lr{rate}" for network in networks for rate in ("0.0005", "0.002")
    ]
    for stage, made in (("evaluate", networks), ("export", ["enet"]), ("latency", ["enet"])):
        assert [r for r in plan.runs if r.startswith(f"{stage}/")] == [f"{stage}/minicity-{n}" for n in made]
    trained = plan.runs["train/minicity-enet-lr0.002"].parameters
    assert trained == {"model": "enet", "dataset": "minicity", "epochs": 7, "learning_rate": 0.002}
    needed = plan.runs["evaluate/minicity-mnmh480-mosaic"].upstream(plan.runs)
    assert needed == [f"train/minicity-mnmh480-mosaic-lr{rate}" for rate in ("0.0005", "0.002")]
    assert dependencies.networks_of(plan, "latency/minicity-enet") == ("enet",)


def test_narrowing_keeps_what_is_asked_for_and_what_it_needs(profile):
    data = {"notebook": "notebooks/10_data.ipynb", "description": "x", "parameters": {"dataset": "minicity"}}
    plan = profile(runs={"data/x": data}, sweeps=[SWEEP], pages=["tables", "figures"])
    assert plan.narrowed() == list(plan.runs)
    of_five = plan.narrowed(tables=[5])
    default = [run_id for run_id in plan.runs if re.search("-mnmh480-mosaic(-lr|$)", run_id)]
    assert set(of_five) == {"data/x", "tables/table_5", *default}
    assert plan.narrowed(tables=[2], rows=["enet"]) == [
        "data/x", *(r for r in plan.runs if "-enet" in r), "tables/table_2",
    ]  # fmt: skip
    for tables, rows, message in (([9], (), "table_9"), ([3], ["enet"], "no row of Table 3"), ((), ["x"], "'x'")):
        with pytest.raises(ValueError, match=message):
            plan.narrowed(tables, rows)


def test_the_best_of_a_sweep_is_handed_on(profile, tmp_path, monkeypatch):
    from mosaicbook import runs
    from mosaicbook.batch import execution

    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    plan = profile(sweeps=[{"dataset": "minicity", "rows": ["enet"], "learning_rates": [0.1, 0.2, 0.3]}])
    # What counts is the network that a run left; a run from before that was told left its best.
    for rate, scores in (
        (0.1, {"best_val_miou": 0.7, "kept_val_miou": 0.4}),
        (0.2, {"best_val_miou": 0.6}),
        (0.3, {"best_val_miou": 0.5, "kept_val_miou": 0.5}),
    ):
        folder = runs.folder_of("p", f"train/minicity-enet-lr{rate}")
        folder.mkdir(parents=True)
        (folder / "run.json").write_text('{"status": "done"}')
        (folder / "result.json").write_text(json.dumps(scores))
    resolved = execution.resolved(plan, plan.runs["evaluate/minicity-enet"])
    assert (ROOT / resolved["weights"]).resolve() == runs.folder_of("p", "train/minicity-enet-lr0.2") / "weights"


def test_common_parameters_go_to_the_runs_that_declare_them(profile):
    runs = {
        "data/a": {"notebook": "notebooks/10_data.ipynb", "description": "x"},
        "train/a": {"notebook": "notebooks/20_train.ipynb", "description": "x", "parameters": {"dataset": "camvid"}},
        "latency/a": {"notebook": "notebooks/50_latency.ipynb", "description": "x"},
    }
    plan = profile(runs=runs, parameters={"dataset": "folder", "data_root": "mydata"})
    assert plan.runs["data/a"].parameters == {"dataset": "folder", "data_root": "mydata"}
    assert plan.runs["train/a"].parameters == {"dataset": "camvid", "data_root": "mydata"}
    assert plan.runs["latency/a"].parameters == {}


def test_a_picture_that_is_added_or_changed_reruns_what_has_seen_it(profile, tmp_path):
    for part in ("images", "labels"):
        (tmp_path / "own" / part / "train").mkdir(parents=True)
        (tmp_path / "own" / part / "train" / "a.png").write_bytes(b"x")
    runs = {
        "data/a": {"notebook": "notebooks/10_data.ipynb", "description": "x"},
        "train/a": {"notebook": "notebooks/20_train.ipynb", "description": "x", "parameters": {"dataset": "camvid"}},
    }
    plan = profile(runs=runs, parameters={"dataset": "folder", "data_root": str(tmp_path / "own")})

    def settings():
        dependencies._state_of.cache_clear()  # a command looks once
        return {run_id: dependencies.settings(plan, run_id) for run_id in runs}

    before = [settings()]
    assert settings() == before[0]
    for change in (
        lambda: (tmp_path / "own/images/train/b.png").write_bytes(b"y"),
        lambda: (tmp_path / "own/labels/train/a.png").write_bytes(b"xx"),
        lambda: (tmp_path / "own/classes.yaml").write_text("names: [a, b]"),
    ):
        change()
        before.append(settings())
    assert len({each["data/a"] for each in before}) == 4 and len({each["train/a"] for each in before}) == 1


# === Data that is not here ===


def test_runs_wait_for_their_data_with_one_sentence(profile, tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path))
    sweep = SWEEP | {"dataset": "cityscapes", "data_root": str(tmp_path / "nowhere")}
    plan = profile(sweeps=[sweep], pages=["tables"])
    waits = waiting.for_data(plan, list(plan.runs))
    assert {run_id.split("/")[0] for run_id in waits} == {"train", "evaluate", "export", "latency"}
    assert len(waits) == len(plan.runs) - 8
    (sentence,) = set(waits.values())
    assert "nowhere" in sentence and "cityscapes-dataset.com" in sentence


# === The documentation's example ===


def test_the_backbone_of_the_documentation_stands_in_its_table(tmp_path):
    text = (ROOT / "docs" / "change-the-network.md").read_text(encoding="utf-8")
    patch = re.search(r"```diff\n(.*?)```", text, re.DOTALL)[1]
    assert sum(line.startswith("+") and not line.startswith("+++") for line in patch.splitlines()) < 40
    shutil.copytree(ROOT / "mosaiclib", tmp_path / "mosaiclib", ignore=shutil.ignore_patterns("__pycache__"))
    applied = subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch, text=True, capture_output=True)
    assert applied.returncode == 0, applied.stderr
    script = """
import json
from mosaiclib import models, paper, specs
paper.records = lambda table, real=paper.records: real(table)[:1]  # one row of the paper is enough here
from mosaiclib.reporting import paper_table
network = models.build(specs.get("plain-mosaic"), (256, 288), 5)
print(json.dumps([network.output_shape, paper_table.beside_the_paper(6, "none", "tables/table_6")["rows"]]))
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "MOSAIC_REPORTS": str(tmp_path / "reports")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shape, rows = json.loads(done.stdout.splitlines()[-1])
    assert shape == [None, 64, 72, 5]
    assert [row["label"] for row in rows] == ["MNV3-small, MOSAIC", "plain-mosaic (not in the paper)"]
    assert rows[1]["cells"][1]["ours"] > 1 and rows[1]["cells"][0]["paper"] is None

"""A profile is a plan: sweeps become runs, a change reruns what depends on it, missing data is one sentence."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import grimp
import pytest
import yaml
from snakemake.cli import parse_config

from mosaicbook import paper, runs
from mosaicbook.batch import dependencies, execution, markers, profiles, scheduler, snakemake, waiting
from mosaicbook.runs import evaluations
from mosaicbook.runs.provenance import ROOT
from mosaiclib import models
from mosaiclib.data.sets.minicity import files as minicity_files
from mosaiclib.models import catalogue

DECODER = "mosaiclib/models/heads/mosaic.py"


@pytest.fixture
def profile(tmp_path):
    """Loads a profile from Python data."""

    def load(**fields):
        path = tmp_path / "p.yaml"
        path.write_text(yaml.safe_dump({"title": "t", "description": "d", **fields}))
        return profiles.load(path)

    return load


@pytest.mark.parametrize("name", [".", ".hidden", "-x", "--help", "a\nb", "x" * 101, "by-hand", "bench", "published"])
def test_a_profile_gives_reports_a_folder_of_its_name(name, tmp_path):
    (tmp_path / f"{name}.yaml").write_text("title: t\ndescription: d\n")
    with pytest.raises(ValueError, match="cannot give reports/ a folder of its name"):
        profiles.load(tmp_path / f"{name}.yaml")


def test_snakemake_is_told_a_profile_of_any_name(tmp_path):
    path = tmp_path / "b%41 #{x}: [ü] 'y'.yaml"
    path.write_text("title: t\ndescription: d\n")
    command = snakemake._command(profiles.load(path), [], "stages", tmp_path / "events")
    assert unquote(parse_config(command[command.index("--config") + 1 :])["profile"]) == str(path)


def depending_on(plan, file):
    path = ROOT / file
    assert path.is_file()
    return {run_id for run_id in plan.runs if path in dependencies.sources(plan, run_id)}


@pytest.mark.parametrize("name", sorted(path.stem for path in profiles.FOLDER.glob("*.yaml")))
def test_every_profile_loads_and_gives_a_page_to_every_table_and_figure(name):
    plan = profiles.load(name)
    pages = {f"{folder}/{path.stem}" for folder in ("tables", "figures", "beyond")
             for path in (ROOT / "notebooks" / folder).glob("*.ipynb")}  # fmt: skip
    beyond_the_paper = ("search", "few-labels")  # these reproduce no table
    assert len(pages) >= 17 and (name in beyond_the_paper or pages <= set(plan.runs))
    for run_id in pages & set(plan.runs):
        if "profile" in plan.runs[run_id].all_parameters:
            assert plan.runs[run_id].parameters["profile"] == name


def test_a_pattern_stands_for_the_folders_of_all_its_runs_and_what_it_sums_up_stands_behind(
    profile, tmp_path, monkeypatch
):
    """A profile that trains a design of another run with two seeds, as the profile search does."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))

    def run(notebook, **parameters):
        return {"notebook": f"notebooks/{notebook}.ipynb", "description": "d", "parameters": parameters}

    plan = profile(
        runs={
            "pictures/r4": run("05_released_weights"),
            "search/a": run("60_search", weights="run:pictures/r4/weights"),
            "search/b": run("61_search_verdict", search="run:search/a", default="run:evaluate/camvid-best-seed*"),
        },
        sweeps=[
            {
                "dataset": "camvid",
                "designs": {"best": "run:search/a/best.json"},
                "pretrained": {"mnmh": "run:pictures/r4/weights"},
                "seeds": [3, 5],
            }
        ],
    )
    trained = [f"train/camvid-best-seed{seed}" for seed in (3, 5)]
    evaluated = [f"evaluate/camvid-best-seed{seed}" for seed in (3, 5)]
    assert set(plan.runs) == {"pictures/r4", "search/a", "search/b", *trained, *evaluated}
    assert list(plan.runs)[-1] == "search/b" and plan.runs["search/b"].upstream(plan.runs)[1:] == evaluated
    assert plan.runs[trained[1]].parameters == {
        "dataset": "camvid", "model": "run:search/a/best.json", "seed": 5,
        "initial_weights": "run:pictures/r4/weights", "initial_part": "mnmh.",
    }  # fmt: skip
    places = execution.resolved(plan, plan.runs["search/b"])
    assert (ROOT / places["default"]).resolve() == tmp_path / "p" / "runs" / "evaluate" / "camvid-best-seed*"
    for score, run_id in enumerate(evaluated):
        (tmp_path / "p" / "runs" / run_id).mkdir(parents=True)
        runs.write_json(tmp_path / "p" / "runs" / run_id / "result.json", {"miou": score, "split": "test"})
    assert [one.result["miou"] for one in evaluations.of_folders(ROOT / places["default"])] == [0, 1]


# === What depends on what ===


def test_only_networks_with_a_part_depend_on_its_file():
    plan = profiles.load("quick")
    decoder = depending_on(plan, DECODER)
    assert {"pictures/released-r4", "train/minicity", "latency/host", "tables/table_3", "figures/figure_4"} <= decoder
    assert not decoder & {"data/minicity", "tables/table_1"}
    enet = depending_on(plan, "mosaiclib/models/baselines/enet.py")
    assert "tables/table_2" in enet and not enet & {"train/minicity", "latency/networks", "figures/figure_3"}
    # ENet shares its layers with the other baselines.
    assert "mosaiclib.models.baselines.layers" in dependencies.closure(ROOT / "mosaiclib/models/baselines/enet.py")
    for spec in map(catalogue.get, catalogue.names()):
        files = {path.parent.name for path in dependencies.parts_of(spec)}
        assert files <= {"backbones", "heads", "baselines"}
        assert ("backbones" in files) == (spec.backbone is not None)


def test_the_closure_of_imports_is_that_of_another_reader():
    """grimp reads the same imports its own way, but does not see through a face that only hands on names."""
    graph = grimp.build_graph("mosaiclib", "mosaicbook", cache_dir=None)
    faces = {module for module in graph.modules if dependencies._face(module)}
    for module in graph.modules - faces:
        path = dependencies._file(module)
        if path is None or path.name == "__init__.py":
            continue
        expected = graph.find_modules_directly_imported_by(module)
        ours = dependencies.imports(path)
        assert expected - faces <= ours, module
        for face in expected & faces:
            assert ours & (graph.find_modules_directly_imported_by(face) | graph.find_descendants(face)), (module, face)


@pytest.mark.parametrize("run_id", ["tables/table_1", "tables/table_5", "figures/figure_3", "data/minicity"])
def test_no_module_whose_code_runs_is_missing(run_id, tmp_path, monkeypatch):
    """The functions that a notebook really calls, seen by the interpreter's own profiler."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    monkeypatch.setenv("MOSAIC_RUN_FOLDER", str(tmp_path / "run"))
    monkeypatch.setenv("MOSAIC_RUN_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path))
    monkeypatch.setattr(minicity_files, "COUNTS", {"train": 8, "val": 4})  # 12 of the 720 scenes, by the same code
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # what was counted before would not be counted again
    models.cost.cache_clear()
    plan = profiles.load("quick")
    allowed = set(dependencies.sources(plan, run_id))
    declared = dependencies.BOOKKEEPING + dependencies.NAMES + dependencies.LOOKS
    called = set()

    def profiler(frame, event, argument):
        if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:  # no body of a module or class
            called.add(frame.f_code.co_filename)

    monkeypatch.setattr("builtins.display", lambda *shown, **options: None, raising=False)
    cells = [cell["source"] for cell in json.loads((ROOT / plan.runs[run_id].notebook).read_text())["cells"]
             if cell["cell_type"] == "code"]  # fmt: skip
    namespace = {}
    sys.setprofile(profiler)
    try:
        for number, cell in enumerate(cells):
            exec("".join(cell), namespace)
            if number == 0:  # the parameters cell
                namespace.update(plan.runs[run_id].parameters)
    finally:
        sys.setprofile(None)
    for path in map(Path, called):
        if path.is_relative_to(ROOT) and path.suffix == ".py" and path.relative_to(ROOT).parts[0].startswith("mosaic"):
            name = dependencies._name(path)
            assert path in allowed or any(dependencies._within(name, prefix) for prefix in declared), (run_id, name)


def test_what_prints_madds_depends_on_how_they_are_counted():
    plan = profiles.load("quick")
    cost = depending_on(plan, "mosaiclib/models/counting.py")
    assert {"latency/networks", "beyond/heads_compared", "beyond/cost_by_stage", "tables/table_3"} <= cost
    assert not cost & {"train/minicity", "evaluate/minicity", "data/minicity"}


@pytest.mark.parametrize("name", sorted(path.stem for path in profiles.FOLDER.glob("*.yaml")))
def test_a_page_is_made_after_all_that_it_is_drawn_from(name):
    plan, rounds = profiles.load(name), dependencies.ROUNDS
    for run_id in plan.runs:
        for other in dependencies.drawn_from(plan, run_id):
            assert rounds.index(dependencies.round_of(other)) < rounds.index(dependencies.round_of(run_id)), run_id


def test_looks_commands_and_other_data_sets_are_nobody_s_inputs():
    plan = profiles.load("camvid")
    for file in ("site/index.py", "site/template/style.css", "cli/runs.py", "batch/scheduler.py", "runs/run.py"):
        assert not depending_on(plan, f"mosaicbook/{file}"), file
    drawn = {run_id.split("/")[0] for run_id in depending_on(plan, "mosaicbook/show/tables.py")}
    assert drawn <= set(dependencies.DRAWN_FROM), "a page is drawn again without running what it shows"
    sets = "mosaiclib/data/sets"
    computed = {r for r in plan.runs if r.split("/")[0] in ("data", "train", "evaluate", "export")}
    assert not depending_on(plan, f"{sets}/minicity/street.py") & computed
    assert not depending_on(plan, f"{sets}/ade20k.py") & computed
    assert {"data/camvid", "train/camvid", "evaluate/camvid-test"} <= depending_on(plan, f"{sets}/camvid.py")


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
    """In a copy of the repository in which every run of the quick profile has its marker."""
    copy = tmp_path / "copy"
    for name in ("mosaiclib", "mosaicbook", "notebooks", "profiles"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "Snakefile", copy)
    plan = profiles.load("quick")
    script = (
        "import json\nfrom mosaicbook.batch import markers, profiles, scheduler\nplan = profiles.load('quick')\n"
        "markers.settle = lambda *_, **__: {}  # run.json says that all are done\n"
        "print(json.dumps(scheduler.out_of_date(plan, list(plan.runs))))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MOSAIC_")} | {"PYTHONPATH": str(copy)}

    def out_of_date(*touched):
        for path in touched:
            with open(copy / path, "a") as file:
                file.write("\n# one more line\n")
        done = subprocess.run([sys.executable, "-c", script], cwd=copy, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    (copy / "README.md").write_text("x")
    for run_id in plan.runs:  # in their order, so that no result is older than what it needs
        marker = copy / "reports/quick" / markers.FOLDER / run_id
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    later = time.time() + 2
    for path in (copy / "reports/quick" / markers.FOLDER).glob("*/*"):
        os.utime(path, (later, later))
    assert out_of_date("README.md", "mosaicbook/site/index.py") == {}
    time.sleep(max(0, later + 0.1 - time.time()))
    found = out_of_date(DECODER)
    assert list(found) == [run_id for run_id in plan.runs if run_id not in ("data/minicity", "tables/table_1")]
    assert found["train/minicity"] == f"changed: {DECODER}"


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


def test_a_sweep_over_seeds_evaluates_each_and_one_that_chooses_evaluates_none(profile):
    rows = {"dataset": "minicity", "rows": ["enet"], "train": {"epochs": 7}}
    plan = profile(sweeps=[
        rows | {"dataset": "minicity-64x128", "learning_rates": [0.1, 0.2], "evaluate": None},
        rows | {"learning_rates": [0.2], "seeds": [0, 5]},
    ])  # fmt: skip
    assert list(plan.runs) == [
        "train/minicity-64x128-enet-lr0.1", "train/minicity-64x128-enet-lr0.2",
        "train/minicity-enet-seed0-lr0.2", "evaluate/minicity-enet-seed0",
        "train/minicity-enet-seed5-lr0.2", "evaluate/minicity-enet-seed5",
    ]  # fmt: skip
    assert plan.runs["train/minicity-enet-seed5-lr0.2"].parameters["seed"] == 5
    assert plan.runs["evaluate/minicity-enet-seed5"].upstream(plan.runs) == ["train/minicity-enet-seed5-lr0.2"]
    for wrong in ({"learning_rates": [0.1, 0.2], "seeds": [0, 1]}, {"seeds": [0, 1], "export": {}}, {"seeds": []}):
        with pytest.raises(ValueError, match=r"seed|at least 1"):
            profile(sweeps=[rows | wrong])


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
    for tables, rows, message in (([9], (), "table_9"), ([3], ["enet"], "not a row of Table 3"), ((), ["x"], "'x'")):
        with pytest.raises(ValueError, match=message):
            plan.narrowed(tables, rows)


def test_the_best_of_a_sweep_is_handed_on(profile, tmp_path, monkeypatch):
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


def test_backbones_start_from_what_the_sweep_says(profile, tmp_path):
    sweep = {"dataset": "minicity", "rows": ["enet", "resnet50-mosaic"]}
    folder = tmp_path / "weights"
    plan = profile(sweeps=[sweep | {"pretrained": {"resnet50": str(folder), "whole": "random"}}])
    train = plan.runs["train/minicity-resnet50-mosaic"]
    assert (train.parameters["initial_weights"], train.parameters["initial_part"]) == (str(folder), "resnet50.")
    assert "initial_weights" not in plan.runs["train/minicity-enet"].parameters
    assert plan.runs["train/minicity-enet"].description.endswith("from random weights")
    waits = waiting.for_data(plan, list(plan.runs))
    assert set(waits) == {"train/minicity-resnet50-mosaic", "evaluate/minicity-resnet50-mosaic"}
    assert "mosaic import" in waits["train/minicity-resnet50-mosaic"]
    folder.mkdir()
    (folder / "spec.json").write_text("{}")
    assert not waiting.for_data(plan, list(plan.runs))
    for pretrained in ({"whole": "random"}, {"whole": "random", "resnet50": "random", "mnmh": "random"}):
        with pytest.raises(ValueError, match=r"pretrained (says nothing of resnet50|names mnmh)"):
            profile(sweeps=[sweep | {"pretrained": pretrained}])


def test_a_candidate_without_a_score_stops_nothing(profile, tmp_path, monkeypatch, capsys):
    """One rate diverges and stays as it is; one is killed and will be tried again; the third is chosen."""
    from papermill.exceptions import PapermillExecutionError

    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    sweep = {"dataset": "minicity", "rows": ["enet"], "learning_rates": [1e-05, 0.1, 9.0]}
    plan = profile(sweeps=[sweep])
    ids = [f"train/minicity-enet-lr{rate}" for rate in ("0.00001", "0.1", "9")]
    assert list(plan.runs)[:3] == ids and plan.rivals(ids[0]) == tuple(ids) and plan.rivals("evaluate/enet") == ()

    def notebook(_run_id, _notebook, values, folder, _scratch):
        if values["learning_rate"] == 9:
            raise PapermillExecutionError(0, 0, "", "Diverged", "The loss became nan in epoch 1.", [])
        if values["learning_rate"] == 0.1:
            raise RuntimeError("killed")
        runs.write_json(folder / "result.json", {"kept_val_miou": 0.1})

    monkeypatch.setattr(execution, "run_notebook", notebook)
    for run_id in ids[1:]:
        with pytest.raises(runs.RunFailed):
            execution.execute(plan, run_id)
        assert runs.result_of(plan.name, run_id) is None
    with pytest.raises(runs.RunFailed, match=r"None of the 3 runs .* has a score: they have not been run"):
        execution.resolved(plan, plan.runs["evaluate/minicity-enet"])
    execution.execute(plan, ids[0])
    weights = execution.resolved(plan, plan.runs["evaluate/minicity-enet"])["weights"]
    assert weights.endswith("lr0.00001/weights")
    assert markers.settle(plan, ids[1:]) == {ids[1]: "failed before"}
    assert [markers.path_of(plan.name, run_id).exists() for run_id in ids] == [True, False, True]
    assert scheduler._is_beaten(plan, ids[2])


@pytest.mark.parametrize("rate", [0, -1e-3, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate, profile):
    with pytest.raises(ValueError, match="learning_rates"):
        profile(sweeps=[{"dataset": "minicity", "rows": ["enet"], "learning_rates": [rate]}])


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

"""Failure is loud: whatever kills a run, run.json says failed and why, and nothing half-written is read."""

import ast
import contextlib
import json
import os
import shutil
import time

import nbformat
import pytest

from mosaicbook import runs
from mosaicbook.batch import execution, profiles
from mosaicbook.runs import parameters
from mosaicbook.runs.parameters import ranges
from mosaicbook.runs.provenance import ROOT

PARAMETERS = 'count: int = 3  # how many\nname: str = "x"  # what\nrate: float = 0.5  # per second'


@pytest.fixture
def run_notebook(tmp_path, monkeypatch):
    """Runs a notebook of a parameters cell and the given cells; returns (run.json, folder)."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path / "reports"))

    def run(*cells, **values):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (PARAMETERS, *cells)])
        notebook.cells[0].metadata["tags"] = ["parameters"]
        notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
        nbformat.write(notebook, tmp_path / "n.ipynb")
        os.utime(tmp_path / "n.ipynb", (1, 1))
        plan = profiles.PlannedRun.model_construct(
            notebook=str(tmp_path / "n.ipynb"), description="", parameters=values, about_s=1
        )
        profile = profiles.Profile.model_construct(name="p", title="", description="", runs={"data/x": plan})
        with contextlib.suppress(runs.RunFailed):
            execution.execute(profile, "data/x")
        folder = runs.folder_of("p", "data/x")
        return json.loads((folder / "run.json").read_text()), folder

    return run


START = 'from mosaicbook import runs\nrun = runs.start("data", globals())'
FINISH = 'run.finish({"count": count, "rate": rate})'


def test_a_run_that_finishes(run_notebook, tmp_path, monkeypatch):
    foreign = {"argv": ["/usr/bin/false", "{connection_file}"], "display_name": "Old", "language": "python"}
    (tmp_path / "kernels/python3").mkdir(parents=True)
    (tmp_path / "kernels/python3/kernel.json").write_text(json.dumps(foreign))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))  # a kernel of another Python is found first, and not used
    record, folder = run_notebook(START, FINISH, count=5, rate=2)
    assert (record["status"], record["reason"]) == ("done", None)
    assert runs.result_of("p", "data/x") == {"count": 5, "rate": 2}
    assert record["wall_s"] > 0 and record["peak_memory_mb"] > 10 and record["machine"]["cores"]
    assert {path.name for path in folder.parent.iterdir()} == {"x", ".x.lock"}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([START, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", FINISH], "The kernel died"),
        ([START, FINISH, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"], "The kernel died"),
        ([START, FINISH, "1 / 0"], "ZeroDivisionError: division by zero"),
        ([START, 'raise OSError(28, "No space left on device")', FINISH], "No space left on device"),
        ([START], "result.json is missing"),
        ([START, 'run.finish({"x": float("nan")})'], "not JSON compliant"),
        ([START.replace("data", "evaluate"), 'run.finish({"model": "x"})'], "stage evaluate: dataset: Field required"),
    ],
)
def test_runs_that_do_not_finish(run_notebook, cells, reason):
    record, folder = run_notebook(*cells)
    assert record["status"] == "failed" and reason in record["reason"]
    assert not (folder / "result.json").exists()
    assert runs.result_of("p", "data/x") is None


def test_a_disk_that_is_nearly_full_is_named_whatever_the_failure_looks_like(run_notebook, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    assert "left: free some space" not in run_notebook(START, "1 / 0")[0]["reason"]
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=3 << 20))
    record, _ = run_notebook(START, "1 / 0")
    room = f"{tmp_path / 'reports'} has only 3 MB left: free some space, then run it again."
    assert record["reason"] == f"ZeroDivisionError: division by zero. {room}"


def test_a_batch_does_not_do_again_what_was_finished_since_it_was_planned(run_notebook, monkeypatch):
    begun = time.time()
    first, _ = run_notebook(START, FINISH)
    for planned, again in ((begun, False), (time.time(), True)):
        monkeypatch.setenv("MOSAIC_PLANNED", str(planned))
        record, _ = run_notebook(START, FINISH)
        assert (record != first) is again
    monkeypatch.setenv("MOSAIC_PLANNED", str(begun))
    assert run_notebook(START, FINISH, count=4)[0]["parameters"]["count"] == 4  # another run by now


def test_a_failure_takes_the_place_of_an_earlier_success_and_keeps_what_that_had_made(run_notebook):
    weights = '(run.folder / "weights.h5").write_text("hours of training")'
    run_notebook(START, weights, FINISH)
    for _ in range(2):
        record, folder = run_notebook(START, "1 / 0")
        assert record["status"] == "failed" and not (folder / "result.json").exists()
        assert (folder / "finished-before" / "weights.h5").read_text() == "hours of training"
        assert runs.result_of("p", "data/x") is None
    record, folder = run_notebook(START, FINISH)
    assert record["status"] == "done" and not (folder / "finished-before").exists()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"cuont": 1}, "Unknown parameter 'cuont'. Did you mean 'count'?"),
        ({"count": "five"}, "'count' must be int"),
        ({"count": True}, "'count' must be int"),
        ({"api_token": "t"}, "looks like a secret"),
    ],
)
def test_bad_parameters_stop_before_any_cell(run_notebook, values, reason):
    record, folder = run_notebook("raise SystemError('a cell ran')", **values)
    assert reason in record["reason"] and not (folder / "notebook.ipynb").exists()


def test_bad_parameters_stop_a_notebook_that_papermill_runs_by_hand():
    namespace = {"__annotations__": {"count": int, "name": str}, "count": 3, "name": "x"}
    assert parameters.from_namespace(namespace) == {"count": 3, "name": "x"}
    with pytest.raises(ValueError, match="Did you mean 'count'"):
        parameters.from_namespace({**namespace, "cout": 4})
    trains = {"__annotations__": {"recipe": str}, "recipe": "quick", "dropout": 0.1}
    with pytest.raises(ValueError, match=r"'dropout' is a value of a recipe.* a YAML file .* the parameter 'recipe'"):
        parameters.from_namespace(trains)
    with pytest.raises(ValueError, match="'name' must be str"):
        parameters.from_namespace({**namespace, "name": 4})
    with pytest.raises(ValueError, match="'name' cannot be written into a result"):
        parameters.from_namespace({**namespace, "name": os.fsdecode(b"caf\xe9")})


@pytest.mark.parametrize(
    ("stage", "name", "good", "bad"),
    [
        ("data", "shown", [0, 6], [-3, 10**400]),
        ("train", "epochs", [1], [0, -1]),
        ("train", "seed", [0, 2**32 - 1], [-1, 2**32]),
        ("train", "learning_rate", [1e-9], [0.0, -0.1, 1e39, float("nan")]),
        ("train", "ema", [0.0, 0.9999], [1.0, -0.1]),
        ("export", "height", [0, 1024], [-1, 10**9]),
        ("figures", "height", [1], [0]),
        ("heads", "seeds", ["0", "0 1 2"], ["", " ", "0 0", "-1", "1.5", "one", "0,1", "4294967296"]),
        ("heads", "rates", ["", "0.1 1e-3"], ["0", "nan", "inf", "-0.1", "1e-3 0.001"]),
        ("evaluate", "boundary_ratios", ["", "1"], ["0.005 0", "2", "nan"]),
        ("beyond", "tables", ["2 7"], ["1", "2 9", "2 2"]),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(stage, name, good, bad):
    kind = type(good[0])
    for value in good:
        parameters.check({name: value}, {name: (kind, None)}, stage)
    for value in bad:
        with pytest.raises(ValueError, match=rf"Parameter '{name}' (must be|has|is empty)"):
            parameters.check({name: value}, {name: (kind, None)}, stage)


def test_every_number_of_a_notebook_has_a_range_that_holds_its_default():
    for path in NOTEBOOKS:
        for name, (kind, default) in parameters.declared(path).items():
            if kind in (int, float) or (default or "").replace(" ", "").replace(".", "").isdigit():
                stage = path.stem.partition("_")[2] if path.parent.name == "notebooks" else path.parent.name
                assert name in ranges.RANGES, (path.stem, name)
                parameters.check({} if default is None else {name: default}, {name: (kind, default)}, stage)


def test_a_recipe_s_numbers_are_checked_before_a_step(kernel, tmp_path):
    recipe = "optimizer: sgd\nepochs: 2\nbatch_size: 2\ncrop: [64, 64]\nlearning_rate: 0.1\n"
    for line, value in (("learning_rate: .nan", "nan"), ("ema: 2", "2"), ("weight_decay: -1", "-1"),
                        ("batch_norm_momentum: 5", "5"), ("warmup_steps: -5", "-5"), ("seed: -1", "-1")):  # fmt: skip
        name = line.partition(":")[0]
        text = "".join(kept for kept in recipe.splitlines(True) if not kept.startswith(f"{name}:"))
        (tmp_path / "r.yaml").write_text(f"{text}{line}\n")
        said = str(kernel(f'recipe: str = "{tmp_path}/r.yaml"  # which', START))
        assert f"r.yaml cannot be used: its '{name}' must be" in said and f"it is {value}" in said
    (tmp_path / "r.yaml").write_text(recipe)
    assert kernel(f'recipe: str = "{tmp_path}/r.yaml"  # which', START) is None


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Runs cells as a notebook's kernel does; returns the error of the last one, or None."""
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path / "reports"))
    shell = InteractiveShell()

    def run(*cells):
        for cell in cells:
            result = shell.run_cell(cell, store_history=True, silent=False)
        return result.error_before_exec or result.error_in_exec

    run.namespace = shell.user_ns
    return run


NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[a-z0-9]*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_starts_again_in_its_kernel(path, kernel, capsys):
    """With whatever its cells, and a cell of one's own above them, have left in the kernel."""
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    names = {
        node.id for cell in cells for node in ast.walk(ast.parse(cell))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }  # fmt: skip
    assert kernel('lr = 7\nnotes: dict = {}\nsecret = "mine"', *cells[:2]) is None
    kernel.namespace.update(dict.fromkeys(names - {"run"}, "left"))
    assert kernel(*cells[:2]) is None
    declared = parameters.declared(path)
    name, (kind, _) = next(iter(declared.items()))
    other = {int: "64", float: "0.5", str: "'x'", bool: "True"}[kind]
    assert kernel(cells[0], f"# Parameters\n{name} = {other}\n", cells[1]) is None
    assert "Unknown parameter 'epochz'" in str(kernel(cells[0], "# Parameters\nepochz = 3\n", cells[1]))
    assert "Unknown parameter 'epochz'" in str(kernel(f"{cells[0]}\nepochz = 3", cells[1]))
    for name, (_, default) in declared.items():
        said = str(kernel(cells[0], f"# Parameters\n{name} = None\n", cells[1]))
        assert said == "None" if default is None else f"'{name}' must be" in said
    assert kernel(*cells[:2]) is None


def test_a_run_by_hand_has_a_scratch_for_its_parameters_and_leaves_none(kernel):
    scratches = []
    for rate in (0.5, 0.25, 0.5):
        assert kernel(PARAMETERS, f"# Parameters\nrate = {rate}\n", START, "run.scratch.mkdir(parents=True)") is None
        scratches.append(kernel.namespace["run"].scratch)
        if rate == 0.25:
            assert scratches[0].is_dir() and kernel(FINISH) is None and not scratches[1].exists()
            shutil.rmtree(scratches[0])
    assert scratches[0] == scratches[2] != scratches[1]


def test_a_relative_data_root_is_where_the_notebook_was_started(kernel, tmp_path, monkeypatch):
    scratches = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        assert kernel("data_root: str = ''  # folder", "# Parameters\ndata_root = 'mine'\n", START) is None
        scratches.append(kernel.namespace["run"].scratch)
        assert kernel.namespace["data_root"] == str(tmp_path / place / "mine")
    assert scratches[0] != scratches[1]  # a folder of the same name elsewhere is another data set
    assert kernel("data_root: str = ''  # folder", START) is None and kernel.namespace["data_root"] == ""


# 2 ** 60 numbers, if anybody counted them.
BOMB = b"".join(b"x%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 60))


def test_profiles_name_their_mistakes(tmp_path):
    def load(text):
        (tmp_path / "p.yaml").write_text("title: t\ndescription: d\nruns:\n" + text)
        return profiles.load(tmp_path / "p.yaml")

    good = "  data/a: {notebook: notebooks/10_data.ipynb, description: x}\n"
    assert list(load(good).runs) == ["data/a"]
    for text, message in (
        ("  data/a: {notebook: notebooks/nope.ipynb, description: x}", "no notebook"),
        ("  cook/a: {notebook: notebooks/10_data.ipynb, description: x}", "is not a run"),
        ("  data/..: {notebook: notebooks/10_data.ipynb, description: x}", "begins with a letter or a digit"),
        ("  data/.a: {notebook: notebooks/10_data.ipynb, description: x}", "begins with a letter or a digit"),
        (good + "  data/b: {notebook: notebooks/10_data.ipynb, description: x, parameters: {data_root: 'run:x'}}",
         "needs 'x/'"),
        (good + "  data/b: {notebook: notebooks/10_data.ipynb, description: x,"
         " parameters: {data_root: 'best:data/*/w'}}", "names itself"),
        ("  evaluate/a: {notebook: notebooks/30_evaluate.ipynb, description: x, parameters: {input_scale: .nan}}",
         "finite"),
        ("  evaluate/a: {notebook: notebooks/30_evaluate.ipynb, description: x, parameters: {input_scale: -.inf}}",
         "finite"),
        ("  data/../a: {notebook: notebooks/10_data.ipynb, description: x}", "is not a run"),
        ("  data/a: {notebook: notebooks/10_data.ipynb, description: x, parametres: {}}", "parametres"),
        (good + "  data/b: {notebook: notebooks/10_data.ipynb, description: x,"
         " parameters: {data_root: 'run:data/c/w'}}", "needs 'data/c'"),
        ("  data/a: {notebook: notebooks/10_data.ipynb, description: x, parameters: {shwn: 1}}", "mean 'shown'"),
        ("  data/a: {notebook: notebooks/10_data.ipynb, description: x, parameters: {shown: -3}}",
         "'data/a': Parameter 'shown' must be from 0 to 1000, but it is -3"),
        (good + "parameters: {shwn: 2}", "no run has a parameter 'shwn'"),
        ("  data/a: [", "not valid YAML"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            load(text)
    for content, message in (
        (b"", "holds no profile"),
        (b"- a", "holds no profile"),
        (b"title: \xe9", "UTF-8"),
        (b'title: "\\ud800"\ndescription: d', "holds .*ud800.*, half a character"),
        (
            b'title: t\ndescription: d\nruns: {"data/a\\udc80": {notebook: notebooks/10_data.ipynb, description: d}}',
            "half a character",
        ),
        (b"title: a\ntitle: b", "not valid YAML: 'title' stands there twice"),
        (b"[" * 5000, "nested too deeply"),
        (b"title: t\ndescription: d\nx: &a0 [1]\n" + BOMB, "Extra inputs"),
    ):
        (tmp_path / "p.yaml").write_bytes(content)
        with pytest.raises(ValueError, match=rf"p\.yaml:? .*{message}"):
            profiles.load(tmp_path / "p.yaml")
    with pytest.raises(ValueError, match="quick"):
        profiles.load("quack")

"""A batch mends what it finds broken, and tells what happens in one line a run."""

import io
import json
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console

from mosaicbook import runs
from mosaicbook.batch import markers, profiles, progress
from mosaicbook.runs import history


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A profile of four data runs: the first is done, and each other, and a stage, is broken in its own way."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    line = "  data/{}: {{notebook: notebooks/10_data.ipynb, description: x, parameters: {{shown: 1}}}}\n"
    path = tmp_path / "p.yaml"
    path.write_text(
        "title: t\ndescription: d\nruns:\n" + "".join(line.format(name) for name in "abcd")
        + "  figures/figure_2: {notebook: notebooks/figures/figure_2.ipynb, description: x}\n"
    )  # fmt: skip
    for name in "abc":
        folder = runs.folder_of("p", f"data/{name}")
        folder.mkdir(parents=True)
        (folder / "notebook.ipynb").write_text("{}")
        runs.write_json(folder / "run.json", {"status": "done", "parameters": {"shown": len(name)}, "wall_s": 1.0})
        runs.write_json(folder / "result.json", {"miou": 0.5, "wall": [1, 2]})
    (runs.folder_of("p", "data/b") / "run.json").write_text('{"status": "do')
    (runs.folder_of("p", "data/c") / "result.json").write_text("[]")
    runs.folder_of("p", "data/d").write_text("junk")
    runs.folder_of("p", "figures").write_text("junk")
    return profiles.load(path)


def test_garbage_does_not_count_as_up_to_date(plan, capsys):
    again = markers.settle(plan, list(plan.runs))
    assert set(again) == {*plan.runs} - {"data/a"}
    assert [name for name in "abcd" if markers.path_of("p", f"data/{name}").exists()] == ["a"]
    assert not runs.folder_of("p", "data/d").exists() and not runs.folder_of("p", "figures").exists()
    told = capsys.readouterr().out
    assert "data/b is made again: run.json is not valid JSON." in told
    assert "data/a" not in told
    for broken in ("data/d", "figures/figure_2"):
        assert f"{broken} is made again: a file lies where its folder should be." in told


def test_one_line_a_run_where_there_is_no_terminal():
    text = io.StringIO()
    with progress.Batch({"train/a": 60, "data/b": 30}, Console(file=text)) as shown:
        for line in ("start train/a", "  train/a: epoch 1", "start data/b", "done data/b 4 seconds", "noise",
                     "FAILED train/a The kernel died."):  # fmt: skip
            shown.read(line)
    assert text.getvalue().splitlines() == [
        "    1/2 data/b done: 4 seconds",
        "    2/2 train/a FAILED: The kernel died.",
    ]
    assert list(shown.failed) == ["train/a"] and list(shown.ended) == ["data/b"]


def test_a_narrow_terminal_shows_what_a_training_says_whole():
    screen = io.StringIO()
    said = "epoch  15/60  21.1 images/s  loss 1.421  val mIoU 52.17 %"
    with progress.Batch({"train/camvid": 60}, Console(file=screen, force_terminal=True, width=80)) as shown:
        shown.read("start train/camvid")
        shown.read(f"  train/camvid: {said}")
        shown._live.refresh()
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert f"train/camvid {said} 0:00:0" in drawn


def test_a_line_of_a_run_is_written_in_one_piece(monkeypatch):
    """Unbuffered, as containers have it, a line's end written on its own would come after another run's line."""
    written = []
    monkeypatch.setattr(
        "sys.stdout", type("Pipe", (io.StringIO,), {"write": lambda self, text: written.append(text)})()
    )
    progress.tell("start train/a")
    assert [text for text in written if text] == ["start train/a\n"]


def test_what_a_killed_batch_had_begun_ends_with_one_sentence():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from mosaicbook.batch import progress; progress.tell('start train/a')"]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "The batch that started this run was killed.\n")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 second"), (89, "89 seconds"), (600, "10 minutes"),
                                               (7200, "2 hours"), (10**6, "12 days")])  # fmt: skip
def test_rough_times(seconds, text):
    assert progress.span(seconds) == text


def test_two_runs_differ_in_what_differs(plan, mosaic):
    other = runs.folder_of("p", "data/c")
    runs.write_json(other / "run.json", {"status": "done", "parameters": {"shown": 9}, "wall_s": 1.0})
    runs.write_json(other / "result.json", {"miou": 0.75, "wall": [1, 3]})
    found = {row["field"]: (row["a"], row["b"], row["change"]) for row in history.differences("p/data/a", other)}
    assert found == {"parameters.shown": (1, 9, 8), "result.miou": (0.5, 0.75, 0.25), "result.wall.1": (2, 3, 1)}
    status, out, _ = mosaic("runs", "diff", "p/data/a", other, "--json")
    assert status == 0 and len(json.loads(out)) == 3
    assert "in nothing" in mosaic("runs", "diff", "p/data/a", "p/data/a")[1]
    status, _, error = mosaic("runs", "diff", "p/data/a", "p/data/nope")
    assert status == 1 and "no run 'p/data/nope'" in error

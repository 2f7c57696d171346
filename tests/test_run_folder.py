"""A kill before or after any step of the file system loses no finished run and leaves no half-written one."""

import json
import os
import shutil
import signal

import kill_report
import pytest

from mosaicbook.runs import inventory, run_folder

STEPS = ("rename", "mkdir", "rmdir", "unlink", "open")


def write(folder, text, status="done"):
    """Fills a folder as a run does: run.json makes it whole."""
    for name in ("weights", "result.json"):
        (folder / name).write_text(text)
    (folder / "run.json").write_text(json.dumps({"status": status, "text": text}))


def rerun(final, status):
    with run_folder.held(final):
        run_folder.recover(final)
        partial = run_folder.new_folder(final)
        write(partial, "new", status)
        run_folder.put_in_place(partial, final)


def text_of(folder):
    """The text of a whole folder; fails where its files are not of one run."""
    texts = {(folder / name).read_text() for name in ("weights", "result.json")}
    texts.add(json.loads((folder / "run.json").read_text())["text"])
    assert len(texts) == 1, (folder, texts)
    return texts.pop()


def killed_at(step, final, status):
    """Runs `rerun` in a child that is killed at its `step`-th call of the file system; whether it was."""
    child = os.fork()
    if not child:
        count = 0

        def counting(real):
            def call(*arguments, **options):
                nonlocal count
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = real(*arguments, **options)
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return call

        for name in STEPS:
            setattr(os, name, counting(getattr(os, name)))
        rerun(final, status)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("status", ["done", "failed"])
@pytest.mark.parametrize("failed_since", [False, True])
def test_no_crash_point_loses_or_falsifies_a_run(tmp_path, status, failed_since):
    """The old run is done; it lies in the place itself, or was kept by a failure since."""
    final, points, killed = tmp_path / "stage" / "row", 0, True
    while killed:
        shutil.rmtree(tmp_path / "stage", ignore_errors=True)
        final.mkdir(parents=True)
        if failed_since:
            write(final, "failure", "failed")
            (final / run_folder.KEPT).mkdir()
        write(final / run_folder.KEPT if failed_since else final, "old")
        killed = killed_at(points + 1, final, status)
        with run_folder.held(final):
            run_folder.recover(final)
        kept = final / run_folder.KEPT
        texts = [text_of(final), *([text_of(kept)] if kept.exists() else [])]
        before = ["failure", "old"] if failed_since else ["old"]
        after = ["new"] if status == "done" else ["new", "old"]
        assert texts in ([before, after] if killed else [after]), (points, texts)
        assert {path.name for path in final.parent.iterdir()} == {"row", ".row.lock"}
        points += 1
    assert points > 10


def test_a_run_that_is_held_is_not_started_again(tmp_path):
    final = tmp_path / "row"
    with run_folder.held(final), pytest.raises(BlockingIOError, match="another process"), run_folder.held(final):
        pass
    with run_folder.held(final):
        pass


@pytest.mark.slow
def test_killed_reports_lose_nothing_and_redo_nothing(tmp_path):
    """The short form of `python tests/kill_report.py`."""
    kill_report.trial(2, seed=3, folder=tmp_path, tell=lambda *_, **__: None)


def test_a_run_without_its_files_is_not_done(tmp_path):
    """A copy of a run is the same run; one that lost a file, or has another, is not."""
    folder = tmp_path / "row"
    (folder / "weights").mkdir(parents=True)
    weights = folder / "weights" / "model.h5"
    weights.write_text("weights")
    (folder / "notebook.ipynb").write_text("{}")
    record = {"files": inventory.of(folder)}
    assert list(record["files"]) == ["weights/model.h5"]
    assert inventory.fault(folder, record) == "" and inventory.fault(folder, {"status": "done"}) == ""
    shutil.copytree(folder, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "weights" / "model.h5", (1, 1))
    assert inventory.fault(tmp_path / "copy", record) == ""
    (folder / "notebook.ipynb").write_text("saved in JupyterLab")
    assert inventory.fault(folder, record) == ""
    weights.write_text("WEIGHTS")  # of the same size
    assert inventory.fault(folder, record) == "weights/model.h5 is not the file that the run wrote."
    weights.unlink()
    assert inventory.fault(folder, record) == "weights/model.h5 is missing."
    for hostile in ("../copy/notebook.ipynb", "/etc/passwd"):
        assert "which is none of a run" in inventory.fault(folder, {"files": {hostile: {"bytes": 2}}})

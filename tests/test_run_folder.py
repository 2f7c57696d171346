"""A kill before or after any step of the file system loses no finished run and leaves no half-written one."""

import os
import shutil
import signal

import pytest

from mosaicbook.runs import run_folder

STEPS = ("rename", "mkdir", "rmdir", "unlink", "open")


def write(folder, text):
    """Fills a folder as a run does: run.json comes last."""
    for name in ("weights", "result.json", "run.json"):
        (folder / name).write_text(text)


def rerun(final):
    with run_folder.held(final):
        run_folder.recover(final)
        partial = run_folder.new_folder(final)
        write(partial, "new")
        run_folder.put_in_place(partial, final)


def killed_at(step, final):
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
        rerun(final)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_no_crash_point_loses_or_falsifies_a_run(tmp_path):
    points = 0
    while True:
        final = tmp_path / "stage" / "row"
        shutil.rmtree(tmp_path / "stage", ignore_errors=True)
        final.mkdir(parents=True)
        write(final, "old")
        killed = killed_at(points + 1, final)
        with run_folder.held(final):
            run_folder.recover(final)
        texts = {path.read_text() for path in final.iterdir()}
        assert len(list(final.iterdir())) == 3 and texts in ({"old"}, {"new"}), (points, texts)
        assert {path.name for path in final.parent.iterdir()} == {"row", ".row.lock"}
        if not killed:
            assert texts == {"new"}
            break
        points += 1
    assert points > 10


def test_a_run_that_is_held_is_not_started_again(tmp_path):
    final = tmp_path / "row"
    with run_folder.held(final), pytest.raises(BlockingIOError, match="another process"), run_folder.held(final):
        pass
    with run_folder.held(final):
        pass

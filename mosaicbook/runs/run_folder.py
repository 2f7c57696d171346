"""A run's folder as a whole or not at all, whatever is killed between two steps of the file system.

Beside a folder `row` may lie `.row.<id>.partial`, which a run is writing, and `.row.before`, which was there before.
A partial folder is whole once it holds run.json. A failed one takes in what an earlier run had finished.
"""

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from mosaicbook.runs.run import discard, read_json

KEPT = "finished-before"  # in a failed run's folder


def new_folder(final) -> Path:
    """A new folder beside `final`, to be filled and then given to `put_in_place`."""
    partial = final.with_name(f".{final.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir(parents=True)
    return partial


def put_in_place(partial, final):
    """Renames what is there aside, `partial` in, and only then removes what was there before.

    Where `partial` failed, what an earlier run had finished, such as weights that took hours, moves into it first.
    """
    before = _before(final)
    if not _is_done(partial):
        finished = next((folder for folder in (final, final / KEPT) if _is_done(folder)), None)
        if finished:
            os.rename(finished, partial / KEPT)
    discard(before)
    if os.path.lexists(final):
        os.rename(final, before)
    os.rename(partial, final)
    discard(before)


def recover(final):
    """Finishes what a killed `put_in_place` began: a whole folder goes into its place, what is half-written goes.

    To be called by the one process that holds the run (`held`).
    """
    before = _before(final)
    for partial in sorted(final.parent.glob(f".{final.name}.*.partial")):
        if (partial / "run.json").is_file():
            put_in_place(partial, final)
        else:
            discard(partial)
    if os.path.lexists(before) and not os.path.lexists(final):
        os.rename(before, final)
    discard(before)


@contextmanager
def held(final):
    """Holds a run for this process. Raises BlockingIOError where another process has it (not told on Windows)."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with open(final.with_name(f".{final.name}.lock"), "w") as file:
        with suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(f"{final} is being run by another process: wait until it has ended.") from None
        yield


def _is_done(folder):
    try:
        return read_json(folder / "run.json").get("status") == "done"
    except (ValueError, OSError):
        return False


def _before(final):
    return final.with_name(f".{final.name}.before")

"""The files of a run, as run.json lists them: a run without its weights, or with others, does not count as done.

Asked often, so a file of the size and time that run.json gives is taken for the same; any other, as after a copy, is
read and hashed. What only shows the run, its notebook and log, may be opened and saved.
"""

from pathlib import PurePosixPath

from mosaicbook.runs.run import read_json
from mosaiclib.files import sha256
from mosaiclib.wording import shortened

_SHOWN = ("notebook.ipynb", "kernel.log", "run.json")


def of(folder) -> dict:
    """{name: {"sha256", "bytes", "mtime_ns"}} of the files below a run's folder, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: _entry(path) for name, path in named.items() if name not in _SHOWN}


def fault(folder, record=None) -> str:
    """What is wrong with the files of a run, in a sentence; "" where they are those of its record.

    record: its run.json, read where it is not given. A record of an earlier version lists none.
    """
    try:
        record = read_json(folder / "run.json") if record is None else record
    except ValueError:
        return ""  # no run yet, or none that lists its files
    files = record.get("files") or {}
    if not isinstance(files, dict):
        return "run.json lists no files."
    return next((sentence for name, entry in files.items() if (sentence := _fault(folder, name, entry))), "")


def _fault(folder, name, entry):
    if not isinstance(entry, dict) or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return f"run.json lists the file {shortened(name, 200)!r}, which is none of a run."
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return f"{name} is missing."
    stat = path.stat()
    if stat.st_size == entry.get("bytes") and (
        stat.st_mtime_ns == entry.get("mtime_ns") or sha256(path) == entry.get("sha256")
    ):
        return ""
    return f"{name} is not the file that the run wrote."


def _entry(path):
    stat = path.stat()
    return {"sha256": sha256(path), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}

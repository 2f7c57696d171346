"""Files and folders that are there whole or not at all, and what the operating system says as a sentence."""

import hashlib
import os
import re
import shutil
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from uuid import uuid4


def from_environment(name) -> Path | None:
    """The folder that an environment variable names, by its whole path; None where it is not set."""
    value = os.environ.get(name)
    return Path(value).expanduser().absolute() if value else None


def sha256(path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_text(name) -> str:
    r"""A name as text that any file can hold: what is not Unicode, as in a file's name in Latin-1, becomes \udce9."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


_WRITES = ContextVar("writes", default=True)


@contextmanager
def reading_only():
    """Lets nothing be written while the block runs, by the functions below: what would raises OSError."""
    before = _WRITES.set(False)
    try:
        yield
    finally:
        _WRITES.reset(before)


def _check_writes(path):
    if not _WRITES.get():
        raise OSError(f"{path} is not here, and nothing is written to show it.")


@contextmanager
def replacing(path):
    """Gives a path beside `path` to write to; at the end of the block that file takes the place of `path`.

    Where the block fails, what was at `path` stays and nothing is left beside it. The folder must exist.
    Raises OSError that names `path` where the operating system refuses.
    """
    path = Path(path)
    _check_writes(path)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise OSError(f"{path} could not be written: {error.strerror or error}.") from None
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path, first_stays=False):
    """The same of a folder: gives a new, empty one beside `path`, which takes its place at the end of the block.

    first_stays: where another process has made `path` in the meantime, that one stays, since others may read it.
    """
    path = Path(path)
    _check_writes(path)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    before = partial.with_suffix(".before")
    try:
        partial.mkdir(parents=True)
        yield partial
        if first_stays and path.is_dir():
            return
        if path.exists():
            path.rename(before)
        partial.rename(path)
    finally:
        if before.exists() and not path.exists():
            before.rename(path)
        for left in (partial, before):
            shutil.rmtree(left, ignore_errors=True)


_ERROR = re.compile(r"\[Errno \d+\] ([^:']+)(?:: '([^']+)')?(?: -> '[^']+')?")
_NO_ACCESS = "may not be read or written: ask for access, or name another folder (MOSAIC_REPORTS, MOSAIC_DATA)"
_SENTENCES = {
    "Permission denied": _NO_ACCESS,
    "Read-only file system": _NO_ACCESS,
    "No space left on device": "could not be written: the disk is full",
    "No such file or directory": "does not exist",
    "File exists": "exists already, and is something else than is needed: move it away",
    "Not a directory": "is not a folder, or lies in what is none",
}


def plain(error) -> str:
    """The text of an error in one line; where it is Python's for an OSError ("[Errno 13] ..."), as a sentence."""
    text = " ".join(str(error).split())
    found = _ERROR.fullmatch(text)
    if not found:
        return text
    what, path = found.groups()
    return f"{path} {_SENTENCES.get(what, f'cannot be used: {what.lower()}')}." if path else f"{what}."


def first_fault(error) -> str:
    """The first error of a pydantic `ValidationError` as "field.0: what is wrong"; without a colon for the whole."""
    first = error.errors()[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, "))))

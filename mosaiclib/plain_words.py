"""What the operating system says of a file, as a sentence that says what to do."""

import re

_ERROR = re.compile(r"\[Errno \d+\] ([^:']+)(?:: '([^']+)')?(?: -> '[^']+')?")
_NO_ACCESS = "may not be read or written: ask for access, or name another folder (MOSAIC_REPORTS, MOSAIC_DATA)"
_SENTENCES = {
    "Permission denied": _NO_ACCESS,
    "Read-only file system": _NO_ACCESS,
    "No space left on device": "could not be written: the disk is full",
    "No such file or directory": "does not exist",
    "File exists": "exists already, and is something else than is needed: move it away",
    "Not a directory": "is no folder, or lies in what is none",
}


def plain(error) -> str:
    """The text of an error in one line; where it is Python's for an OSError ("[Errno 13] ..."), as a sentence."""
    text = " ".join(str(error).split())
    found = _ERROR.fullmatch(text)
    if not found:
        return text
    what, path = found.groups()
    return f"{path} {_SENTENCES.get(what, f'cannot be used: {what.lower()}')}." if path else f"{what}."

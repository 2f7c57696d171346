"""What lies in a folder, sorted by name. Hidden files (".DS_Store", "._a.png") are left out."""

import os
from collections import Counter
from pathlib import Path

from mosaiclib.data import fetch

IMAGES = (".jpg", ".jpeg", ".png")


def files(folder, endings):
    """The files whose names end with one of `endings` (lower case, matched in any case); none where no folder is.

    Raises `fetch.NotAvailable` that names a folder which may not be read; so does `folders`.
    """
    return [path for path, is_folder in _entries(folder) if not is_folder and path.name.lower().endswith(endings)]


def folders(folder):
    """The folders in `folder`; none where it does not exist."""
    return [path for path, is_folder in _entries(folder) if is_folder]


def contents(folder):
    """What lies in a folder that seems empty, as words: "4 .tif files", "the folder scene1"; "" where nothing does."""
    endings = Counter(path.suffix.lower() or path.name for path in files(folder, ""))
    parts = [f"{count} {ending} file{'s' if count > 1 else ''}" for ending, count in endings.most_common(3)]
    return " and ".join(parts + [f"the folder {path.name}" for path in folders(folder)[:1]])


def required(root, parts, how) -> Path:
    """`root` as a path. Raises `fetch.NotAvailable`, ending with `how`, where it lacks one of the folders `parts`."""
    root = Path(root)
    present = [path.name for path in folders(root)]
    for part in parts:
        if part not in present:
            raise fetch.NotAvailable(f"{root} does not hold the folder {part}: {how}")
    return root


def _entries(folder):
    try:
        with os.scandir(folder) as found:
            return sorted((Path(entry.path), entry.is_dir()) for entry in found if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        raise fetch.NotAvailable(
            f"{folder} may not be read: ask for access, or copy the data set to a folder of yours."
        ) from None

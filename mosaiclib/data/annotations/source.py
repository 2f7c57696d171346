"""The files of what is imported: walked once, matched by name, never opened by a path that an annotation gives."""

import json
import math
import os
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from mosaiclib.wording import shortened

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp")
MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg", ".webp")
_MOST_FILES, _MOST_BYTES, _DEEPEST = 2_000_000, 1 << 30, 30
_SPLITS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


class Source:
    """root: the folder. files: what lies in it at any depth, sorted. images: further folders are walked for images."""

    def __init__(self, path, images=None):
        path = Path(path).expanduser()
        if not path.exists():
            raise ValueError(f"{path} does not exist.")
        if path.is_file() and path.suffix.lower() in (".zip", ".tar", ".gz", ".7z", ".rar"):
            raise ValueError(f"{path} is an archive: unpack it and name the folder.")
        self.root = path if path.is_dir() else path.parent
        self.files = _walk(path) if path.is_dir() else [path]
        self._places = [(self.root, self.files if path.is_dir() else _walk(self.root))]
        if images is not None:
            folder = Path(images).expanduser()
            if not folder.is_dir():
                raise ValueError(f"{folder} is not a folder of images.")
            self._places.append((folder, _walk(folder)))
        self._by_name, self._contents = None, {}

    def json(self, path):
        """The content of a JSON file, read once. Errors as `json_of` has them."""
        if path not in self._contents:
            self._contents[path] = json_of(path)
        return self._contents[path]

    def relative(self, path):
        """The parts of a file's path below the folder that it was found in, as a PurePosixPath."""
        for root, _ in self._places:
            if path.is_relative_to(root):
                return PurePosixPath(path.relative_to(root).as_posix())
        return PurePosixPath(path.name)

    def all_files(self):
        """Every file of the source and of the images' folder."""
        return list(dict.fromkeys(path for _, files in self._places for path in files))

    def ending(self, *endings):
        """The source's files with one of these endings."""
        return [path for path in self.files if path.suffix.lower() in endings]

    def image(self, name):
        """The image that an annotation calls `name`: the file whose path ends most like it.

        The name is never followed as a path, so that one with "../" or from another machine finds only files that
        lie in the source. Raises ValueError where there is none, or several fit alike.
        """
        if not isinstance(name, str) or not name or "\0" in name or len(name) > 4096:
            raise ValueError("it names no image")
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in self.all_files():
                if path.suffix.lower() in IMAGE_ENDINGS:
                    self._by_name[path.name].append((self.relative(path).parts, path))
        parts = PurePosixPath(name.replace("\\", "/")).parts
        candidates = self._by_name.get(parts[-1], []) if parts else []
        if not candidates:
            raise ValueError("its image does not lie in the source")
        alike = [(_common_end(own, parts), path) for own, path in candidates]
        best = max(count for count, _ in alike)
        fitting = [path for count, path in alike if count == best]
        if len(fitting) > 1:
            raise ValueError(f"{len(fitting)} images in the source are called like that")
        return fitting[0]


def _common_end(one, other):
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count


def _walk(folder):
    """All files at any depth, sorted; hidden ones and macOS' leftovers are not among them."""
    files, seen, waiting = [], set(), [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        real = os.path.realpath(here)
        if real in seen or depth > _DEEPEST:
            continue
        seen.add(real)
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                if entry.is_dir():
                    waiting.append((Path(entry.path), depth + 1))
                elif entry.is_file():
                    files.append(Path(entry.path))
        if len(files) > _MOST_FILES:
            raise ValueError(f"{folder} holds more than 2 million files.")
    return sorted(files)


def split_of(path):
    """train, val or test where a folder or the file itself is called so, else None."""
    for part in reversed((*path.parts[:-1], PurePosixPath(path.name).stem)):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in _SPLITS:
                return _SPLITS[word]
    return None


def split_word(word):
    """The split that a word stands for, or None."""
    return _SPLITS.get(word)


def split_lists(source):
    """{(tail of an image's name without ending): split} of the lists train.txt, val.txt and test.txt; {} without."""
    named = {}
    for path in source.ending(".txt"):
        split = _SPLITS.get(path.stem.lower())
        if not split or path.parent.name in ("Main", "Layout", "Action"):  # VOC's lists of other tasks
            continue
        for line in text_of(path, 1 << 26).splitlines():
            words = line.split()
            if words:
                named[PurePosixPath(words[0].replace("\\", "/")).stem] = split
    return named


def text_of(path, most=_MOST_BYTES):
    """A text file as str. Raises ValueError that names a file which is larger than `most` bytes or no UTF-8."""
    try:
        if path.stat().st_size > most:
            raise ValueError(f"{path} is larger than {most >> 20} MiB.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8.") from None


def json_of(path):
    """The content of a JSON file; NaN, infinite numbers and deep nesting are refused. Raises ValueError."""

    def refuse(constant):
        raise ValueError(f"{constant} is not a number")

    def number(text):
        value = float(text)
        return value if math.isfinite(value) else refuse(shortened(text, 40))

    try:
        return json.loads(text_of(path), parse_constant=refuse, parse_float=number)
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply to be read.") from None
    except ValueError as error:
        text = str(error)
        raise ValueError(text if str(path) in text else f"{path} is not valid JSON: {shortened(text, 400)}.") from None


def xml_of(path):
    """The root element of an XML file; entities and document types are refused. Raises ValueError."""
    import defusedxml
    from defusedxml import ElementTree

    try:
        return ElementTree.fromstring(text_of(path), forbid_dtd=True)
    except defusedxml.DefusedXmlException:
        raise ValueError(f"{path} declares entities or a document type, which annotations do not need.") from None
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        text = str(error)
        raise ValueError(text if str(path) in text else f"{path} is not valid XML: {shortened(text, 400)}.") from None


def beginning(path):
    """The first bytes of a file as text, to tell its format by."""
    with path.open("rb") as file:
        return file.read(4096).decode("utf-8", "replace")

"""Anybody's images: a folder with images/, labels/ and a classes.yaml.

images/<split>/a.jpg belongs to labels/<split>/a.png, whose 8-bit ids count the names in classes.yaml from 0;
255 is ignored. The splits are the folders found. Where images/ and labels/ hold files and no folders, the first
of the sorted images and every tenth after it are val, the others train.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mosaiclib import yaml_text
from mosaiclib.data import listing
from mosaiclib.data.dataset import Dataset, identity, spread_palette
from mosaiclib.files import first_fault

NAMES = ("folder",)


CLASSES_FILE = "classes.yaml"
HOW = "lay it out as images/<split>/, labels/<split>/ and classes.yaml (data/README.md)."
_MAXIMUM_BYTES = 1_000_000
_FLAT_SPLITS = ("train", "val")

_Channel = Annotated[int, Field(ge=0, le=255)]


class Classes(BaseModel):
    """classes.yaml. names: by id, from 0. colours: of the legend, one [r, g, b] a name. ignore: ids beside 255."""

    model_config = ConfigDict(extra="forbid", strict=True)
    names: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(min_length=2, max_length=255)
    colours: list[Annotated[list[_Channel], Field(min_length=3, max_length=3)]] | None = None
    ignore: list[_Channel] = []

    @field_validator("names")
    @classmethod
    def _distinct(cls, names):
        for position, name in enumerate(names):
            if name in names[:position]:
                raise ValueError(f"'{name}' stands there twice")
            if not name.isprintable():
                raise ValueError(f"{name!r} holds characters that cannot be printed")
        return names

    @model_validator(mode="after")
    def _a_colour_each(self):
        if self.colours is not None and len(self.colours) != len(self.names):
            raise ValueError(f"there are {len(self.names)} names but {len(self.colours)} colours")
        if len(self.names) - len({i for i in self.ignore if i < len(self.names)}) < 2:
            raise ValueError("fewer than two classes are left beside those that are ignored")
        return self


def read_classes(root) -> Classes:
    """The classes of the folder `root`. Raises ValueError or `fetch.NotAvailable` that says what is wrong with it."""
    path = listing.required(root, ("images", "labels"), HOW) / CLASSES_FILE
    if not path.is_file():
        raise ValueError(f"{path} is missing: write the class names there, as in `names: [background, crack]`.")
    if path.stat().st_size > _MAXIMUM_BYTES:
        raise ValueError(f"{path} is larger than 1 MB: it is not a list of class names.")
    try:
        fields = yaml_text.load(path.read_bytes())
        if not isinstance(fields, dict):
            raise yaml.YAMLError("its list has no name, as in `names: [background, crack]`")
        return Classes.model_validate(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        if fault["type"] == "string_type":  # YAML takes on, off, yes, no and 1 for other things than words
            place = ".".join(map(str, fault["loc"]))
            raise ValueError(f"{path}: {place} is {fault['input']!r} and not a word: write it in quotes.") from None
        raise ValueError(f"{path}: {first_fault(error)}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None


def splits(root):
    """The names of the splits: train, val and test first. Raises ValueError where files lie beside split folders."""
    root = Path(root)
    names = {path.name for part in ("images", "labels") for path in listing.folders(root / part)}
    if not names:
        return _FLAT_SPLITS
    for part in ("images", "labels"):
        loose = listing.files(root / part, listing.IMAGES)
        if loose:
            raise ValueError(f"{loose[0]} lies beside the split folders: move it into one of them.")
    usual = ("train", "val", "test")
    return tuple(sorted(names, key=lambda name: (usual.index(name) if name in usual else len(usual), name)))


def samples(root, split):
    """(image, label map) of every image of a split, by name, whether or not the label map is there."""
    root = Path(root)
    if _is_flat(root):
        pictures = listing.files(root / "images", listing.IMAGES)
        val = pictures[::10]
        pictures, folder = (val if split == "val" else sorted({*pictures} - {*val})), root / "labels"
    else:
        pictures, folder = listing.files(root / "images" / split, listing.IMAGES), root / "labels" / split
    return [(picture, folder / f"{picture.stem}.png") for picture in pictures]


def labels(root, split):
    """All label maps of a split. Without split folders, those that belong to no image count as train."""
    root = Path(root)
    if not _is_flat(root):
        return listing.files(root / "labels" / split, listing.IMAGES)
    of_val = {label for _, label in samples(root, "val")}
    return [path for path in listing.files(root / "labels", listing.IMAGES) if (path in of_val) == (split == "val")]


def _is_flat(root):
    return not any(listing.folders(root / part) for part in ("images", "labels"))


def dataset(name, root) -> Dataset:
    """Any folder with images/, labels/ and classes.yaml. Raises ValueError for none, or a bad classes.yaml."""
    if not root:
        raise ValueError("The data set 'folder' is one of yours: name it as root (--root, or data_root).")
    described = read_classes(root)
    return Dataset(
        name=name,
        title=f"{root.resolve().name} ({len(described.names)} classes)",
        classes=tuple(described.names),
        palette=tuple(map(tuple, described.colours or spread_palette(len(described.names)))),
        to_train_id=identity(len(described.names), described.ignore),
        list_split=partial(samples, root),
        list_labels=partial(labels, root),
        root=root,
        splits=splits(root),
        licence="unknown to this library",
    )

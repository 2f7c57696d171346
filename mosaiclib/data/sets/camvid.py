"""CamVid in the SegNet tutorial's 11-class split: 367 train, 101 val and 233 test pairs of 480x360.

Labels: 0 sky, 1 building, 2 pole, 3 road, 4 pavement, 5 tree, 6 sign symbol, 7 fence, 8 car,
9 pedestrian, 10 bicyclist, 11 void. The images are for research and may not be redistributed.
"""

import re
import zipfile
from functools import cache, partial
from pathlib import Path

import pooch

from mosaiclib import files
from mosaiclib.data import fetch, listing
from mosaiclib.data.dataset import Dataset, identity, no_labels

NAMES = ("camvid", "camvid-choice")
CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip

PALETTE = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
)  # fmt: skip


HELD_OUT = "0006R0"  # 101 frames; the train split also has 0016E5 (204 frames) and 0001TP (62)
ARCHIVE = "camvid_480x360_q95.zip"
_MEMBER = re.compile(r"(train|val|test)(annot)?/([A-Za-z0-9_]+\.(jpg|png))?")
_MAXIMUM_BYTES = 1 << 30


def samples(root, split):
    """(image, label map) of every image of a split, by name, whether or not the label map is there.

    root: a folder, a zip, or None for the fetched zip. Raises `fetch.NotAvailable` where there is none of them.
    """
    folder = _folder(root)
    pictures = listing.files(folder / split, (".png", ".jpg"))
    return [(path, folder / f"{split}annot" / f"{path.stem}.png") for path in pictures]


def chosen(root, split):
    """The train split with one sequence held out ("train"), and that sequence ("val"): to choose a recipe by."""
    wanted = split == "val"
    return [pair for pair in samples(root, "train") if (video_of(pair[0]) == HELD_OUT) == wanted]


def video_of(path) -> str:
    """The sequence that an image is a frame of, from its file's name: "0001TP_006690" is one of 0001TP."""
    return Path(path).stem.rpartition("_")[0]


def labels(root, split):
    """All label maps of a split."""
    return listing.files(_folder(root) / f"{split}annot", ".png")


def _folder(root):
    if root and Path(root).is_dir():
        return Path(root)
    if root and not Path(root).exists():
        raise fetch.NotAvailable(f"{root} does not exist: name a folder or zip that holds CamVid.")
    unpacked = fetch.data_folder() / "camvid"
    if root:
        about = Path(root).stat()
        sha256 = _sha256(root, about.st_size, about.st_mtime_ns)
        if sha256 != fetch.FILES[ARCHIVE].sha256:  # never in the place of the published one
            unpacked = unpacked.with_name(f"camvid-{sha256[:12]}")
    if not unpacked.is_dir():
        _unpack(root or fetch.fetch(ARCHIVE), unpacked)
    return unpacked


@cache
def _sha256(path, size, modified):
    return pooch.file_hash(str(path), alg="sha256")


def _unpack(archive, folder):
    """Unpacks only members of the expected form, to the new `folder`. Raises ValueError that names the archive."""
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            _check(archive, members)
            with files.replacing_folder(folder, first_stays=True) as partial:
                for member in members:
                    if not member.is_dir():
                        path = partial / member.filename
                        path.parent.mkdir(exist_ok=True)
                        path.write_bytes(_content(archive, file, member))
    except zipfile.BadZipFile:
        raise ValueError(f"{archive} is not a readable zip archive.") from None


def _check(archive, members):
    if sum(member.file_size for member in members) > _MAXIMUM_BYTES:
        raise ValueError(f"{archive} unpacks to more than 1 GiB: it is not the CamVid archive.")
    if not members:
        raise ValueError(f"{archive} is empty: it is not the CamVid archive.")
    names = set()
    for name in (member.filename for member in members):
        if not _MEMBER.fullmatch(name):
            raise ValueError(f"{archive} holds '{files.as_text(name)}', which the CamVid archive does not.")
        if name in names:
            raise ValueError(f"{archive} holds '{name}' twice: zip the folder again.")
        names.add(name)


def _content(archive, file, member):
    try:
        return file.read(member)
    except Exception as error:  # decoders fail in many ways on a damaged file
        what = (
            "is encrypted" if member.flag_bits & 1
            else "is compressed in a way that Python cannot read" if isinstance(error, NotImplementedError)
            else "is damaged"
        )  # fmt: skip
        raise ValueError(f"{archive} cannot be unpacked, its '{member.filename}' {what}: zip it again.") from None


def dataset(name, root) -> Dataset:
    """CamVid from its zip (MOSAIC_MIRROR) or a folder; "camvid-choice" is its train split, one sequence held out."""
    choosing = name == "camvid-choice"
    return Dataset(
        name=name,
        title="CamVid (11 classes, 480x360)" + (", a train sequence held out" if choosing else ""),
        classes=CLASSES,
        palette=PALETTE,
        to_train_id=identity(len(CLASSES), ignored=[len(CLASSES)]),
        list_split=partial(chosen if choosing else samples, root),
        list_labels=no_labels if choosing else partial(labels, root),
        root=root,
        splits=("train", "val") if choosing else ("train", "val", "test"),
        published={} if choosing else {"train": 367, "val": 101, "test": 233},
        video_of=video_of,
        licence="research use only",
        rule="camvid",
    )

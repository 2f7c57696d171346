"""Feature maps ("taps") of a frozen backbone, stored in float16 for a few augmented views of every image.

The backbone runs once. Any number of heads then train on the very same features, from memory-mapped files.
"""

import hashlib
import inspect
import json
import shutil
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import keras
import numpy as np

from mosaiclib import models
from mosaiclib.data.augment import Augmentation
from mosaiclib.data.batches import scale_input
from mosaiclib.files import replacing_folder
from mosaiclib.models import blocks
from mosaiclib.models.building import taps_of

STORED = np.float16
CHUNK = 8  # images that the backbone sees together
STRIDES = (2, 4, 8, 16)
_MODELS = Path(blocks.__file__).parent
TAPS_CODE = (*sorted(_MODELS.glob("backbones/*.py")), _MODELS / "blocks.py", Path(inspect.getfile(Augmentation)))


def backbone(folder, input_size):
    """The backbone of a weights folder at a size, [B, H, W, 3] to its taps in the order of `STRIDES`."""
    card = models.load_card(folder)
    image = keras.Input((*input_size, 3), name="image")
    taps = taps_of(blocks.normalise_image(image, card.spec.normalisation), card.spec)
    model = keras.Model(image, [taps[stride] for stride in STRIDES])
    fresh = models.initialise(model, folder)
    if fresh:
        raise ValueError(f"{folder} lacks '{fresh[0]}', which its backbone needs.")
    return model


class StoredTaps:
    """Taps and labels of images, in files of a folder: one array a stride [N, h, w, C] float16, and labels uint8.

    labels: [N, H, W] of the crop, or None where images are read at their own size for an evaluation.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        try:
            self.about = json.loads((self.folder / "about.json").read_text(encoding="utf-8"))
            self.taps = {s: np.load(self.folder / f"stride{s}.npy", mmap_mode="r") for s in STRIDES}
            self.labels = np.load(self.folder / "labels.npy", mmap_mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{folder} holds damaged taps ({error}): delete this folder, it is made anew.") from None

    def __len__(self):
        return len(self.labels)

    @property
    def shapes(self):
        """{stride: (h, w, C)}."""
        return {stride: array.shape[1:] for stride, array in self.taps.items()}


def store(weights, pairs, size, cache, key, tell=print) -> StoredTaps:
    """Runs the backbone of a weights folder over (image, label) pairs of one size, once; later calls read the files.

    pairs: functions of no argument that give uint8 [H, W, 3] and [H, W]. cache: the folder of all stored taps. key: a
    text that says what the pairs are; weights, backbone and the code that computes the taps are part of it anyway.
    The size is told before anything is written. A second caller waits for the first; what a killed one left is removed.
    Raises ValueError where the disk has no room, an image is of another size, or a tap is too large for float16.
    """
    named = hashlib.sha256(f"{_version(weights)} {key} {size} {STRIDES}".encode()).hexdigest()[:16]
    folder = Path(cache) / named
    with _alone(folder):
        if not (folder / "about.json").is_file():
            _write(weights, pairs, size, folder, key, tell)
    return StoredTaps(folder)


def _version(weights):
    """What the taps of an image depend on: weights, the backbone's spec, the code that computes them."""
    spec = models.load_card(weights).spec.to_json()
    backbone_of = {name: value for name, value in spec.items() if name not in ("name", "head")}
    code = hashlib.sha256(b"".join(path.read_bytes() for path in TAPS_CODE)).hexdigest()
    return models.sha256(weights), backbone_of, code


@contextmanager
def _alone(folder):
    """Lets one process at a time make a folder; leftovers of killed ones are removed."""
    import fcntl  # Windows has none

    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.parent.glob(f".{folder.name}.*.partial"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _write(weights, pairs, size, folder, key, tell):
    network = backbone(weights, size)
    shapes = {s: output.shape[1:] for s, output in zip(STRIDES, network.outputs, strict=True)}
    values = sum(int(np.prod(shape)) for shape in shapes.values())
    needed = len(pairs) * (values * np.dtype(STORED).itemsize + size[0] * size[1])
    free = shutil.disk_usage(folder.parent).free
    tell(f"{len(pairs)} views of {size[0]}x{size[1]} are stored in float16: {needed / 1e9:.1f} GB in {folder}")
    if needed > free:  # a full disk would end the process without a word while it writes to mapped files
        raise ValueError(
            f"Stored taps need {needed / 1e9:.1f} GB, but {folder.parent} has {free / 1e9:.1f} GB free: store fewer "
            f"views, or name a folder on another disk (MOSAIC_DATA)."
        )
    with replacing_folder(folder) as partial_:
        files = {s: np.lib.format.open_memmap(partial_ / f"stride{s}.npy", "w+", STORED, (len(pairs), *shape))
                 for s, shape in shapes.items()}  # fmt: skip
        labels = np.lib.format.open_memmap(partial_ / "labels.npy", "w+", np.uint8, (len(pairs), *size))
        for start in range(0, len(pairs), CHUNK):
            chunk = [_of_size(pair(), size, start + i) for i, pair in enumerate(pairs[start : start + CHUNK])]
            images = np.stack([scale_input(image) for image, _ in chunk])
            labels[start : start + CHUNK] = np.stack([label for _, label in chunk])
            for (stride, file), array in zip(files.items(), network.predict_on_batch(images), strict=True):
                if not np.abs(array).max() <= np.finfo(STORED).max:
                    raise ValueError(
                        f"{weights}: the tap at stride {stride} of images {start + 1} to {start + len(chunk)} "
                        f"reaches {np.abs(array).max():g}, more than float16 holds: train this network whole."
                    )
                file[start : start + CHUNK] = array
        for array in (*files.values(), labels):
            array.flush()
        (partial_ / "about.json").write_text(json.dumps({"key": key}), encoding="utf-8")


def _of_size(pair, size, index):
    height, width = pair[1].shape
    if (height, width) != tuple(size):
        raise ValueError(
            f"Image {index + 1} is {width}x{height}, but taps are stored of images that are all {size[1]}x{size[0]}: "
            f"choose a data set whose images have one size."
        )
    return pair


def views(dataset, recipe, count):
    """`count` augmented views of every image of the recipe's splits, as functions; the seed decides them, 0 for all."""
    augment = Augmentation.of(recipe)
    samples = [sample for split in recipe.train_splits for sample in dataset.split(split)]

    def view(index, sample, number):
        return augment(*dataset.read(sample), np.random.default_rng((0, number, index)))

    return [partial(view, i, sample, n) for n in range(count) for i, sample in enumerate(samples)]

"""ADE20K SceneParsing-150 (ADEChallengeData2016), and MLPerf Mobile's reading of it: its first 31 classes.

Labels on disk: 0 other, 1 wall ... 150 flag. Top-31 keeps 1 to 31; 0 and all others are neither trained nor
scored. 20,210 training and 2,000 validation pairs of many sizes.
"""

from functools import partial

import numpy as np

from mosaiclib.data import fetch, listing
from mosaiclib.data.dataset import Dataset, id_table

NAMES = ("ade20k_top31", "ade20k_top31-mlperf")
# Index 0 is "other": it is predicted, but neither trained nor scored (MLPerf Mobile's ADE20K-Top31).
CLASSES = (
    "other", "wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass",
    "cabinet", "sidewalk", "person", "earth", "door", "table", "mountain", "plant", "curtain", "chair", "car",
    "water", "painting", "sofa", "shelf", "house", "sea", "mirror", "rug", "field", "armchair",
)  # fmt: skip

# The SceneParsing-150 toolkit's colours of the first 31 classes; "other" is black.
PALETTE = (
    (0, 0, 0), (120, 120, 120), (180, 120, 120), (6, 230, 230), (80, 50, 50), (4, 200, 3), (120, 120, 80),
    (140, 140, 140), (204, 5, 255), (230, 230, 230), (4, 250, 7), (224, 5, 255), (235, 255, 7), (150, 5, 61),
    (120, 120, 70), (8, 255, 51), (255, 6, 82), (143, 255, 140), (204, 255, 4), (255, 51, 7), (204, 70, 3),
    (0, 102, 200), (61, 230, 250), (255, 6, 51), (11, 102, 255), (255, 7, 71), (255, 9, 224), (9, 7, 230),
    (220, 220, 220), (255, 9, 92), (112, 9, 255), (8, 255, 214),
)  # fmt: skip


CLASSES_ON_DISK = 151
TOP31_TRAIN_IDS = {i: i for i in range(1, 32)}
TOP31_IGNORED_IDS = (0, *range(32, CLASSES_ON_DISK))

HOW = (
    "download http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip, unpack it, and name the "
    "folder ADEChallengeData2016 as the data set's root."
)
MLPERF_SIZE = 512
_ON_DISK = {"train": "training", "val": "validation"}


def samples(root, split):
    """(image, label map) of every image of a split, by name, whether or not the label map is there.

    root: the folder that holds images/ and annotations/; None for ADEChallengeData2016/ in the data folder.
    Raises `fetch.NotAvailable`, saying how to get the data set, where it is not there.
    """
    root, split = _root(root), _ON_DISK[split]
    return [
        (picture, root / "annotations" / split / f"{picture.stem}.png")
        for picture in listing.files(root / "images" / split, ".jpg")
    ]


def labels(root, split):
    """All label maps of a split."""
    return listing.files(_root(root) / "annotations" / _ON_DISK[split], ".png")


def _root(root):
    return listing.required(root or fetch.data_folder() / "ADEChallengeData2016", ("images", "annotations"), HOW)


def mlperf_preprocess(image, label):
    """A pair as MLPerf Mobile's ADE20K has it: the long side scaled to 512, padded to a square.

    (uint8 [H, W, 3], uint8 [H, W]) -> (uint8 [512, 512, 3], uint8 [512, 512]). Both sides are rounded down;
    the image is resized bilinearly and the label by nearest neighbour, corners aligned; right and below lie 127
    and 255. Source: the script in mobile_open/vision/deeplab/ade20k_512x512_dataset_on_device over DeepLab's
    preprocess_utils.py. Its float32 arithmetic is followed, because it decides pixels: some long sides come out one
    short, and the image is cut off to whole numbers, by which the mean pixel 127.5 becomes 127. The script
    then saves images as JPEG of quality 100, which this does not.
    """
    factor = np.float32(MLPERF_SIZE) / np.float32(max(label.shape))
    height, width = (max(1, int(np.float32(side) * factor)) for side in label.shape)
    rows, columns = _aligned(label.shape[0], height), _aligned(label.shape[1], width)
    labels = np.full((MLPERF_SIZE, MLPERF_SIZE), 255, np.uint8)
    labels[:height, :width] = label[_nearest(rows)[:, None], _nearest(columns)]
    pixels = np.full((MLPERF_SIZE, MLPERF_SIZE, 3), 127, np.uint8)
    # The official padding takes the mean pixel off and adds it again.
    pixels[:height, :width] = _bilinear(image, rows, columns) - np.float32(127.5) + np.float32(127.5)
    return pixels, labels


def _aligned(source, target):
    """Where the centres of `target` pixels lie among `source` ones when the outermost coincide: float32."""
    step = np.float32(source - 1) / np.float32(target - 1) if target > 1 else np.float32(source) / np.float32(target)
    return np.arange(target, dtype=np.float32) * step


def _nearest(positions):
    return np.floor(positions.astype(np.float64) + 0.5).astype(int)


def _bilinear(image, rows, columns):
    def neighbours(positions, count):
        lower = positions.astype(int)
        return lower, np.minimum(lower + 1, count - 1), positions - lower.astype(np.float32)

    above, below, down = neighbours(rows, image.shape[0])
    left, right, across = neighbours(columns, image.shape[1])
    across, down = across[:, None], down[:, None, None]

    def along(row):
        pixels = image[row].astype(np.float32)
        return pixels[:, left] + (pixels[:, right] - pixels[:, left]) * across

    top = along(above)
    return top + (along(below) - top) * down


def dataset(name, root) -> Dataset:
    """ADE20K-Top31 in a folder as published; "ade20k_top31-mlperf" with MLPerf Mobile's preprocessing."""
    as_mlperf = name.endswith("-mlperf")
    return Dataset(
        name=name,
        title="ADE20K-Top31" + (" (MLPerf preprocessing, 512x512)" if as_mlperf else ""),
        classes=CLASSES,
        palette=PALETTE,
        to_train_id=id_table(TOP31_TRAIN_IDS, TOP31_IGNORED_IDS),
        list_split=partial(samples, root),
        list_labels=partial(labels, root),
        root=root,
        published={"train": 20210, "val": 2000},
        prepare=mlperf_preprocess if as_mlperf else None,
        prepare_evaluation=mlperf_preprocess,
        licence="annotations BSD-3; images for non-commercial research and education",
        rule="mlperf31",
    )

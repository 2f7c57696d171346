"""Tiny data sets in the exact layouts of the published ones, of noise: `python tests/published_layouts.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np

from mosaiclib.data import images

CITY_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # label ids of the 19 classes


def _pair(generator, size, ids, block=16):
    """An image whose colours tell the class, and its label map in blocks."""
    height, width = size
    rough = generator.integers(0, len(ids), (-(-height // block), -(-width // block)))
    index = rough.repeat(block, 0).repeat(block, 1)[:height, :width]
    colours = generator.integers(0, 256, (len(ids), 3))
    image = colours[index] + generator.integers(-8, 9, (*size, 3))
    return np.clip(image, 0, 255).astype(np.uint8), np.array(ids, np.uint8)[index]


def cityscapes(root, size=(1024, 2048), train=4, val=2):
    """leftImg8bit/ and gtFine/ with one city a split."""
    generator = np.random.default_rng(1)
    for split, city, count in (("train", "aachen", train), ("val", "frankfurt", val)):
        for number in range(count):
            image, label = _pair(generator, size, CITY_IDS)
            stem = f"{city}_{number:06d}_000019"
            images.write_png(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", image)
            images.write_png(root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png", label)
    return root


def ade20k(root, train=4, val=2):
    """images/ and annotations/ of ADEChallengeData2016, of several sizes."""
    import cv2

    generator = np.random.default_rng(2)
    for split, count in (("training", train), ("validation", val)):
        for number in range(1, count + 1):
            image, label = _pair(generator, (256 + 16 * number, 341), tuple(range(151)))
            name = f"ADE_{'train' if split == 'training' else 'val'}_{number:08d}"
            images.write_png(root / "annotations" / split / f"{name}.png", label)
            (root / "images" / split).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / "images" / split / f"{name}.jpg"), image[..., ::-1])
    return root


def imagenet(root, train=4, val=2):
    """train/ and val/ with a folder a class."""
    import cv2

    generator = np.random.default_rng(3)
    for split, count in (("train", train), ("val", val)):
        for name in ("n01440764", "n01443537"):
            for number in range(count):
                folder = root / split / name
                folder.mkdir(parents=True, exist_ok=True)
                image = _pair(generator, (80, 100), tuple(range(5)))[0]
                cv2.imwrite(str(folder / f"{name}_{number}.JPEG"), image)
    return root


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(cityscapes(folder / "cityscapes"), ade20k(folder / "ADEChallengeData2016"), imagenet(folder / "imagenet"))

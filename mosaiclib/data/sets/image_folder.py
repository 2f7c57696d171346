"""Images to classify, laid out as ImageNet is: train/<class>/*.JPEG and val/<class>/*.JPEG."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mosaiclib.data import fetch, images, listing
from mosaiclib.data.batches import Batches

HOW = "lay it out as train/<class>/ and val/<class>/, as ImageNet is."
_ASPECT = (3 / 4, 4 / 3)  # of a random crop, before it is resized
_MARGIN = 224 / 256  # share of the short side that a validation crop takes


@dataclass(frozen=True)
class ImageFolder:
    """root: the folder. classes: the names of the folders in train/, sorted; an image's class is its index."""

    root: Path
    classes: tuple[str, ...]

    def split(self, name):
        """[(image's path, class)] of "train" or "val". Raises ValueError for an empty split or an unknown class."""
        found = []
        for folder in listing.folders(self.root / name):
            if folder.name not in self.classes:
                raise ValueError(f"{folder} is not a class of {self.root / 'train'}: rename or remove it.")
            number = self.classes.index(folder.name)
            found += [(path, number) for path in listing.files(folder, listing.IMAGES)]
        if not found:
            raise ValueError(f"{self.root / name} holds no images: {HOW}")
        return found


def read(root) -> ImageFolder:
    """The folder of images at `root`. Raises `fetch.NotAvailable` or ValueError that says what it lacks."""
    if not root:
        raise ValueError("Pretraining needs a folder of classified images: name it as data_root.")
    root = listing.required(root, ("train", "val"), HOW)
    classes = tuple(path.name for path in listing.folders(root / "train"))
    if len(classes) < 2:
        raise fetch.NotAvailable(f"{root / 'train'} holds fewer than two folders of classes: {HOW}")
    return ImageFolder(root, classes)


def random_crop(image, size, scale, flip, generator):
    """A random part of an image, resized to `size` (height, width): Inception's augmentation (Szegedy et al. 2015).

    scale: range of the part's share of the area; its aspect is between 3:4 and 4:3, cut to what fits.
    """
    height, width = image.shape[:2]
    area = generator.uniform(*scale) * height * width
    aspect = np.exp(generator.uniform(*np.log(_ASPECT)))
    part = min(height, max(1, round(np.sqrt(area / aspect)))), min(width, max(1, round(np.sqrt(area * aspect))))
    top, left = (generator.integers(0, free + 1) for free in (height - part[0], width - part[1]))
    image = cv2.resize(image[top : top + part[0], left : left + part[1]], size[::-1], interpolation=cv2.INTER_LINEAR)
    return image[:, ::-1] if flip and generator.random() < 0.5 else image


def centre_crop(image, size):
    """The middle of an image, 224 / 256 of what fits of `size`'s aspect, resized to `size` (height, width)."""
    height, width = image.shape[:2]
    factor = _MARGIN * min(height / size[0], width / size[1])
    part = max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
    top, left = (height - part[0]) // 2, (width - part[1]) // 2
    return cv2.resize(image[top : top + part[0], left : left + part[1]], size[::-1], interpolation=cv2.INTER_AREA)


class ClassificationBatches(Batches):
    """Batches of the train split: the targets are int32 [B] classes."""

    def __init__(self, data, recipe, part=slice(None)):
        super().__init__(data.split("train"), recipe.batch_size, recipe.seed, data.root / "train", part=part)
        self.recipe = recipe

    def pair(self, sample, generator):
        path, number = sample
        image = random_crop(images.read_image(path), self.recipe.crop, self.recipe.scale, self.recipe.flip, generator)
        return np.ascontiguousarray(image), np.int32(number)

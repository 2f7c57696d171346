"""Heads trained with few labels, as notebook 65 trains and compares them.

Every training takes as many steps on stored views of the same images; only which of them have labels differs.
"""

import json
import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from mosaicbook.beyond import frozen_study
from mosaiclib.data import images, listing, subsets
from mosaiclib.data.augment import Augmentation
from mosaiclib.data.images import IGNORE
from mosaiclib.files import replacing_folder
from mosaiclib.training import distil, taps


@dataclass(frozen=True)
class Arm:
    """One kind of training. share: of the images whose labels it sees. taught: how it sees the others, "" for not.

    Other images are seen by what a teacher says of them, as `distil.SOFT` or `distil.HARD` targets.
    """

    share: float
    taught: str = ""

    @property
    def name(self) -> str:
        return f"share{self.share:g}{'-' if self.taught else ''}{self.taught}"

    def words(self, labelled, unlabelled) -> str:
        """What the record of a training says of its labels; "" where every image has one."""
        taught = f", {self.taught} targets of a teacher for {unlabelled} others" if self.taught else ""
        return f"{labelled} images{taught}" if self.taught or self.share < 1 or unlabelled else ""


def arms(shares, share, taught) -> list[Arm]:
    """Those of a learning curve over `shares`, and the taught one. First those that are compared: a killed run has
    them first.
    """
    alone = {*shares, *([share] if taught else [])}
    first = [Arm(share), Arm(share, taught)] if taught else []
    first += [Arm(max(alone))] if max(alone) != share or not taught else []
    return first + [Arm(one) for one in sorted(alone) if Arm(one) not in first]


# === Images ===


@dataclass(frozen=True)
class Given:
    """The stored views of all images: of those that may have labels first, view after view, then of the others.

    pairs: what gave the views, for a teacher that sees the images. labelled: how many images have labels on disk.
    images: how many there are.
    """

    stored: object
    pairs: list
    labelled: int
    images: int

    def views_of(self, chosen):
        """The indices of all views of some images."""
        count = len(self.stored) // self.images
        return np.concatenate([view * self.images + np.asarray(chosen) for view in range(count)])


def given(weights, data, recipe, views, unlabelled, cache, tell) -> Given:
    """Stores what all trainings see. unlabelled: a folder of images without labels, or "" for none."""
    samples = sum(len(data.split(split)) for split in recipe.train_splits)
    pairs, paths, others = taps.views(data, recipe, views), [], ""
    if unlabelled:
        paths = images_in(unlabelled)
        others = str([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths])
        with_labels, augment, pairs = pairs, Augmentation.of(recipe), []
        for view in range(views):
            pairs += with_labels[view * samples : (view + 1) * samples]
            pairs += [partial(_view, augment, path, (1, view, index)) for index, path in enumerate(paths)]
    stored = frozen_study.stored_views(weights, data, recipe, views, cache, tell, pairs, others)
    return Given(stored, pairs, samples, samples + len(paths))


def images_in(folder) -> list[Path]:
    """The images of a folder, sorted by name. Raises ValueError where there is none."""
    paths = listing.files(Path(folder), listing.IMAGES)
    if not paths:
        raise ValueError(f"{folder} holds no images: name a folder of .jpg or .png files.")
    return paths


def _view(augment, path, seed):
    image = images.read_image(path)
    return augment(image, np.full(image.shape[:2], IGNORE, np.uint8), np.random.default_rng(seed))


# === Trainings ===


@dataclass(frozen=True)
class Trainings:
    """All trainings of one run. teacher: a weights folder, or "" for the head that was trained with the same seed on
    the labelled images alone.
    """

    given: Given
    held: object
    about: frozen_study.About
    teacher: str
    run: object
    tell: object
    _trainers: dict = field(default_factory=dict, init=False, repr=False)

    def train(self, arm, seed) -> dict:
        """One training and its evaluation, in the form of `results.Evaluation`; one that a killed run finished is read.

        The seed decides weights, order and which images have labels.
        """
        given, rate = self.given, self.about.recipe.learning_rate
        chosen = subsets.share_of(given.labelled, arm.share, seed)
        words = arm.words(len(chosen), given.images - len(chosen))
        about, trainer = replace(self.about, labels=words, prefix=f"{arm.name}-"), None
        if not about.kept(self.run, seed, rate).is_file():
            trainer, labelled = self._trainer(arm.taught == distil.SOFT), given.views_of(chosen)
            trainer.views, trainer.targets = labelled, distil.quarter(given.stored)
            if arm.taught:
                said = self._said(arm, seed)
                trainer.views = np.arange(len(given.stored))
                trainer.targets = distil.targets(said, given.stored, labelled, arm.taught)
        found = frozen_study.train_and_evaluate(trainer, self.held, about, seed, rate, self.run, "", self.tell)
        as_read_again = json.loads(json.dumps(found))  # tuples become lists, so that old and new ones compare
        return as_read_again | {"arm": arm.name, "labelled_images": len(chosen)}

    def _trainer(self, soft):
        if soft not in self._trainers:  # a graph is traced once for all seeds
            spec, classes = self.about.spec, len(self.about.data.classes)
            self._trainers[soft] = distil.PartTrainer(spec, self.given.stored, classes, self.about.recipe, soft)
        return self._trainers[soft]

    def _said(self, arm, seed):
        about, stored = self.about, self.given.stored
        if self.teacher:
            return distil.said_by_network(self.teacher, self.given.pairs, stored, about.data.classes)
        return distil.said_by_head(about.spec, self._weights(Arm(arm.share), seed), stored, len(about.data.classes))

    def _weights(self, arm, seed):
        kept = replace(self.about, prefix=f"{arm.name}-").kept(self.run, seed, self.about.recipe.learning_rate)
        return kept.with_name(f"weights-{kept.stem}")

    def keep_weights(self, arm, seed):
        """Copies the weights of one training into the run's folder, as weights-ARM."""
        with replacing_folder(self.run.folder / f"weights-{arm.name}") as partial_:
            shutil.copytree(self._weights(arm, seed), partial_, dirs_exist_ok=True)

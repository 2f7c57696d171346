"""Training of a head on a part of the stored views, and by what a teacher says of the others (distillation).

A teacher gives each pixel of a view probabilities, at a quarter of the view's size. Soft targets are these themselves
(Hinton et al. 2015), hard ones the most probable class ("pseudo-labels", Lee 2013). Where a label is known it counts,
whatever the teacher says.
"""

import numpy as np
from keras import ops

from mosaiclib import models
from mosaiclib.data.batches import scale_input
from mosaiclib.data.images import IGNORE
from mosaiclib.training import frozen
from mosaiclib.training.taps import CHUNK

SOFT, HARD = "soft", "hard"


class PartBatches(frozen.TapBatches):
    """Batches of some of the stored views; an epoch has as many as one over all of them, by going over the part again.

    targets: of all views, classes [N, h, w] with 255 ignored, or probabilities [N, h, w, C] that are 0 where ignored.
    """

    def __init__(self, stored, strides, batch_size, seed, views, targets):
        super().__init__(stored, strides, batch_size, seed)
        self.views, self.targets = np.asarray(views), targets

    def _order(self, epoch):
        """All views in an order of (seed, epoch); of a part, orders of it one after the other."""
        generator = np.random.default_rng((self.seed, epoch))
        times = -(-len(self.samples) // len(self.views))
        return np.concatenate([self.views[generator.permutation(len(self.views))] for _ in range(times)])

    def _targets(self, chosen):
        targets = self.targets[chosen]
        return targets if targets.ndim == 3 else targets.astype(np.float32)


class PartTrainer(frozen.HeadTrainer):
    """As `HeadTrainer`, on some of the stored views and by other targets than their labels; steps stay the same.

    views, targets: as `PartBatches` takes them, of all views and their labels at first; they may be set anew before
    each training. soft: whether targets are probabilities.
    """

    def __init__(self, spec, stored, classes, recipe, soft=False):
        if soft and recipe.dice:
            raise ValueError(f"dice is {recipe.dice} in the recipe, but soft targets know no Dice loss: set it to 0.")
        self.soft, self.views, self.targets = soft, np.arange(len(stored)), quarter(stored)
        super().__init__(spec, stored, classes, recipe)

    def _batches(self, seed):
        return PartBatches(self.stored, self.strides, self.recipe.batch_size, seed, self.views, self.targets)

    def _loss(self):
        return soft_cross_entropy if self.soft else super()._loss()


def soft_cross_entropy(targets, logits):
    """Cross-entropy with probabilities [B, h, w, C], mean over the pixels whose targets are not all 0."""
    logits = _at(logits, targets.shape[1:3])
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1)) / (ops.sum(targets) + 1e-5)


def _at(logits, size):
    """Logits [B, h, w, C] brought to (height, width) as `frozen.loss` does."""
    logits = frozen.averaged(logits, size)
    return logits if logits.shape[1] == size[0] else ops.image.resize(logits, size, interpolation="bilinear")


def quarter(stored) -> np.ndarray:
    """The labels of stored views at a quarter of their size, as `frozen.TapBatches` takes them: uint8 [N, h, w]."""
    return np.array(frozen.quarter(stored.labels))


# === Teachers ===


def said_by_head(spec, weights, stored, classes) -> np.ndarray:
    """Probabilities float16 [N, h, w, C] of the head in a weights folder for all stored views of its own backbone."""
    strides = frozen.used(spec)
    head = frozen.head(spec, {stride: stored.shapes[stride] for stride in strides}, classes)
    fresh = models.initialise(head, weights)
    if fresh:
        raise ValueError(f"{weights} lacks '{fresh[0]}', which the head of {spec.name} needs.")

    def logits(rows):
        return head.predict_on_batch([stored.taps[stride][rows].astype(np.float32) for stride in strides])

    return _probabilities(logits, stored, classes)


def said_by_network(weights, pairs, stored, classes) -> np.ndarray:
    """The same of a whole network of any kind, which sees the views themselves.

    pairs: as `taps.store` was given. classes: their names. Raises ValueError where the network knows others.
    """
    card = models.load_card(weights)
    if tuple(card.classes) != tuple(classes):
        raise ValueError(
            f"{weights} knows {len(card.classes)} classes ({', '.join(card.classes[:3])} and so on), which are not the "
            f"{len(classes)} of the images: it cannot teach them."
        )
    network = models.load(weights, input_size=stored.labels.shape[1:], output="logits")

    def logits(rows):
        return network.predict_on_batch(np.stack([scale_input(pairs[row]()[0]) for row in rows]))

    return _probabilities(logits, stored, len(classes))


def _probabilities(logits, stored, classes):
    size = quarter(stored).shape[1:]
    found = np.empty((len(stored), *size, classes), np.float16)
    for start in range(0, len(stored), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(stored)))
        found[rows] = ops.convert_to_numpy(ops.softmax(_at(ops.convert_to_tensor(logits(rows)), size), axis=-1))
    return found


def targets(said, stored, labelled, kind=SOFT) -> np.ndarray:
    """What a student is trained by: the labels of the labelled views, and for the others what a teacher said.

    said: probabilities [N, h, w, C]. labelled: indices of views. kind: SOFT or HARD. What a view has no pixel of (the
    grey beside a scaled image, label 255 there) is unknown for unlabelled views, too, and the teacher's word stands.
    """
    if kind not in (SOFT, HARD):
        raise ValueError(f"Targets are {SOFT} or {HARD}, not '{kind}'.")
    labels = quarter(stored)
    if kind == HARD:
        hard = said.argmax(-1).astype(np.uint8)
        hard[labelled] = labels[labelled]
        return hard
    soft = said.copy()
    known = labels[labelled]
    soft[labelled] = (known[..., None] == np.arange(said.shape[-1])) & (known != IGNORE)[..., None]
    return soft

"""Training of a head alone, on stored taps of a frozen backbone (`taps`), at a fraction of the whole network's time.

The loss is taken at a quarter of the crop's size, where the paper's heads end.
"""

from dataclasses import fields
from functools import partial
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import ops

from mosaiclib import models
from mosaiclib.data.batches import Batches
from mosaiclib.models.building import head_on
from mosaiclib.models.parts import BACKBONE, part_of
from mosaiclib.models.spec import LRASPPHead, MosaicHead
from mosaiclib.models.weights import WEIGHTS_FILE, read_arrays
from mosaiclib.training import losses
from mosaiclib.training.memory import HugePages, keep_freed_memory
from mosaiclib.training.optimizer import compile_network
from mosaiclib.training.recipes import Recipe
from mosaiclib.training.taps import CHUNK

LOSS_STRIDE = 4


def head(spec, shapes, classes):
    """The head of a spec alone, taps {stride: (h, w, C)} to logits; layers are named as in the whole network."""
    inputs = {stride: keras.Input(shape, name=f"tap{stride}") for stride, shape in shapes.items()}
    return keras.Model(list(inputs.values()), head_on(inputs, spec, classes), name="head")


class TapBatches(Batches):
    """Batches of stored views: ([taps by stride], labels at a quarter of the size); (seed, epoch) decide the order."""

    def __init__(self, stored, strides, batch_size, seed):
        super().__init__(range(len(stored)), batch_size, seed, "stored taps", workers=1)
        self.stored, self.strides = stored, strides

    def _order(self, epoch):
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.samples))

    def _targets(self, chosen):
        return quarter(self.stored.labels[chosen])

    def _batch(self, epoch, index):
        chosen = np.sort(self._order(epoch)[index * self.batch_size : (index + 1) * self.batch_size])
        taps = tuple(self.stored.taps[stride][chosen].astype(np.float32) for stride in self.strides)
        return taps, self._targets(chosen)


def quarter(labels):
    """Labels [N, H, W] at a quarter of their size."""
    half = LOSS_STRIDE // 2
    return labels[:, half::LOSS_STRIDE, half::LOSS_STRIDE]


def averaged(logits, size):
    """Logits [B, h, w, C] averaged to (height, width) where they are finer; others as they are."""
    return ops.average_pool(logits, logits.shape[1] // size[0]) if logits.shape[1] > size[0] else logits


def loss(labels, logits, dice=0.0):
    """`losses.segmentation_loss` with logits brought to the labels' size; finer ones are averaged."""
    return losses.segmentation_loss(labels, averaged(logits, labels.shape[1:3]), dice=dice)


def _check(recipe):
    """Raises ValueError where a recipe asks for what a head alone is not trained with."""
    names = ("ema", "class_balance", "frozen_batch_norm", "precision", "accumulate")
    plain = {field.name: field.default for field in fields(Recipe)}
    wrong = [name for name in names if getattr(recipe, name) != plain[name]]
    if wrong:
        raise ValueError(
            f"{wrong[0]} is {getattr(recipe, wrong[0])} in the recipe, but a head alone is trained with "
            f"{plain[wrong[0]]}: change it, or train the whole network."
        )
    if recipe.selection != "last":
        raise ValueError("selection is best in the recipe, but a head alone keeps its last epoch: set it to last.")


class HeadTrainer:
    """Trains the head of one spec on stored taps, with one seed after the other; the graph is traced once."""

    def __init__(self, spec, stored, classes, recipe):
        _check(recipe)
        self.spec, self.stored, self.classes, self.recipe = spec, stored, classes, recipe
        self.strides = used(spec)
        self.shapes = {stride: stored.shapes[stride] for stride in self.strides}
        self.batches = self._batches(0)
        self.model = head(spec, self.shapes, classes)
        self._other_size = {}
        self._compile()

    def _batches(self, seed):
        return TapBatches(self.stored, self.strides, self.recipe.batch_size, seed)

    def _loss(self):
        return partial(loss, dice=self.recipe.dice)

    def _compile(self):
        compile_network(self.model, self.recipe, self.steps, self._loss())

    def set_rate(self, learning_rate):
        """Another learning rate for the trainings that follow."""
        if learning_rate != self.recipe.learning_rate:
            self.recipe = self.recipe.but(learning_rate=learning_rate)
            self._compile()

    def at(self, shapes):
        """The head with its present weights, for taps of other shapes."""
        key = str(shapes)
        if key not in self._other_size:
            self._other_size[key] = head(self.spec, shapes, self.classes)
        model = self._other_size[key]
        _copy(self.model, model)
        return model

    def class_maps(self, held):
        """Yields (label, class map), uint8 [H, W] and int [H, W], of every image whose taps are in `held`."""
        model = self.at({stride: held.shapes[stride] for stride in self.strides})
        for start in range(0, len(held), CHUNK):
            taps = [held.taps[stride][start : start + CHUNK].astype(np.float32) for stride in self.strides]
            for label, logits in zip(held.labels[start : start + CHUNK], model.predict_on_batch(taps), strict=True):
                yield label, cv2.resize(logits, label.shape[::-1], interpolation=cv2.INTER_LINEAR).argmax(-1)

    @property
    def steps(self):
        return self.recipe.epochs * len(self.batches)

    def train(self, seed, report=None) -> list[float]:
        """Trains from fresh weights and gives the mean loss of each epoch; the seed decides weights and order."""
        keep_freed_memory()
        keras.utils.set_random_seed(seed)
        fresh = head(self.spec, self.shapes, self.classes)
        _copy(fresh, self.model)
        for mine, other in zip(_random_states(self.model), _random_states(fresh), strict=True):
            mine.assign(other)
        for variable in self.model.optimizer.variables:
            variable.assign(ops.zeros_like(variable))
        history, huge_pages = [], HugePages()
        batches = self._batches(seed)
        for epoch in range(self.recipe.epochs):
            batches.epoch = epoch
            mean = self.model.fit(batches, verbose=0, shuffle=False, callbacks=[huge_pages]).history["loss"][0]
            if not np.isfinite(mean):
                raise ValueError(f"The loss became {mean} in epoch {epoch + 1}: lower the learning rate.")
            history.append(float(mean))
            if report:
                report(f"seed {seed}, epoch {epoch + 1} of {self.recipe.epochs}: loss {mean:.3f}")
        return history


def _copy(source, target):
    """Gives one head the weights of another by their paths, whose order differs with the size."""
    values = {variable.path: variable for variable in source.weights}
    for variable in target.weights:
        variable.assign(values[variable.path])


def _random_states(model):
    """The states of a head's dropouts, which Keras does not count among its weights."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def used(spec) -> tuple[int, ...]:
    """The strides whose taps the head of a spec reads."""
    skips = {MosaicHead: lambda h: [merge.stride for merge in h.merges], LRASPPHead: lambda h: [h.skip_stride]}
    return tuple(sorted({16, *skips.get(type(spec.head), lambda h: [4])(spec.head)}))


def save_whole(model, weights, folder, card):
    """Writes the backbone of `weights` and a trained head together as the weights folder of a whole network."""
    arrays = read_arrays(Path(weights) / WEIGHTS_FILE)
    kept = {name: array for name, array in arrays.items() if part_of(name.partition("/")[0]) == BACKBONE}
    models.save_arrays(kept | {variable.path: variable for variable in model.weights}, folder, card)

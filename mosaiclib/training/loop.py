"""Training: the recipe, the loss, and a loop that can be killed at any moment and goes on bitwise.

A checkpoint holds the network, the optimizer, the learning curve, the best value so far and the identity of its
training. It is written beside the old one and renamed after every epoch, so that there is always a whole one. A CPU
repeats a training bitwise with the same number of threads only, which is recorded.
"""

import json
import math
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from mosaiclib.data import guard
from mosaiclib.data.augment import Augmentation
from mosaiclib.data.batches import TrainingBatches
from mosaiclib.models.frozen import with_stored_statistics, without_training
from mosaiclib.models.weights import read_arrays, write_arrays
from mosaiclib.training import checkpoints, distribution, losses
from mosaiclib.training.memory import HugePages, keep_freed_memory
from mosaiclib.training.optimizer import compile_network
from mosaiclib.training.validation import Validation

CHECKPOINT, BEST = "checkpoint.h5", "best.h5"


class Diverged(ValueError):
    """A training whose loss is no longer finite; another learning rate may do better."""


def train(model, dataset, recipe, folder, report=None, stop_after=None, spec=None):
    """Trains `model` (output "logits", built at the crop size) on a data set and returns the learning curve.

    folder, report, stop_after and what is returned: as `fit` has them, with the metric "val_miou". spec: of the model,
    so that images are validated at their own size. Raises ValueError
    before the first step where the data could not end well (`data.guard`).
    """
    guard.check(dataset, recipe.train_splits, recipe.validates)
    batches = batches_of(dataset, recipe)
    weights = losses.class_weights(dataset, recipe.class_balance, recipe.train_splits) if recipe.class_balance else None
    loss = partial(losses.segmentation_loss, class_weights=weights, dice=recipe.dice)

    validate = Validation(model, dataset, spec=spec)

    def measure():
        score = validate()
        return score.miou, {"over": score.over} if score.over else {}

    return fit(model, batches, loss, recipe, folder, "val_miou", measure, report, stop_after)


def batches_of(dataset, recipe, batch_size=None):
    """The `TrainingBatches` of a recipe, or of as many images as `batch_size`, to look at."""
    augmentation = Augmentation.of(recipe)
    part = slice(None) if batch_size else distribution.part_of(recipe.batch_size)
    size = batch_size or recipe.batch_size
    return TrainingBatches(dataset, recipe.train_splits, augmentation, size, recipe.seed, part=part)


def fit(model, batches, loss, recipe, folder, metric, measure, report=None, stop_after=None):
    """Trains `model` on `batches` (of `mosaiclib.data.batches`) by a recipe, and returns the learning curve.

    folder: where checkpoint.h5 and best.h5 (the weights that are kept) live; a checkpoint found there is continued.
        One of another training (network, initial weights, data, recipe or code) is replaced, and that is printed.
    metric, measure: the name of a number, higher is better, and the function that measures it on the val split; it
        returns the number and a dict of what else belongs into the epoch's record.
    report: called after each epoch with its record {"epoch", "loss", metric, "learning_rate", "images_per_s",
        "wall_s"}; the metric is None in epochs without validation. A `training_line.TrainingLine` also shows the
        steps between.
    stop_after: end after this epoch although the recipe has more (the next call, with the network as it was before the
        first one, goes on).
    Returns {"history": [record], "best_" + metric, "best_epoch", "kept_" + metric, "kept_epoch", "threads"}, None where
    there is none; the model then holds the kept weights, or where nothing was kept yet those it has reached.
    Raises ValueError where an image cannot be read, the checkpoint is damaged, or the loss is no longer finite; OSError
    where no checkpoint can be written. The last one is left as it was.
    """
    keep_freed_memory()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    identity = checkpoints.identity(model, batches, recipe)
    if recipe.frozen_batch_norm:
        model = with_stored_statistics(model, recipe.frozen_part)
    if recipe.untrained_part:
        model = without_training(model, recipe.untrained_part)
    compile_network(model, recipe, recipe.epochs * len(batches), loss)
    session = _Session(model, recipe, folder, batches, metric, measure, report)
    session.restore(identity)
    last = min(recipe.epochs, stop_after or recipe.epochs)
    watching = [report] if isinstance(report, keras.callbacks.Callback) else []
    if session.epoch < last:
        callbacks = [session, HugePages(), *watching]
        try:
            # The batches shuffle by their own seed; Keras would shuffle them again with a random state of its own.
            model.fit(batches, initial_epoch=session.epoch, epochs=last, verbose=0, shuffle=False, callbacks=callbacks)
        except Exception:
            if batches.error:
                raise batches.error from None
            raise
    distribution.wait()
    if session.state["kept_epoch"] is not None:
        checkpoints.assign(model.weights, read_arrays(folder / BEST), folder / BEST)
    return session.state


class _Session(keras.callbacks.Callback):
    """Validates, records and checkpoints after every epoch."""

    def __init__(self, model, recipe, folder, batches, metric, measure, report):
        super().__init__()
        self.network, self.recipe, self.folder, self.batches = model, recipe, folder, batches
        self.metric, self.measure, self.report = metric, measure, report
        numbers = (f"best_{metric}", "best_epoch", f"kept_{metric}", "kept_epoch")
        self.state = {"history": [], **dict.fromkeys(numbers), "threads": checkpoints.threads()}

    @property
    def epoch(self):
        return len(self.state["history"])

    def restore(self, identity):
        """Goes on from the checkpoint of the same training, if there is one; says so where there is another's."""
        self.state["identity"] = identity
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        arrays = read_arrays(path)
        try:
            state = json.loads(arrays.pop("state").tobytes())
        except (KeyError, AttributeError, ValueError, RecursionError):
            raise ValueError(f"{path} is not a checkpoint of a training: remove it to start afresh.") from None
        if other := checkpoints.differing(identity, state.get("identity", {})):
            print(f"{path} has not the same {', '.join(other)}: this training starts afresh.")
            return
        checkpoints.assign(self._variables(), arrays, path)
        if state["threads"] != self.state["threads"]:
            now = self.state["threads"]
            print(f"{path} is of {state['threads']} CPU threads, and now there are {now}: the last digits will differ.")
        self.state |= state

    def _variables(self):
        random = [v for v in self.network.variables if "seed_generator_state" in v.path]  # of dropout layers
        return [*self.network.weights, *self.network.optimizer.variables, *random]

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        wall = time.perf_counter() - self.started
        images = len(self.batches) * self.recipe.batch_size
        if not math.isfinite(logs["loss"]):
            raise Diverged(f"The loss became {logs['loss']} in epoch {epoch + 1}: lower the learning rate.")
        if not self.state["history"] and distribution.process()[0] == 0:
            for name in (CHECKPOINT, BEST):  # of another training
                (self.folder / name).unlink(missing_ok=True)
        is_last = epoch + 1 == self.recipe.epochs
        due = self.recipe.validates and ((epoch + 1) % self.recipe.validate_every == 0 or is_last)
        value, about = self._with_averages(self.measure) if due else (None, {})
        record = {
            "epoch": epoch + 1,
            "loss": float(logs["loss"]),
            self.metric: value,
            "learning_rate": float(ops.convert_to_numpy(self.network.optimizer.learning_rate)),
            "images_per_s": images / wall,
            "wall_s": wall,
            **about,
        }
        self.state["history"].append(record)
        best = self.state[f"best_{self.metric}"]
        is_best = due and (best is None or value > best)
        if is_best:
            self.state |= {f"best_{self.metric}": value, "best_epoch": epoch + 1}
        if is_best if self.recipe.selection == "best" else is_last:
            self.state |= {f"kept_{self.metric}": value, "kept_epoch": epoch + 1}
            self._with_averages(lambda: self._write(BEST, checkpoints.arrays(self.network.weights)))
        text = np.frombuffer(json.dumps(self.state).encode(), np.uint8)
        self._write(CHECKPOINT, {**checkpoints.arrays(self._variables()), "state": text})
        if self.report:
            self.report(record)

    def _write(self, name, arrays):
        if distribution.process()[0] == 0:
            write_arrays(self.folder / name, arrays)

    def _with_averages(self, action):
        """Runs `action` with the averaged weights in place, where the recipe keeps them."""
        if not self.recipe.ema:
            return action()
        trained = [ops.convert_to_numpy(v) for v in self.network.trainable_variables]
        self.network.optimizer.finalize_variable_values(self.network.trainable_variables)
        for variable in self.network.trainable_variables:
            # JAX would share the average's array, and predicting would give its memory away.
            variable.assign(np.array(variable))
        try:
            return action()
        finally:
            for variable, value in zip(self.network.trainable_variables, trained, strict=True):
                variable.assign(value)

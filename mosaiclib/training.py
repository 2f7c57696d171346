"""Training: the recipe, the loss, and a loop that can be killed at any moment and goes on bitwise.

A checkpoint holds the network, the optimizer, the learning curve and the best value so far. It is written
beside the old one and renamed after every epoch, so that there is always a whole one.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from mosaiclib import distribution, evaluation, losses
from mosaiclib.data.augment import Augmentation
from mosaiclib.data.pipeline import TrainingBatches, scale_input
from mosaiclib.models.weights import read_arrays, write_arrays

CHECKPOINT, BEST = "checkpoint.h5", "best.h5"


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the paper's own choices are in section 6.3.

    optimizer: "sgd" (momentum 0.9) or "adamw". weight_decay: L2 on kernels for sgd (the official code's
    coefficient: half of it times the sum of squares), decoupled decay for adamw; never on batch norm or
    bias, and for MNMH not on depthwise kernels. warmup_steps: linear from 0. The rate then falls as
    (1 - step / steps) ** 0.9 ("poly"). frozen_batch_norm: use the stored statistics while training, for
    imported weights whose batch norms were folded; scale and offset are trained. frozen_part: only in layers whose
    name begins so, "" for all. batch_norm_momentum: of the running statistics; the
    networks' own 0.99 needs thousands of steps, a short training a smaller one. ema: momentum of averaged
    weights, 0 for none. light, colour: of the augmentation. class_balance: each pixel's loss is weighted by
    (median class frequency / its class's frequency) ** class_balance; 0 weighs all alike, as the paper does.
    dice: weight of the soft Dice loss that is added to the cross-entropy. selection: keep the epoch that is
    "best" on the val split, or the "last". train_splits: what is trained on; with val among it, nothing is
    validated and the last epoch is kept.
    """

    epochs: int
    batch_size: int
    crop: tuple[int, int]
    learning_rate: float
    optimizer: str = "sgd"
    weight_decay: float = 4e-5
    warmup_steps: int = 0
    scale: tuple[float, float] = (0.5, 2.0)
    flip: bool = True
    light: float = 0.0
    colour: float = 0.0
    class_balance: float = 0.0
    dice: float = 0.0
    frozen_batch_norm: bool = False
    frozen_part: str = ""
    batch_norm_momentum: float = 0.99
    ema: float = 0.0
    seed: int = 0
    validate_every: int = 1
    selection: str = "best"
    train_splits: tuple[str, ...] = ("train",)

    def __post_init__(self):
        if self.optimizer not in ("sgd", "adamw"):
            raise ValueError(f"Unknown optimizer '{self.optimizer}': choose sgd or adamw.")
        if min(self.epochs, self.batch_size, self.validate_every, *self.crop) < 1:
            raise ValueError("epochs, batch_size, validate_every and the crop's sides must be at least 1.")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"The scale range {self.scale} must be positive and in order.")
        if not 0 <= self.light < 1 or not 0 <= self.colour < 1 or self.dice < 0:
            raise ValueError("light and colour must be at least 0 and below 1, dice at least 0.")
        if self.selection not in ("best", "last"):
            raise ValueError(f"Unknown selection '{self.selection}': choose best or last.")
        if not self.train_splits or len(set(self.train_splits)) < len(self.train_splits):
            raise ValueError("train_splits must name at least one split, and each once.")
        if not self.validates and self.selection == "best":
            raise ValueError("Trained on the val split, no epoch can be chosen by it: set selection to last.")

    @property
    def validates(self):
        """Whether the val split is held out."""
        return "val" not in self.train_splits

    @classmethod
    def from_json(cls, data):
        """A recipe from JSON, where lists stand for tuples; what an older one did not have has its default."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


@keras.saving.register_keras_serializable("mosaiclib")
class PolyDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, then peak * (1 - step / steps) ** power ("poly", DeepLab)."""

    def __init__(self, peak, steps, warmup_steps=0, power=0.9):
        self.peak, self.steps, self.warmup_steps, self.power = peak, steps, warmup_steps, power

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = self.peak * ops.power(ops.maximum(1 - step / self.steps, 0.0), self.power)
        if self.warmup_steps:
            rate = rate * ops.minimum((step + 1) / self.warmup_steps, 1.0)
        return rate

    def get_config(self):
        return vars(self).copy()


def _decays(variable):
    return variable.path.endswith("/kernel") and ".depthwise." not in variable.path


class StoredStatistics(keras.layers.Layer):
    """A batch norm that never uses a batch's own statistics; its scale and offset can be trained."""

    def __init__(self, norm):
        super().__init__(name=norm.name)
        self.norm = norm

    def call(self, x):
        return self.norm(x, training=False)


def with_stored_statistics(model, part=""):
    """The same network over the same variables, with `StoredStatistics` in layers whose name begins with `part`."""

    stored = cache(StoredStatistics)  # a layer that pyramid levels share stays shared

    def call(layer, *args, **kwargs):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.name.startswith(part):
            return stored(layer)(*args)
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _compile(model, recipe, steps, loss):
    schedule = PolyDecay(recipe.learning_rate, steps, recipe.warmup_steps)
    averaged = {"name": "optimizer", "use_ema": recipe.ema > 0, "ema_momentum": recipe.ema or None}
    if recipe.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, **averaged)
        optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if not _decays(v)])
    else:
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, **averaged)
        for layer in model.layers:
            if any(_decays(v) for v in layer.trainable_variables):
                layer.kernel_regularizer = keras.regularizers.L2(recipe.weight_decay / 2)
                layer.kernel.regularizer = layer.kernel_regularizer
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = recipe.batch_norm_momentum
    # On a CPU, XLA makes TensorFlow's training step five times slower; JAX cannot do without it.
    model.compile(optimizer, distribution.prepare(model, loss), jit_compile=keras.backend.backend() == "jax")
    optimizer.build(model.trainable_variables)


def train(model, dataset, recipe, folder, report=None, stop_after=None):
    """Trains `model` (output "logits", built at the crop size) on a data set and returns the learning curve.

    folder: where checkpoint.h5 and best.h5 (the weights that are kept) live; a checkpoint found there is continued.
    report: called after each epoch with its record {"epoch", "loss", "val_miou", "learning_rate",
        "images_per_s", "wall_s"}; val_miou is None in epochs without validation.
    stop_after: end after this epoch although the recipe has more (the next call goes on).
    Returns {"history": [record], "best_val_miou", "best_epoch", "kept_val_miou", "kept_epoch"}, None where there
    is none; the model then holds the kept weights, or where nothing was kept yet those it has reached.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    augmentation = Augmentation(recipe.crop, recipe.scale, recipe.flip, recipe.light, recipe.colour)
    part = distribution.part_of(recipe.batch_size)
    batches = TrainingBatches(dataset, recipe.train_splits, augmentation, recipe.batch_size, recipe.seed, part=part)
    weights = losses.class_weights(dataset, recipe.class_balance, recipe.train_splits) if recipe.class_balance else None
    loss = partial(losses.segmentation_loss, class_weights=weights, dice=recipe.dice)
    if recipe.frozen_batch_norm:
        model = with_stored_statistics(model, recipe.frozen_part)
    _compile(model, recipe, recipe.epochs * len(batches), loss)
    session = _Session(model, dataset, recipe, folder, batches, report)
    session.restore()
    last = min(recipe.epochs, stop_after or recipe.epochs)
    if session.epoch < last:
        # The batches are shuffled by their own seed; Keras would shuffle them again with a random state of its own.
        model.fit(batches, initial_epoch=session.epoch, epochs=last, verbose=0, shuffle=False, callbacks=[session])
    distribution.wait()
    if (folder / BEST).exists():
        _assign(model.weights, read_arrays(folder / BEST), folder / BEST)
    return session.state


class _Session(keras.callbacks.Callback):
    """Validates, records and checkpoints after every epoch."""

    def __init__(self, model, dataset, recipe, folder, batches, report):
        super().__init__()
        self.network, self.dataset, self.recipe = model, dataset, recipe
        self.folder, self.batches, self.report = folder, batches, report
        numbers = ("best_val_miou", "best_epoch", "kept_val_miou", "kept_epoch")
        self.state = {"history": [], **dict.fromkeys(numbers), "recipe": asdict(recipe)}

    @property
    def epoch(self):
        return len(self.state["history"])

    def restore(self):
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        arrays = read_arrays(path)
        state = json.loads(arrays.pop("state").tobytes())
        if Recipe.from_json(state["recipe"]) != self.recipe:
            raise ValueError(f"{path} was written by another recipe: remove it to start again.")
        _assign(self._variables(), arrays, path)
        self.state |= state

    def _variables(self):
        return [*self.network.weights, *self.network.optimizer.variables]

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        wall = time.perf_counter() - self.started
        images = len(self.batches) * self.recipe.batch_size
        if not math.isfinite(logs["loss"]):
            raise ValueError(f"The loss became {logs['loss']} in epoch {epoch + 1}: lower the learning rate.")
        is_last = epoch + 1 == self.recipe.epochs
        due = self.recipe.validates and ((epoch + 1) % self.recipe.validate_every == 0 or is_last)
        record = {
            "epoch": epoch + 1,
            "loss": float(logs["loss"]),
            "val_miou": self._validate() if due else None,
            "learning_rate": float(ops.convert_to_numpy(self.network.optimizer.learning_rate)),
            "images_per_s": images / wall,
            "wall_s": wall,
        }
        self.state["history"].append(record)
        best = self.state["best_val_miou"]
        is_best = due and (best is None or record["val_miou"] > best)
        if is_best:
            self.state |= {"best_val_miou": record["val_miou"], "best_epoch": epoch + 1}
        if is_best if self.recipe.selection == "best" else is_last:
            self.state |= {"kept_val_miou": record["val_miou"], "kept_epoch": epoch + 1}
            self._with_averages(lambda: self._write(BEST, _arrays(self.network.weights)))
        text = np.frombuffer(json.dumps(self.state).encode(), np.uint8)
        self._write(CHECKPOINT, {**_arrays(self._variables()), "state": text})
        if self.report:
            self.report(record)

    def _write(self, name, arrays):
        if distribution.process()[0] == 0:
            write_arrays(self.folder / name, arrays)

    def _validate(self):
        return self._with_averages(lambda: validate(self.network, self.dataset).miou)

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


def print_record(record):
    """Prints one line of the learning curve."""
    miou = "" if record["val_miou"] is None else f"  val mIoU {100 * record['val_miou']:5.2f} %"
    print(
        f"epoch {record['epoch']:3d}  loss {record['loss']:.3f}{miou}  "
        f"learning rate {record['learning_rate']:.1e}  {record['images_per_s']:.1f} images/s",
        flush=True,
    )


def validate(model, dataset, split="val"):
    """The `evaluation.Score` of a training network on a split, by the data set's own rule.

    Pictures of the network's input size are segmented directly; others are resized to it and their class
    maps back, which is a little worse than `evaluation.evaluate` at full size and much faster.
    """
    import cv2

    height, width = model.input_shape[1:3]
    matrix = evaluation.ConfusionMatrix(len(dataset.classes))
    for sample in dataset.split(split):
        image, label = dataset.read(sample)
        if label.shape != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        logits = distribution.predict(model, scale_input(image)[None])[0]
        logits = cv2.resize(logits, label.shape[::-1], interpolation=cv2.INTER_LINEAR)
        matrix.update(label, logits.argmax(-1))
    return evaluation.score(matrix, dataset.rule)


def _arrays(variables):
    return {_key(i, v): ops.convert_to_numpy(v) for i, v in enumerate(variables)}


def _key(index, variable):
    # Optimizer variables of different layers may share a path, so the position is part of the key.
    return f"{index:05d}/{variable.path}"


def _assign(variables, arrays, path):
    for index, variable in enumerate(variables):
        array = arrays.get(_key(index, variable))
        if array is None or array.shape != tuple(variable.shape):
            raise ValueError(f"{path} does not belong to this network: '{variable.path}' does not fit.")
        variable.assign(array)

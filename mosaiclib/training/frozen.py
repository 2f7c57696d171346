"""Training of a head alone, on stored feature maps ("taps") of a frozen backbone.

The backbone runs once over a few augmented views of every image, and its taps are kept in float16. A head then trains
from files, at a fraction of the whole network's time, and any number of heads see the very same features. The loss is
taken at a quarter of the crop's size, where the paper's heads end.
"""

import hashlib
import inspect
import json
import shutil
from functools import partial
from pathlib import Path
from uuid import uuid4

import cv2
import keras
import numpy as np
from keras import ops

from mosaiclib import models
from mosaiclib.data.augment import Augmentation
from mosaiclib.data.batches import Batches, scale_input
from mosaiclib.models import blocks
from mosaiclib.models.build import HEADS, head_on, taps_of
from mosaiclib.models.spec import LRASPPHead, MosaicHead
from mosaiclib.models.weights import WEIGHTS_FILE, read_arrays
from mosaiclib.training import losses
from mosaiclib.training.optimizer import compile_network

LOSS_STRIDE = 4
CHUNK = 8  # images that the backbone sees together
STRIDES = (2, 4, 8, 16)
HEAD_LAYERS = tuple(inspect.signature(make).parameters["name"].default for make in HEADS.values())


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
        self.about = json.loads((self.folder / "about.json").read_text(encoding="utf-8"))
        self.taps = {s: np.load(self.folder / f"stride{s}.npy", mmap_mode="r") for s in self.about["strides"]}
        self.labels = np.load(self.folder / "labels.npy", mmap_mode="r")

    def __len__(self):
        return len(self.labels)

    @property
    def shapes(self):
        """{stride: (h, w, C)}."""
        return {stride: array.shape[1:] for stride, array in self.taps.items()}


def store(weights, pairs, size, cache, key, strides=STRIDES, tell=print) -> StoredTaps:
    """Runs the backbone of a weights folder over (image, label) pairs of one size, once; later calls read the files.

    pairs: a function that gives the pairs, uint8 [H, W, 3] and [H, W], a list of functions of no argument. cache: the
    folder of all stored taps. key: a text that, with the weights, says what the pairs are. The size is told before
    anything is written.
    """
    named = hashlib.sha256(f"{models.sha256(weights)} {key} {size} {strides}".encode()).hexdigest()[:16]
    folder = Path(cache) / named
    if (folder / "about.json").is_file():
        return StoredTaps(folder)
    network = backbone(weights, size)
    shapes = {s: output.shape[1:] for s, output in zip(STRIDES, network.outputs, strict=True) if s in strides}
    gigabytes = len(pairs) * sum(2 * np.prod(shape) for shape in shapes.values()) / 1e9
    tell(f"{len(pairs)} views of {size[0]}x{size[1]} are stored in float16: {gigabytes:.1f} GB in {folder}")
    partial_ = folder.with_name(f"{named}.{uuid4().hex[:8]}.partial")
    partial_.mkdir(parents=True)
    try:
        files = {s: np.lib.format.open_memmap(partial_ / f"stride{s}.npy", "w+", np.float16, (len(pairs), *shape))
                 for s, shape in shapes.items()}  # fmt: skip
        labels = np.lib.format.open_memmap(partial_ / "labels.npy", "w+", np.uint8, (len(pairs), *size))
        for start in range(0, len(pairs), CHUNK):
            chunk = [pair() for pair in pairs[start : start + CHUNK]]
            images = np.stack([scale_input(image) for image, _ in chunk])
            labels[start : start + CHUNK] = np.stack([label for _, label in chunk])
            for stride, array in zip(STRIDES, network.predict_on_batch(images), strict=True):
                if stride in files:
                    files[stride][start : start + CHUNK] = array
        for array in (*files.values(), labels):
            array.flush()
        (partial_ / "about.json").write_text(json.dumps({"strides": list(strides), "key": key}), encoding="utf-8")
        partial_.rename(folder)
    except BaseException:
        shutil.rmtree(partial_, ignore_errors=True)
        raise
    return StoredTaps(folder)


def views(dataset, recipe, count):
    """`count` augmented views of every image of the recipe's splits, as functions; the seed decides them, 0 for all."""
    augment = Augmentation(recipe.crop, recipe.scale, recipe.flip, recipe.light, recipe.colour)
    samples = [sample for split in recipe.train_splits for sample in dataset.split(split)]

    def view(index, sample, number):
        return augment(*dataset.read(sample), np.random.default_rng((0, number, index)))

    return [partial(view, i, sample, n) for n in range(count) for i, sample in enumerate(samples)]


def head(spec, shapes, classes):
    """The head of a spec alone, taps {stride: (h, w, C)} to logits; layers are named as in the whole network."""
    inputs = {stride: keras.Input(shape, name=f"tap{stride}") for stride, shape in shapes.items()}
    return keras.Model(list(inputs.values()), head_on(inputs, spec, classes), name="head")


class TapBatches(Batches):
    """Batches of stored views: ([taps by stride], labels at a quarter of the size); (seed, epoch) decide the order."""

    def __init__(self, stored, strides, batch_size, seed):
        super().__init__(range(len(stored)), batch_size, seed, "stored taps", workers=1)
        self.stored, self.strides = stored, strides

    def _batch(self, epoch, index):
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.samples))
        chosen = np.sort(order[index * self.batch_size : (index + 1) * self.batch_size])
        taps = tuple(self.stored.taps[stride][chosen].astype(np.float32) for stride in self.strides)
        half = LOSS_STRIDE // 2
        return taps, self.stored.labels[chosen][:, half::LOSS_STRIDE, half::LOSS_STRIDE]


def loss(labels, logits, dice=0.0):
    """`losses.segmentation_loss` with logits brought to the labels' size; finer ones are averaged."""
    size = labels.shape[1:3]
    if logits.shape[1] > size[0]:
        logits = ops.average_pool(logits, logits.shape[1] // size[0])
    return losses.segmentation_loss(labels, logits, dice=dice)


class HeadTrainer:
    """Trains the head of one spec on stored taps, with one seed after the other; the graph is traced once."""

    def __init__(self, spec, stored, classes, recipe):
        self.spec, self.stored, self.classes, self.recipe = spec, stored, classes, recipe
        self.strides = used(spec)
        self.shapes = {stride: stored.shapes[stride] for stride in self.strides}
        self.batches = TapBatches(stored, self.strides, recipe.batch_size, 0)
        self.model = head(spec, self.shapes, classes)
        self._other_size = {}
        self._compile()

    def _compile(self):
        compile_network(self.model, self.recipe, self.steps, partial(loss, dice=self.recipe.dice))

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

    @property
    def steps(self):
        return self.recipe.epochs * len(self.batches)

    def train(self, seed, report=None) -> list[float]:
        """Trains from fresh weights and gives the mean loss of each epoch; the seed decides weights and order."""
        keras.utils.set_random_seed(seed)
        _copy(head(self.spec, self.shapes, self.classes), self.model)
        for variable in self.model.optimizer.variables:
            variable.assign(ops.zeros_like(variable))
        history = []
        for epoch in range(self.recipe.epochs):
            batches = TapBatches(self.stored, self.strides, self.recipe.batch_size, seed)
            batches.epoch = epoch
            mean = self.model.fit(batches, verbose=0, shuffle=False).history["loss"][0]
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


def used(spec) -> tuple[int, ...]:
    """The strides whose taps the head of a spec reads."""
    skips = {MosaicHead: lambda h: [merge.stride for merge in h.merges], LRASPPHead: lambda h: [h.skip_stride]}
    return tuple(sorted({16, *skips.get(type(spec.head), lambda h: [4])(spec.head)}))


def class_maps(model, stored, strides):
    """Yields (label, class map), uint8 [H, W] and int [H, W], of every stored image, by a head of their size."""
    for start in range(0, len(stored), CHUNK):
        taps = [stored.taps[stride][start : start + CHUNK].astype(np.float32) for stride in strides]
        for label, logits in zip(stored.labels[start : start + CHUNK], model.predict_on_batch(taps), strict=True):
            yield label, cv2.resize(logits, label.shape[::-1], interpolation=cv2.INTER_LINEAR).argmax(-1)


def save_whole(model, weights, folder, card):
    """Writes the backbone of `weights` and a trained head together as the weights folder of a whole network."""
    arrays = read_arrays(Path(weights) / WEIGHTS_FILE)
    kept = {name: array for name, array in arrays.items() if name.partition(".")[0] not in HEAD_LAYERS}
    models.save_arrays(kept | {variable.path: variable for variable in model.weights}, folder, card)

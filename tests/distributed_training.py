"""Trains a small network on all devices, and before that on one where there is one process: see test_distribution.py.

    python distributed_training.py FOLDER

Writes what came out, weights and learning curve, to FOLDER/one.npz and FOLDER/all.npz. The training on all devices is
interrupted after its first epoch and goes on with a network built anew. All of it is in float64: three epochs at so
high a rate amplify a rounding some thousand times, and the order of sums is each processor's own.
"""

import os
import sys
from pathlib import Path

import keras
import numpy as np

from mosaiclib import training
from mosaiclib.data import datasets
from mosaiclib.training import distribution

RECIPE = training.Recipe(
    epochs=3, batch_size=4, crop=(32, 40), learning_rate=0.3, weight_decay=1e-2, warmup_steps=2, dice=0.5, ema=0.5,
    batch_norm_momentum=0.7, class_balance=0.5,
)  # fmt: skip


class RandomPictures(datasets.Dataset):
    """Images in memory whose share of labelled pixels goes from nearly none to all."""

    def read(self, sample):
        number = int(sample.image_path.stem)
        generator = np.random.default_rng(number)
        label = generator.integers(0, 4, (6, 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        image = (label[..., None] * 50 + generator.integers(0, 60, (*label.shape, 3))).astype(np.uint8)
        label[generator.random(label.shape) > (number % 4 + 0.1) / 3.1] = 255
        return image, label

    def fingerprint(self):
        return "drawn by their numbers"

    def split(self, name):
        numbers = range(40) if name == "train" else range(40, 43)
        return [datasets.Sample(Path(f"{number}.png"), Path()) for number in numbers]


def network():
    """Convolution, batch norm and a second convolution at half of the stride, always with the same weights."""
    layers = keras.layers
    inputs = keras.Input((*RECIPE.crop, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="first")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="second")(layers.ReLU()(x))
    built = keras.Model(inputs, x)
    generator = np.random.default_rng(5)
    for variable in built.trainable_variables:
        variable.assign(generator.normal(0, 0.4, variable.shape))
    return built


def two_devices():
    """TensorFlow's CPU as two devices; JAX takes that from XLA_FLAGS."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def main(folder):
    keras.config.set_floatx("float64")
    if keras.backend.backend() == "tensorflow":
        two_devices()
    data = RandomPictures("random", "random", tuple("abcd"), (), (), None)

    def save(name, trained, outcome):
        weights = {f"{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(trained.weights)}
        curve = {key: [record[key] for record in outcome["history"]] for key in ("loss", "val_miou")}
        np.savez(folder / f"{name}.npz", **weights, **curve, devices=distribution.count())

    if "KERAS_DISTRIBUTION_NUM_PROCESSES" not in os.environ:
        trained = network()
        save("one", trained, training.train(trained, data, RECIPE, folder / "one"))
    distribution.start("all")
    training.train(network(), data, RECIPE, folder / "all", stop_after=1)
    trained = network()
    outcome = training.train(trained, data, RECIPE, folder / "all")
    if distribution.process()[0] == 0:
        save("all", trained, outcome)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

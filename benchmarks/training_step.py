"""Seconds a training step takes: forward, backward and update, on random pictures held in memory.

    python benchmarks/training_step.py [NETWORK ...] [--size 256x512] [--batch 4] [--steps 10]

Several networks take turns step by step, so that a drifting machine does not favour one. A step's first calls,
which compile, are not counted. Prints the median and the spread of each, and its ratio to the first.
"""

import argparse
import statistics
import time

import numpy as np

from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.training import losses


def compiled(name, size, classes=19):
    """A network with the optimizer and loss of `mosaiclib.training.loop`, ready for train_on_batch."""
    import keras

    network = models.build(catalogue.get(name), size, classes)
    network.compile(
        keras.optimizers.AdamW(1e-3), losses.segmentation_loss, jit_compile=keras.backend.backend() == "jax"
    )
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["mnmh448-mosaic"])
    parser.add_argument("--size", default="256x512")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    size = tuple(int(side) for side in options.size.split("x"))
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (options.batch, *size, 3)).astype("float32")
    labels = generator.integers(0, 19, (options.batch, *size)).astype("uint8")
    networks = {name: compiled(name, size) for name in options.networks}
    times = {name: [] for name in networks}
    for step in range(options.steps + 2):
        for name, network in networks.items():
            start = time.perf_counter()
            network.train_on_batch(images, labels)
            if step >= 2:
                times[name].append(time.perf_counter() - start)
    first = statistics.median(times[options.networks[0]])
    for name, measured in times.items():
        middle = statistics.median(measured)
        print(
            f"{name}: {middle:.3f} s a step of {options.batch} at {options.size}, "
            f"{min(measured):.3f} to {max(measured):.3f}, {middle / first:.2f} times the first"
        )


if __name__ == "__main__":
    main()

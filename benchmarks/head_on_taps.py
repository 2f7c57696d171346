"""Milliseconds an image that trains: the whole network, one whose backbone is frozen, and a head on stored taps.

    python benchmarks/head_on_taps.py [NETWORK ...] [--size 256x320] [--batch 8] [--steps 8]

The three take turns step by step, on random images, with the backbone's stored batch norm statistics; taps are read
from files. The first two steps of each, which compile, are not counted. Prints medians of wall time and of processor
time, which others on the machine disturb less.
"""

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.models.frozen import with_stored_statistics, without_training
from mosaiclib.training import frozen, losses, memory, recipes, taps
from mosaiclib.training.optimizer import compile_network

CLASSES = 11
NETWORKS = ["mnmh448-mosaic-f64-d64", "mnmh448-mosaic-f64-d64-noskip", "mnmh448-mdl", "mnmh448-dlv3plus"]


def pairs(size, count):
    """Random images with labels in blocks, as functions."""

    def pair(index):
        generator = np.random.default_rng(index)
        label = generator.integers(0, CLASSES, [side // 16 for side in size], np.uint8).repeat(16, 0).repeat(16, 1)
        return generator.integers(0, 256, (*size, 3), np.uint8), label

    return [partial(pair, index) for index in range(count)]


def steps(name, size, batch, folder):
    """{what: function that makes one step}."""
    spec = catalogue.get(name)
    plan = recipes.Recipe(1, batch, size, 1e-3, "adamw", selection="last")
    network = models.build(spec, size, CLASSES)
    models.save(network, folder, models.Card(spec, ("",) * CLASSES, "random", size))
    whole = with_stored_statistics(network, spec.backbone)
    part = without_training(models.build(spec, size, CLASSES), spec.backbone)
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (batch, *size, 3)).astype(np.float32)
    labels = np.stack([pair()[1] for pair in pairs(size, batch)])
    for network in (whole, part):
        compile_network(network, plan, 1000, losses.segmentation_loss)
    stored = taps.store(folder, pairs(size, 4 * batch), size, folder.parent / "taps", name)
    trainer = frozen.HeadTrainer(spec, stored, CLASSES, plan)
    counter = iter(range(1 << 30))
    return {
        "whole network": lambda: whole.train_on_batch(images, labels),
        "backbone frozen": lambda: part.train_on_batch(images, labels),
        "head on taps": lambda: trainer.model.train_on_batch(*trainer.batches._batch(0, next(counter) % 4)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--size", default="256x320")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    size = tuple(int(side) for side in options.size.split("x"))
    memory.keep_freed_memory()
    for name in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            ways = steps(name, size, options.batch, Path(folder) / "weights")
            measured = {what: [] for what in ways}
            for _ in range(options.steps + 2):
                for what, step in ways.items():
                    start = time.perf_counter(), time.process_time()
                    step()
                    measured[what].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        first = None
        for what, times in measured.items():
            wall, busy = (1000 * statistics.median(column) / options.batch for column in zip(*times[2:], strict=True))
            first = first or (wall, busy)
            print(
                f"{name}, {what}: {wall:.0f} ms an image ({first[0] / wall:.1f} times as fast), "
                f"processor {busy:.0f} ms ({first[1] / busy:.1f} times)",
                flush=True,
            )


if __name__ == "__main__":
    main()

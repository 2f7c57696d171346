"""Images a second of the training input by the paper's recipe, beside decoding alone and a tf.data pipeline.

    python benchmarks/input_pipeline.py [--pictures 24] [--rounds 5] [--workers N]

The files are synthetic 1024x2048 PNG pairs in Cityscapes' layout, drawn once to a temporary folder, with noise that
makes an image about as large as Cityscapes' (2.3 MB). In each round three take turns over the same files:

* decoding alone: OpenCV reads image and label map, in as many threads as the pipeline has workers;
* this library: `TrainingBatches`, iterated as Keras does in `fit`;
* tf.data: decode, map ids, scale, crop, flip, batch and prefetch as the tutorials write it, with AUTOTUNE.

Prints the median of each, and the ratios within a round: their median, lowest and highest.
"""

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from mosaiclib.data import datasets, images
from mosaiclib.data.augment import Augmentation
from mosaiclib.data.batches import TrainingBatches
from mosaiclib.data.sets import cityscapes, minicity
from mosaiclib.training import recipes

SIZE = (1024, 2048)
TO_DISK = {train_id: on_disk for on_disk, train_id in cityscapes.TRAIN_IDS.items()}


def draw(root, count):
    """Writes `count` synthetic pairs in Cityscapes' layout."""
    generator = np.random.default_rng(0)
    table = np.array([TO_DISK.get(i, 0) for i in range(256)], np.uint8)
    for number in range(count):
        image, label = minicity.scene(number, (256, 512))
        image = cv2.resize(image, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        noise = generator.normal(0, 1, image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
        label = cv2.resize(table[label], SIZE[::-1], interpolation=cv2.INTER_NEAREST)
        stem = f"drawn_{number:06d}_000000"
        images.write_png(root / f"leftImg8bit/train/drawn/{stem}_leftImg8bit.png", image)
        images.write_png(root / f"gtFine/train/drawn/{stem}_gtFine_labelIds.png", label)


def decode_alone(samples, threads):
    """Decodes all files once; returns how many images."""

    def decode(sample):
        return cv2.imread(str(sample.image_path)).size + cv2.imread(str(sample.label_path), cv2.IMREAD_UNCHANGED).size

    with ThreadPoolExecutor(threads) as pool:
        return len(list(pool.map(decode, samples)))


def library(batches):
    """One epoch, batch by batch, as Keras' fit draws it."""
    batches.epoch += 1
    return sum(len(batches[index][0]) for index in range(len(batches)))


def tf_data(samples, recipe):
    """A `tf.data.Dataset` of one epoch that does what the library does."""
    import tensorflow as tf

    table = tf.constant([cityscapes.TRAIN_IDS.get(i, 255) for i in range(256)], tf.uint8)
    height, width = recipe.crop

    def load(image_path, label_path):
        image = tf.io.decode_png(tf.io.read_file(image_path), channels=3)
        label = tf.gather(table, tf.cast(tf.io.decode_png(tf.io.read_file(label_path), channels=1), tf.int32))
        return image, label

    def augment(image, label):
        factor = tf.random.uniform([], *recipe.scale)
        size = tf.cast(tf.round(factor * tf.cast(tf.shape(label)[:2], tf.float32)), tf.int32)
        image = tf.image.resize(image, size)
        label = tf.cast(tf.image.resize(label, size, method="nearest"), tf.float32)
        pad = tf.maximum([height, width] - size, 0)
        margins = [[0, pad[0]], [0, pad[1]], [0, 0]]
        image = tf.pad(image / 127.5 - 1, margins)
        label = tf.pad(label, margins, constant_values=255)
        both = tf.image.random_crop(tf.concat([image, label], -1), [height, width, 4])
        both = tf.image.random_flip_left_right(both)
        return both[..., :3], tf.cast(both[..., 3], tf.uint8)

    paths = [[str(path) for path in column] for column in zip(*samples, strict=True)]
    return (
        tf.data.Dataset.from_tensor_slices(tuple(paths))
        .shuffle(len(samples))
        .map(load, num_parallel_calls=tf.data.AUTOTUNE)
        .map(augment, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(recipe.batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    recipe = recipes.load("paper")
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), options.pictures)
        data = datasets.get("cityscapes", folder)
        samples = data.split("train")
        megabytes = np.mean([sample.image_path.stat().st_size for sample in samples]) / 1e6
        augmentation = Augmentation(recipe.crop, recipe.scale, recipe.flip)
        batches = TrainingBatches(data, ("train",), augmentation, recipe.batch_size, 0, options.workers)
        plain = tf_data(samples, recipe)
        ways = {
            "decoding alone": partial(decode_alone, samples, options.workers),
            "this library": partial(library, batches),
            "tf.data": lambda: sum(len(images) for images, _ in plain),
        }
        rates = {name: [] for name in ways}
        for turn in range(options.rounds + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                pictures = way()
                if turn:  # the first turn warms caches and compiles
                    rates[name].append(pictures / (time.perf_counter() - start))
    print(
        f"{options.pictures} PNG pairs of {SIZE[0]}x{SIZE[1]} (images {megabytes:.1f} MB each), crop "
        f"{recipe.crop[0]}x{recipe.crop[1]}, batch {recipe.batch_size}, {options.workers} threads, "
        f"{options.rounds} rounds"
    )
    for name, found in rates.items():
        print(f"{name}: {statistics.median(found):.1f} images/s")
    for name in ("decoding alone", "tf.data"):
        ratios = [ours / theirs for ours, theirs in zip(rates["this library"], rates[name], strict=True)]
        print(
            f"this library / {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f} by round)"
        )


if __name__ == "__main__":
    main()

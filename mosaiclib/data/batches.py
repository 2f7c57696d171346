"""Batches for training: decoded, augmented and scaled by OpenCV in worker threads, without TensorFlow."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import keras
import numpy as np

_SCALED = np.arange(256, dtype=np.float32) / 127.5 - 1


def scale_input(image, into=None):
    """uint8 RGB [H, W, 3] to the networks' input range: float32 in [-1, 1], written to the array `into` if given."""
    return cv2.LUT(image, _SCALED, into)


class Batches(keras.utils.PyDataset):
    """An epoch over `samples`; what a batch holds depends on (seed, epoch, index) and nothing else.

    Set `epoch` before each epoch begins. Yields (float32 [B, h, w, 3] in [-1, 1], targets [B, ...]); samples that
    do not fill a last batch are left out of the epoch. The order is the same whatever the number of workers, which
    are threads: OpenCV and Pillow let others run while they decode. Subclasses say what a sample becomes.
    part: the slice of each batch that is yielded, where several processes read one batch together.
    error: what was raised by a sample that cannot be read; TensorFlow passes on its text alone, among others.
    """

    def __init__(self, samples, batch_size, seed, described, workers=None, part=slice(None)):
        # Not Keras' own threads: under JAX their queue hands what is left of one epoch on to the next.
        super().__init__(workers=1)
        workers = workers or min(8, os.cpu_count())
        self._threads, self._ahead = ThreadPoolExecutor(workers), workers + 2
        self._lock, self._pending = threading.Lock(), {}
        self.samples, self.batch_size, self.seed, self.epoch = samples, batch_size, seed, 0
        self.part, self.error = part, None
        if len(samples) < batch_size:
            raise ValueError(f"{described}: there are {len(samples)} images, fewer than a batch of {batch_size}.")

    def __len__(self):
        return len(self.samples) // self.batch_size

    def __getitem__(self, index):
        """The batch, while threads make the ones after it."""
        keys = [(self.epoch, i) for i in range(index, min(index + self._ahead, len(self)))]
        with self._lock:
            for passed_over in self._pending.keys() - keys:
                self._pending.pop(passed_over).cancel()
            for key in keys:
                if key not in self._pending:
                    self._pending[key] = self._threads.submit(self._batch, *key)
            wanted = self._pending.pop(keys[0])
        try:
            return wanted.result()
        except Exception as error:
            self.error = error
            raise

    def _batch(self, epoch, index):
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.samples))
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size][self.part]
        pairs = [self.pair(self.samples[i], np.random.default_rng((self.seed, epoch, i))) for i in chosen]
        images = np.empty((len(pairs), *pairs[0][0].shape), np.float32)
        for position, (image, _) in enumerate(pairs):
            scale_input(image, images[position])
        return images, np.stack([target for _, target in pairs])

    def state(self):
        """A text that changes with what the batches hold; here with the samples' names."""
        return hashlib.sha256(repr([str(sample) for sample in self.samples]).encode()).hexdigest()

    def pair(self, sample, generator):
        """(uint8 [h, w, 3], target) of a sample, by that random generator."""
        raise NotImplementedError


class TrainingBatches(Batches):
    """Batches of one or more splits of a `Dataset`: the targets are uint8 [B, h, w] train ids, 255 ignored."""

    def __init__(self, dataset, splits, augmentation, batch_size, seed, workers=None, part=slice(None)):
        samples = [sample for split in splits for sample in dataset.split(split)]
        super().__init__(samples, batch_size, seed, f"{dataset.name}, {' and '.join(splits)}", workers, part)
        self.dataset, self.augmentation = dataset, augmentation

    def pair(self, sample, generator):
        return self.augmentation(*self.dataset.read(sample), generator)

    def state(self):
        """A text that changes with the files of the data set, val split included, its classes and their ids."""
        return f"{self.dataset.fingerprint()} {self.dataset.classes} {self.dataset.to_train_id}"

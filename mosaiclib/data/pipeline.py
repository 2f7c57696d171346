"""Batches for training: decoded, augmented and scaled by OpenCV in worker threads, without TensorFlow."""

import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np


def scale_input(image):
    """uint8 RGB to the networks' input range: float32 in [-1, 1]."""
    return image.astype(np.float32) / 127.5 - 1


class TrainingBatches(keras.utils.PyDataset):
    """An epoch over one or more splits; what a batch holds depends on (seed, epoch, index) and nothing else.

    Set `epoch` before each epoch begins.
    Yields (float32 [B, h, w, 3] in [-1, 1], uint8 [B, h, w] train ids, 255 ignored). Samples that do not
    fill a last batch are left out of the epoch. The order is the same whatever the number of workers.
    part: the slice of each batch that is yielded, where several processes read one batch together.
    """

    def __init__(self, dataset, splits, augmentation, batch_size, seed, workers=2, part=slice(None)):
        # Not Keras' own threads: under JAX their queue hands what is left of one epoch on to the next.
        super().__init__(workers=1)
        self._threads, self._ahead = ThreadPoolExecutor(workers), workers + 2
        self._lock, self._pending = threading.Lock(), {}
        self.dataset = dataset
        self.samples = [sample for split in splits for sample in dataset.split(split)]
        self.augmentation, self.batch_size, self.seed = augmentation, batch_size, seed
        self.epoch, self.part = 0, part
        if len(self.samples) < batch_size:
            raise ValueError(
                f"{dataset.name} has {len(self.samples)} pictures in {' and '.join(splits)}, "
                f"fewer than a batch of {batch_size}."
            )

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
        return wanted.result()

    def _batch(self, epoch, index):
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.samples))
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size][self.part]
        pairs = [self._sample(epoch, number) for number in chosen]
        return scale_input(np.stack([image for image, _ in pairs])), np.stack([label for _, label in pairs])

    def _sample(self, epoch, number):
        generator = np.random.default_rng((self.seed, epoch, number))
        return self.augmentation(*self.dataset.read(self.samples[number]), generator)

"""Validation during training, as an evaluation would have it: images at their own size, by the data set's protocol."""

from contextlib import contextmanager

import cv2
import keras
import numpy as np

from mosaiclib import evaluation
from mosaiclib.data.batches import scale_input
from mosaiclib.models.building import build
from mosaiclib.training import distribution

SIZES = 3  # of a split's images; a network is kept for each


class Validation:
    """The `evaluation.Score` of a training network on a split, as notebook 30 would find it with the weights of now.

    For each size of image, SIZES at most, a network of `spec` in float32 is built once and takes over the weights.
    Without a spec, for images of further sizes, and for images too small for the network, which is printed, an image is
    resized to the network's own input size and its logits back: faster, and a little worse.
    """

    def __init__(self, model, dataset, split="val", spec=None):
        self.model, self.dataset, self.split, self.spec = model, dataset.for_evaluation(), split, spec
        self.networks = {}

    def __call__(self):
        trained = {variable.path: keras.ops.convert_to_numpy(variable) for variable in self.model.weights}
        for network in self.networks.values():
            _take_over(network, trained)

        def classes_of(image):
            size = image.shape[:2]
            if self.spec and size not in self.networks and len(self.networks) < SIZES:
                self.networks[size] = self._built(size)
                _take_over(self.networks[size], trained)
            if self.networks.get(size):
                return distribution.predict(self.networks[size], scale_input(image)[None])[0]
            return self._resized(image)

        matrix = evaluation.evaluate(classes_of, self.dataset, self.split)
        return evaluation.score(matrix, self.dataset.rule)

    def _built(self, size):
        """The network for images of a size, or None where they are too small for it."""
        try:
            with _float32():
                return build(self.spec, size, len(self.dataset.classes), "classes")
        except ValueError as error:
            print(f"Images of {size[1]}x{size[0]} are validated resized to the crop. {error}")

    def _resized(self, image):
        height, width = self.model.input_shape[1:3]
        inputs = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        logits = distribution.predict(self.model, scale_input(inputs)[None])[0].astype(np.float32)
        return cv2.resize(logits, image.shape[1::-1], interpolation=cv2.INTER_LINEAR).argmax(-1)


def _take_over(network, trained):
    for variable in network.weights if network else ():
        variable.assign(trained[variable.path])


@contextmanager
def _float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)

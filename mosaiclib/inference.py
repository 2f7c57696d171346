"""Networks as functions from an image to its classes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mosaiclib import models
from mosaiclib.data import datasets
from mosaiclib.data.augment import GREY
from mosaiclib.data.batches import scale_input
from mosaiclib.models.weights import CARD_FILE


@dataclass(frozen=True)
class Network:
    """A network as a function from an image uint8 [H, W, 3] of any size to its class map uint8 [H, W].

    classes, palette: names and colours (r, g, b). input_size: (height, width) of what `look` takes, uint8 [h, w, 3]; it
    gives (integer classes [h, w], their probabilities float32 [h, w] in 0..1, or None where there are none). about:
    what its weights' card or our exporter says of it, {} for a foreign file.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    input_size: tuple[int, int]
    look: Callable
    about: dict = field(default_factory=dict)

    def was_trained_on(self, dataset, split) -> bool:
        """Whether it says that it was trained on this split: its score there says nothing of new images."""
        splits = str(self.about.get("provenance", {}).get("splits", "")).split(",")
        return self.about.get("dataset") == dataset and split in splits

    def __call__(self, image):
        return segment(lambda canvas: self.look(canvas)[0], image, self.input_size)

    def fitted(self, image):
        """(classes, probabilities or None) of an image in its own aspect, as large as the network's input allows."""
        canvas, (rows, columns) = letterbox(image, self.input_size)
        found, confidence = self.look(canvas)
        return found[:rows, :columns], None if confidence is None else confidence[:rows, :columns]


def open_network(path, input_size=None, confident=False, threads=1) -> Network:
    """The network of a weights folder, of the folder of a run that has one, or of a .tflite file.

    input_size: of a network from weights, by default its card's. confident: such a network gives probabilities, too.
    threads: of a .tflite's interpreter. Raises ValueError where there is no network or it is damaged.
    """
    path = Path(path)
    if path.suffix != ".tflite" and not path.is_file():
        folder = path / "weights" if (path / "weights" / CARD_FILE).is_file() else path
        model = models.load(folder, input_size, output="probabilities" if confident else "classes")
        return of_keras(model, models.load_card(folder))
    from mosaiclib.tflite.segmenter import TFLiteSegmenter

    segmenter = TFLiteSegmenter(path, threads)
    palette = (segmenter.about or {}).get("palette") or datasets.palette_of("", len(segmenter.names))
    colours = tuple(tuple(colour) for colour in palette)
    return Network(
        path.name, segmenter.names, colours, segmenter.input_size, lambda x: (segmenter.classes(x), None),
        segmenter.about or {},
    )  # fmt: skip


def of_keras(model, card) -> Network:
    """The same of a Keras network with output "classes" or "probabilities"; card: what its weights are."""
    palette = tuple(datasets.palette_of(card.dataset, len(card.classes)))

    def look(canvas):
        output = keras_runner(model)(canvas)
        return (output, None) if output.ndim == 2 else (output.argmax(-1).astype(np.uint8), output.max(-1))

    return Network(card.spec.name, tuple(card.classes), palette, model.input_shape[1:3], look, vars(card))


class KerasSegmenter:
    """A Keras network as a function from an image, uint8 [H, W, 3], to its class map, integer [H, W].

    build: called with (height, width) and an output of `models.build`, returns the network; one is kept at a time.
    The output is "classes". input_scale: images are resized by this factor before the network sees them; the output
    is then "logits", which are resized to the image's own size before the largest is taken.
    """

    def __init__(self, build, input_scale=1.0):
        if not input_scale > 0:
            raise ValueError(f"Images cannot be resized by {input_scale}: input_scale must be above 0.")
        self._build, self._scale, self._size, self._model = build, input_scale, None, None
        self._output = "classes" if input_scale == 1 else "logits"

    def __call__(self, image):
        own = image.shape[:2]
        size = tuple(round(self._scale * side) for side in own)
        if size != self._size:
            self._model, self._size = self._build(size, self._output), size
        if size != own:
            image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
        output = np.asarray(self._model.predict_on_batch(scale_input(image)[None]))[0]
        if output.ndim == 2:
            return output
        return cv2.resize(output, own[::-1], interpolation=cv2.INTER_LINEAR).argmax(-1)


def letterbox(image, size):
    """Fits an image into `size` (height, width), keeping its aspect, at the top left; the rest is grey.

    The protocol of MLPerf Mobile's ADE20K. Returns (uint8 [height, width, 3], (rows, columns) in use).
    """
    factor = min(size[0] / image.shape[0], size[1] / image.shape[1])
    rows, columns = (max(1, int(side * factor)) for side in image.shape[:2])
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    canvas = np.full((*size, 3), GREY, np.uint8)
    canvas[:rows, :columns] = cv2.resize(image, (columns, rows), interpolation=method)
    return canvas, (rows, columns)


def segment(classes_of, image, size):
    """The class map uint8 [H, W] of an image of any size.

    classes_of: from uint8 [h, w, 3] of `size` to integer [h, w]: a TFLite file's runner, or `keras_runner`.
    """
    canvas, (rows, columns) = letterbox(image, size)
    found = np.asarray(classes_of(canvas))[:rows, :columns].astype(np.uint8)
    return cv2.resize(found, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def agreement(one, other, image, size):
    """The share of an image's pixels (without the grey beside it) where two networks find the same class."""
    canvas, (rows, columns) = letterbox(image, size)
    return float((one(canvas) == other(canvas))[:rows, :columns].mean())


def keras_runner(model):
    """A Keras network as a function from uint8 [h, w, 3] to its output, [h, w] where that is "classes"."""
    return lambda canvas: np.asarray(model.predict_on_batch(scale_input(canvas)[None]))[0]

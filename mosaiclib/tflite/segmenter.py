"""Runs a .tflite file on images, and reads what the file says about itself."""

from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from mosaiclib.tflite import refusals, signature, standard_metadata
from mosaiclib.tflite.graph import TFLiteGraph
from mosaiclib.tflite.metadata import metadata_of


class TFLiteSegmenter:
    """A .tflite segmentation network as a function from uint8 RGB [H, W, 3] to classes int32 [H, W].

    The graph's input may be float32, in [-1, 1] where the file's metadata says nothing else, or quantised; its output
    classes [1, h, w], resized by nearest neighbour, or scores [1, h, w, C], resized bilinearly, whose largest is taken;
    of one score a pixel, a probability, class 1 is what lies above a half. Of several outputs, the one that is such a
    map counts.
    threads: of the interpreter. about: what our exporter wrote into the file, or None. names: of its classes, of a
    foreign file from standard or Ultralytics' metadata, numbered where it says nothing. input_size: (height, width).
    Raises ValueError for a file that is no complete TFLite model, that has other inputs or outputs or cannot run here,
    and for an image of another size.
    """

    def __init__(self, path, threads=1):
        self.path = Path(path)
        with self._refusals():
            self._open(threads)

    def _open(self, threads):
        from ai_edge_litert.interpreter import Interpreter

        path = self.path
        graph = TFLiteGraph(path)  # refuses damaged files, which the interpreter may not survive
        self.about = metadata_of(graph)
        self._foreign = None if self.about else standard_metadata.read(path, graph.metadata(standard_metadata.NAME))
        self._interpreter = Interpreter(model_content=path.read_bytes(), num_threads=threads)
        self._input = signature.image_input(path, self._interpreter.get_input_details())
        if self._input["shape_signature"][0] != 1:
            self._interpreter.resize_tensor_input(self._input["index"], [1, *self._input["shape"][1:]])
        self._interpreter.allocate_tensors()
        self.input_size = tuple(int(side) for side in self._input["shape"][1:3])
        self._output = signature.map_output(path, self._interpreter.get_output_details(), self.input_size)
        classes = signature.classes_of(self._output)
        self._threshold = signature.threshold(path, graph, self._output) if classes == 1 else None
        if self.about:
            self.names = tuple(self.about["classes"])
            if classes not in (None, len(self.names)):
                raise ValueError(f"{path} names {len(self.names)} classes and gives {classes}: export it again.")
        else:
            count = {None: signature.MAXIMUM_CLASSES, 1: 2}.get(classes, classes)
            self.names = tuple(f"class {i}" for i in range(count))
            if self._foreign and self._foreign.labels:
                self.names = self._named(classes)

    def _named(self, classes):
        """The names of a foreign file's classes. Raises ValueError where they do not fit what it gives."""
        labels = self._foreign.labels
        if classes == 1 and len(labels) == 1:
            return ("background", *labels)
        if classes not in (None, 1, len(labels)):
            raise ValueError(f"{self.path} names {len(labels)} classes in its metadata and gives {classes}.")
        return labels

    def classes(self, image):
        """The class map of an image of the graph's own size. Raises ValueError for a class that it cannot have."""
        with self._refusals():
            return self._classes(image)

    def _classes(self, image):
        values = self.output(image)
        if values.ndim == 2:
            if values.min() < 0 or values.max() >= len(self.names):
                least, most = int(values.min()), int(values.max())
                raise ValueError(f"{self.path} gives classes from {least} to {most}, of {len(self.names)}.")
            return cv2.resize(values.astype(np.int32), self.input_size[::-1], interpolation=cv2.INTER_NEAREST)
        convention = (self.about or {}).get("spec", {}).get("resize", "half_pixel")
        scores = resize_bilinear(values, self.input_size, convention)
        if self._threshold is not None:
            return (scores[..., 0] > self._threshold).astype(np.int32)
        return scores.argmax(-1).astype(np.int32)

    def output(self, image):
        """What the graph gives for an image of its own size: classes [h, w] or scores float32 [h, w, C]."""
        if image.shape != (*self.input_size, 3):
            height, width = image.shape[:2]
            raise ValueError(
                f"{self.path} takes images of {self.input_size}, but this one is {(height, width)}: "
                f"export the network with --input-size {height}x{width}."
            )
        with self._refusals():
            self._interpreter.set_tensor(self._input["index"], as_input(image, self._input, self._foreign)[None])
            self._interpreter.invoke()
        values = self._interpreter.get_tensor(self._output["index"])[0]
        if signature.classes_of(self._output) is None:
            return values.reshape(values.shape[:2])
        return dequantised(values, self._output)

    @contextmanager
    def _refusals(self):
        """What breaks the runtime or a reader of a foreign file, wherever that is, becomes a sentence with its name."""
        try:
            yield
        except Exception as error:
            if isinstance(error, (ValueError, OSError)) and str(self.path) in str(error):
                raise
            why = refusals.reason(error) or type(error).__name__
            raise ValueError(f"{self.path} cannot run here: {why}.") from None


def as_input(image, tensor, described=None):
    """A uint8 image as the values of an input tensor (the interpreter's own description of it).

    A float32 input is [-1, 1], or what `described`, a `standard_metadata.Described`, makes of 0..255. A quantised one
    says by its scale what it takes: a range that begins with 0, or [-1, 1].
    """
    kind = tensor["dtype"]
    if kind == np.uint8:
        return image
    scaled = image.astype(np.float32) / 127.5 - 1
    if kind == np.float32:
        if described and described.mean and described.std:
            return (image.astype(np.float32) - np.float32(described.mean)) / np.float32(described.std)
        return scaled
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(kind)
    if zero_point == limits.min:
        scaled = (scaled + 1) / 2 * scale * (limits.max - limits.min)
    return np.clip(np.round(scaled / scale + zero_point), limits.min, limits.max).astype(kind)


def dequantised(values, tensor):
    """The float32 that stored values of a tensor mean."""
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - zero_point) * scale if scale else values.astype(np.float32)


def resize_bilinear(x, size, convention):
    """x [h, w, C] at another (height, width), by one of the conventions of `blocks.BilinearResize`."""
    for axis, target in enumerate(size):
        length = x.shape[axis]
        half = 0.5 if convention == "half_pixel" else 0.0
        position = np.clip((np.arange(target) + half) * (length / target) - half, 0, length - 1)
        below = np.floor(position).astype(int)
        weight = np.expand_dims((position - below).astype(np.float32), tuple(a for a in range(3) if a != axis))
        low, high = x.take(below, axis), x.take(np.minimum(below + 1, length - 1), axis)
        x = low + (high - low) * weight
    return x

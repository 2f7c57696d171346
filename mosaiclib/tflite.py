"""Runs a .tflite file on pictures: the light way, without TensorFlow."""

from pathlib import Path

import numpy as np

from mosaiclib.models.pretrained.tflite_graph import TFLiteGraph


class TFLiteSegmenter:
    """A .tflite segmentation network as a function from uint8 RGB [H, W, 3] to classes int32 [H, W].

    The graph's input may be float32 in [-1, 1] or 8-bit; its output classes [1, H, W] or logits
    [1, H, W, C], whose argmax is taken. threads: of the interpreter.
    Raises ValueError for a file that is no complete TFLite model, or a picture of another size.
    """

    def __init__(self, path, threads=1):
        from ai_edge_litert.interpreter import Interpreter

        TFLiteGraph(path)  # refuses damaged files, which the interpreter may not survive
        self.path = Path(path)
        self._interpreter = Interpreter(model_content=self.path.read_bytes(), num_threads=threads)
        self._interpreter.allocate_tensors()
        (self._input,), (self._output,) = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        self.input_size = tuple(int(side) for side in self._input["shape"][1:3])

    def classes(self, image):
        """The class map of a picture of the graph's own size."""
        if image.shape != (*self.input_size, 3):
            raise ValueError(f"{self.path} takes pictures of {self.input_size}, but this one is {image.shape[:2]}.")
        self._interpreter.set_tensor(self._input["index"], self._as_input(image)[None])
        self._interpreter.invoke()
        found = self._interpreter.get_tensor(self._output["index"])[0]
        return (found.argmax(-1) if found.ndim == 3 else found).astype(np.int32)

    def _as_input(self, image):
        kind = self._input["dtype"]
        if kind == np.uint8:
            return image
        scaled = image.astype(np.float32) / 127.5 - 1
        if kind == np.float32:
            return scaled
        scale, zero_point = self._input["quantization"]
        limits = np.iinfo(kind)
        return np.clip(np.round(scaled / scale + zero_point), limits.min, limits.max).astype(kind)

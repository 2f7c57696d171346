"""Runs a .tflite file on pictures, and reads what the file says about itself."""

from pathlib import Path

import numpy as np

from mosaiclib.tflite.metadata import read_metadata


class TFLiteSegmenter:
    """A .tflite segmentation network as a function from uint8 RGB [H, W, 3] to classes int32 [H, W].

    The graph's input may be float32 in [-1, 1] or 8-bit; its output classes [1, H, W] or logits
    [1, h, w, C], which are resized bilinearly to the picture where they are smaller, and whose argmax is
    taken. threads: of the interpreter. about: what the file says about itself, or None.
    Raises ValueError for a file that is no complete TFLite model, or a picture of another size.
    """

    def __init__(self, path, threads=1):
        from ai_edge_litert.interpreter import Interpreter

        self.path = Path(path)
        self.about = read_metadata(path)  # refuses damaged files, which the interpreter may not survive
        self._interpreter = Interpreter(model_content=self.path.read_bytes(), num_threads=threads)
        self._interpreter.allocate_tensors()
        (self._input,), (self._output,) = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        self.input_size = tuple(int(side) for side in self._input["shape"][1:3])

    def classes(self, image):
        """The class map of a picture of the graph's own size."""
        found = self.output(image)
        if found.ndim == 2:
            return found.astype(np.int32)
        convention = (self.about or {}).get("spec", {}).get("resize", "half_pixel")
        return resize_bilinear(found, self.input_size, convention).argmax(-1).astype(np.int32)

    def output(self, image):
        """What the graph gives for a picture of its own size: classes [H, W] or logits float32 [h, w, C]."""
        if image.shape != (*self.input_size, 3):
            height, width = image.shape[:2]
            raise ValueError(
                f"{self.path} takes pictures of {self.input_size}, but this one is {(height, width)}: "
                f"export the network with --input-size {height}x{width}."
            )
        self._interpreter.set_tensor(self._input["index"], as_input(image, self._input)[None])
        self._interpreter.invoke()
        found = self._interpreter.get_tensor(self._output["index"])[0]
        return found if found.ndim == 2 else dequantised(found, self._output)


def as_input(image, tensor):
    """A uint8 picture as the values of an input tensor (the interpreter's own description of it)."""
    kind = tensor["dtype"]
    if kind == np.uint8:
        return image
    scaled = image.astype(np.float32) / 127.5 - 1
    if kind == np.float32:
        return scaled
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(kind)
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

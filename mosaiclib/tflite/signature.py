"""What a foreign .tflite file takes and gives, checked before anything is computed: right, or refused by its shape."""

import numpy as np

IMAGE_DTYPES = (np.float32, np.uint8, np.int8, np.int16)
MAXIMUM_CLASSES = 255  # 255 itself is what is ignored
_KEEPS_VALUES = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "RESIZE_BILINEAR",
                 "RESIZE_NEAREST_NEIGHBOR", "SLICE", "STRIDED_SLICE", "PAD", "CAST")  # fmt: skip


def image_input(path, inputs):
    """The interpreter's description of the one input, [1 or any, H, W, 3].

    Raises ValueError for other inputs, and for one whose height and width are open.
    """
    if len(inputs) != 1:
        raise ValueError(f"{path} takes {len(inputs)} inputs ({_listed(inputs)}), and not one image.")
    (tensor,) = inputs
    shape = tuple(map(int, tensor.get("shape_signature", tensor["shape"])))
    if len(shape) != 4 or shape[0] not in (1, -1) or shape[3] != 3 or tensor["dtype"] not in IMAGE_DTYPES:
        raise ValueError(f"{path} takes {_listed(inputs)}, and not one RGB image [1, height, width, 3].")
    if min(shape[1:3]) < 1:
        raise ValueError(f"{path} takes {_listed(inputs)}, an image of any size: convert it again with a fixed one.")
    if tensor["dtype"] in (np.int8, np.int16) and not tensor["quantization"][0]:
        raise ValueError(f"{path} takes {_listed(inputs)} without a scale: what its values mean is not known.")
    return tensor


def map_output(path, outputs, input_size):
    """The description of the one output that is a map: integer [1, h, w], or scores [1, h, w, C].

    h and w are those of the input, but for one factor. Raises ValueError where there is none or several.
    """
    maps = [tensor for tensor in outputs if _is_map(tensor, input_size)]
    if len(maps) != 1:
        height, width = input_size
        raise ValueError(
            f"{path} gives {_listed(outputs)}: {'several are maps' if maps else 'none is a map'} of classes for its "
            f"input of {height}x{width}, [1, h, w] of whole numbers or [1, h, w, classes]."
        )
    return maps[0]


def classes_of(tensor):
    """How many scores a pixel a map has; None where it holds classes, as whole numbers without a scale."""
    shape = tensor["shape"]
    if len(shape) == 3 or (shape[3] == 1 and _is_whole(tensor)):
        return None
    return int(shape[3])


def threshold(path, graph, tensor):
    """Above which score a pixel of a map with one channel is the object: 0.5 behind a sigmoid.

    graph: of `TFLiteGraph`. Raises ValueError where the file does not say that the scores are probabilities.
    """
    index = tensor["index"]
    while (operation := graph.producer.get(index)) and operation.kind in _KEEPS_VALUES:
        index = operation.inputs[0]
    if operation is None or operation.kind != "LOGISTIC":
        raise ValueError(
            f"{path} gives {_listed([tensor])}, one number a pixel, and not by a sigmoid: which numbers are the object "
            "is not known. Convert it with a sigmoid at its end."
        )
    return 0.5


def _is_map(tensor, input_size):
    shape = tuple(map(int, tensor["shape"]))
    if len(shape) not in (3, 4) or shape[0] != 1:
        return False
    (h, w), (height, width) = shape[1:3], input_size
    if abs(h * width - w * height) > max(height, width):  # sides that were halved may have been rounded up
        return False
    if len(shape) == 3:
        return _is_whole(tensor)
    return shape[3] <= MAXIMUM_CLASSES


def _is_whole(tensor):
    return np.issubdtype(tensor["dtype"], np.integer) and not tensor["quantization"][0]


def _listed(tensors):
    return " and ".join(
        f"{tensor['name']} {[int(side) for side in tensor.get('shape_signature', tensor['shape'])]} "
        f"{np.dtype(tensor['dtype']).name}"
        for tensor in tensors
    )

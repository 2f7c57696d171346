"""From a Keras network to .tflite files, as phones run them: batch 1, a fixed size, nothing computed outside.

float32, float16 and dynamic (8-bit weights, float activations) take float32 pixels in [-1, 1]. int8 computes
with integers throughout, with weights quantised per channel, and takes raw uint8 pixels: its input has scale
1 / 127.5 and zero point 128. What the file holds is written into its metadata.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import keras
import numpy as np

from mosaiclib import models
from mosaiclib.models.blocks import BilinearResize, ClassMap
from mosaiclib.models.pretrained.tflite_graph import TFLiteGraph, schema

PRECISIONS = ("float32", "float16", "dynamic", "int8")
METADATA = "mosaic"


@dataclass(frozen=True)
class ExportedFile:
    """One file: its precision, path, size in MB (10^6 bytes) and how many operations of each kind it has."""

    precision: str
    path: Path
    size_mb: float
    ops: dict[str, int]


def export(weights, input_size, out, precisions=("float32", "int8"), output="classes", calibration=()):
    """Writes <network>_<height>x<width>_<output>_<precision>.tflite files to the folder `out`.

    weights: a weights folder. calibration: uint8 pictures [H, W, 3] of `input_size`, for int8: a few dozen
    of the data set's own. Returns [ExportedFile]. Raises ValueError for an unknown precision.
    """
    card = models.load_card(weights)
    network = models.load(weights, input_size, output=output, batch=1)
    about = {**vars(card), "spec": card.spec.to_json(), "input_size": list(input_size), "output": output}
    files = []
    for precision in precisions:
        name = f"{card.spec.name}_{input_size[0]}x{input_size[1]}_{output}_{precision}.tflite"
        content = with_metadata(to_tflite(network, precision, calibration), {**about, "precision": precision})
        path = Path(out) / name
        _write(path, content)
        operations = Counter(operation.kind for operation in TFLiteGraph(path).operations)
        files.append(ExportedFile(precision, path, round(len(content) / 1e6, 3), dict(operations.most_common())))
    return files


def to_tflite(network, precision, calibration=()) -> bytes:
    """Converts a Keras network built with batch 1 and a fixed size.

    A batch of None would leave batch norms unfolded and dilation emulated, which phones pay for.
    """
    import tensorflow as tf

    if precision not in PRECISIONS:
        raise ValueError(f"Unknown precision '{precision}': choose one of {', '.join(PRECISIONS)}.")
    if network.input_shape[0] != 1:
        raise ValueError("Only a network built with batch=1 is exported: see models.build or models.load.")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_frozen(_with_native_layers(network))])
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        if not len(calibration):
            raise ValueError("int8 needs calibration pictures: a few dozen of the data set's own.")
        converter.representative_dataset = lambda: ([_as_quantised_input(image)] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    return converter.convert()


def _frozen(network):
    """The network as one TensorFlow function with its weights as constants.

    The converter's own way from Keras gives the same operations and takes ten times as long.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    call = tf.function(lambda image: network(image, training=False))
    return convert_variables_to_constants_v2(
        call.get_concrete_function(tf.TensorSpec(network.input_shape, tf.float32, "image"))
    )


def _as_quantised_input(image):
    """float32 [1, H, W, 3] of the values that raw pixels mean to the int8 graph: (pixel - 128) / 127.5.

    Two corner pixels are set to the extremes, so that calibration finds just the range of uint8 whatever
    the pictures are, and the converter arrives at scale 1 / 127.5 and zero point 128.
    """
    image = image.copy()
    image[0, 0], image[-1, -1] = 0, 255
    return ((image.astype(np.float32) - 128) / 127.5)[None]


def _with_native_layers(network):
    """The same network, with TFLite's own operations where Keras 3 has only roundabout ones.

    An asymmetric resize gathers rows and columns in Keras, and its argmax guards against negative zero.
    """
    import tensorflow as tf

    class NativeResize(BilinearResize):
        def call(self, x):
            return tf.raw_ops.ResizeBilinear(images=x, size=self.size, half_pixel_centers=False)

    class NativeClassMap(ClassMap):
        def call(self, logits):
            return tf.argmax(logits, axis=-1, output_type=tf.int32)

    def native(layer):
        if isinstance(layer, ClassMap):
            return NativeClassMap(name=layer.name)
        if isinstance(layer, BilinearResize) and layer.convention == "asymmetric":
            return NativeResize.from_config(layer.get_config())
        return layer  # the layer itself, so that its weights are kept

    return keras.models.clone_model(network, clone_function=native)


# === Metadata ===


def with_metadata(content, about) -> bytes:
    """The same .tflite with `about` as JSON in its metadata."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    entry.name, entry.buffer = METADATA.encode(), len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read_metadata(path) -> dict | None:
    """What `export` wrote about a file: spec, classes, input scaling, provenance; None for a file of others."""
    content = TFLiteGraph(path).metadata(METADATA)
    return json.loads(content) if content else None


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)

"""Writes what a .tflite file is into the file; `mosaiclib.tflite.read_metadata` reads it back.

And a signature, by which other tools find the input and the output: Google's quantiser takes no file without one.
"""

import json

import numpy as np

from mosaiclib.models.pretrained.tflite_graph import schema
from mosaiclib.tflite import METADATA


def with_metadata(content, about) -> bytes:
    """The same .tflite with `about` as JSON in its metadata, in place of what it said before."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    entry.name, entry.buffer = METADATA.encode(), len(model.buffers)
    model.buffers.append(buffer)
    others = [other for other in model.metadata or [] if other.name != entry.name]
    model.metadata = [*others, entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def with_signature(content, output) -> bytes:
    """The same .tflite with the signature `serving_default`: from `image` to a tensor named `output`."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    (graph,) = model.subgraphs
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = [_named("image", graph.inputs)], [_named(output, graph.outputs)]
    model.signatureDefs = [signature]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _named(name, tensors):
    named = schema.TensorMapT()
    named.name, (named.tensorIndex,) = name.encode(), tensors
    return named

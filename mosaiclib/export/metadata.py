"""Writes what a .tflite file is into the file; `mosaiclib.tflite.read_metadata` reads it back."""

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

"""Writes what a .tflite file is into the file; `mosaiclib.tflite.metadata.read_metadata` reads it back.

And a signature, by which other tools find the input and the output: Google's quantiser takes no file without one.
"""

import json

import numpy as np

from mosaiclib.tflite.graph import TFLiteGraph, schema


def with_metadata(content, entries) -> bytes:
    """The same .tflite with named metadata entries, {name: bytes}, in place of what they said before."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    model.metadata = [entry for entry in model.metadata or [] if entry.name.decode() not in entries]
    for name, data in entries.items():
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(data, np.uint8)
        entry.name, entry.buffer = name.encode(), len(model.buffers)
        model.buffers.append(buffer)
        model.metadata.append(entry)
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


METADATA = "mosaic"


def read_metadata(path) -> dict | None:
    """What `mosaiclib.export` wrote into a file: spec, classes, palette, input scaling, output, provenance.

    None for a file that came from elsewhere. Raises ValueError for a damaged file, or a description in it
    that is not of this form: class names, and as many colours of three values.
    """
    return metadata_of(TFLiteGraph(path))


def metadata_of(graph) -> dict | None:
    """The same of a file that is read already: its `TFLiteGraph`."""
    content, path = graph.metadata(METADATA), graph.path
    if content is None:
        return None
    try:
        about = json.loads(content)
        names, palette = about["classes"], about["palette"]
        coloured = all(len(colour) == 3 and all(value in range(256) for value in colour) for colour in palette)
        if len(palette) != len(names) or not coloured or not all(isinstance(name, str) for name in names):
            raise ValueError("its classes and colours do not fit")
        return about
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} describes itself in a way that cannot be read ({error}): export it again.") from None

"""Weights released with MLPerf Mobile as TFLite graphs: the authors' MOSAIC and v1.0's DeepLabV3+.

The released graph and our Keras graph are walked in the same canonical order and compared operation by
operation; only a graph that is the same network is imported. Batch norms of the released graphs are
folded, so ours get gamma 1, beta = the bias, mean 0 and variance 1 - epsilon: the same function.
"""

import math

import keras
import numpy as np

from mosaiclib.data.sets.ade20k import CLASSES as ADE20K_TOP31
from mosaiclib.models import catalogue
from mosaiclib.models.blocks import BilinearResize, ClassMap
from mosaiclib.models.building import build
from mosaiclib.models.weights import Card
from mosaiclib.tflite.graph import TFLiteGraph

INPUT_SIZE = (512, 512)
CANDIDATES = catalogue.RELEASED

# Operations of the file that move or requantise values, and have no counterpart in Keras.
_TRANSPARENT = {"QUANTIZE", "DEQUANTIZE", "SPLIT", "STRIDED_SLICE", "RESHAPE"}
_KINDS = {
    keras.layers.Conv2D: "CONV_2D",
    keras.layers.DepthwiseConv2D: "DEPTHWISE_CONV_2D",
    keras.layers.Add: "ADD",
    keras.layers.Concatenate: "CONCATENATION",
    keras.layers.AveragePooling2D: "AVERAGE_POOL_2D",
    keras.layers.GlobalAveragePooling2D: "AVERAGE_POOL_2D",
    BilinearResize: "RESIZE_BILINEAR",
    ClassMap: "ARG_MAX",
}


def read(path):
    """Imports a released graph: (keras.Model with its weights, output "classes"; its `Card`).

    Raises ValueError that names the first operation that differs where the graph is not one of ours.
    """
    graph = TFLiteGraph(path)
    reasons = []
    for name in CANDIDATES:
        model = build(catalogue.get(name), INPUT_SIZE, len(ADE20K_TOP31), output="classes", batch=1)
        try:
            pairs, difference = _pair(graph, model)
        except (KeyError, IndexError, AttributeError, TypeError, RecursionError):
            raise ValueError(f"{path} was not imported: it is none of the released graphs.") from None
        if difference is None:
            _fill(graph, pairs)
            card = Card(
                spec=catalogue.get(name),
                classes=ADE20K_TOP31,
                dataset="ade20k_top31",
                input_size=INPUT_SIZE,
                provenance={"source": "mlperf", "file": graph.path.name, "licence": "Apache-2.0 (MLCommons)"},
            )
            return model, card
        reasons.append((len(pairs), f"it is not {name}: {difference}"))
    raise ValueError(f"{path} was not imported; {max(reasons)[1]}.")


# === One order for both graphs ===


def canonical_order(output, inputs_of):
    """The nodes that `output` depends on, inputs before users, whatever order they were written in.

    A node's inputs are visited from the shallowest to the deepest, so that the two sides of a sum may be
    swapped and a concatenation may list its inputs in another order.
    """
    depth, order = {}, []

    def visit(node):
        if node in depth:
            return
        depth[node] = None
        inputs = inputs_of(node)
        for item in inputs:
            visit(item)
        depth[node] = 1 + max((depth[item] for item in inputs), default=0)

    def emit(node):
        if node in order_of:
            return
        order_of.add(node)
        for item in sorted(inputs_of(node), key=depth.get):
            emit(item)
        order.append(node)

    order_of = set()
    visit(output)
    emit(output)
    return order


def _tflite_inputs(graph):
    def inputs_of(index):
        found = []
        for tensor in graph.operations[index].inputs:
            while (operation := graph.producer.get(tensor)) and operation.kind in _TRANSPARENT:
                tensor = next((t for t in operation.inputs if graph.constant(t) is None), None)
            if operation:
                found.append(operation.index)
        return found

    return inputs_of


def _keras_inputs(operation):
    found = []
    for tensor in operation._inbound_nodes[0].input_tensors:
        source = tensor._keras_history.operation
        while _kind(source) is None and source._inbound_nodes[0].input_tensors:
            source = source._inbound_nodes[0].input_tensors[0]._keras_history.operation
        if _kind(source):
            found.append(source)
    return found


def _kind(operation):
    return next((kind for layer, kind in _KINDS.items() if type(operation) is layer), None)


# === Comparing and copying ===


def _pair(graph, model):
    """Pairs (tflite operation, Keras operation) up to the first difference, and that difference or None."""
    theirs = canonical_order(graph.producer[graph.outputs[0]].index, _tflite_inputs(graph))
    ours = canonical_order(model.outputs[0]._keras_history.operation, _keras_inputs)
    pairs = []
    for index, layer in zip(theirs, ours, strict=False):
        operation = graph.operations[index]
        found, expected = _describe(graph, operation), _expect(layer)
        if found != expected:
            return pairs, f"op {index} is {found}, where {layer.name} needs {expected}"
        pairs.append((operation, layer))
    if len(theirs) != len(ours):
        return pairs, f"it has {len(theirs)} operations with a counterpart, where {len(ours)} are needed"
    return pairs, None


def _describe(graph, operation):
    text = f"{operation.kind} to {_sides(graph.shape(operation.outputs[0])[1:])}"
    if "CONV" in operation.kind:
        kernel = graph.shape(operation.inputs[1])
        text += f", kernel {_sides(kernel[1:3])}, stride {operation.options.strideH}"
        text += f", dilation {operation.options.dilationHFactor}"
    if operation.kind == "RESIZE_BILINEAR":
        text += f", half-pixel centres {bool(operation.options.halfPixelCenters)}"
    return text


def _expect(layer):
    kind = _kind(layer)
    text = f"{kind} to {_sides(layer.output.shape[1:])}"
    if "CONV" in kind:
        text += f", kernel {_sides(layer.kernel_size)}, stride {layer.strides[0]}, dilation {layer.dilation_rate[0]}"
    if kind == "RESIZE_BILINEAR":
        text += f", half-pixel centres {layer.convention == 'half_pixel'}"
    return text


def _sides(shape):
    return "x".join(str(side) for side in shape)


def _fill(graph, pairs):
    counterpart = {operation.index: layer for operation, layer in pairs}
    layers = {layer.name: layer for _, layer in pairs}
    for operation, layer in pairs:
        if "CONV" not in operation.kind:
            continue
        kernel, bias = graph.constant(operation.inputs[1]), graph.constant(operation.inputs[2])
        if kernel is None or bias is None:
            raise ValueError(f"{graph.path}: op {operation.index} has no stored weights.")
        kernel = np.transpose(kernel, (1, 2, 3, 0))  # [out, h, w, in] -> [h, w, in, out]; depthwise has out = 1
        kernel = kernel[:, :, _input_channels(graph, operation, layer, counterpart)]
        normalisation = layers.get(layer.name) and _normalisation(layer)
        if normalisation is None:
            layer.set_weights([kernel, bias])
        else:
            layer.set_weights([kernel])
            ones, zeros = np.ones_like(bias), np.zeros_like(bias)
            normalisation.set_weights([ones, bias, zeros, ones - normalisation.epsilon])


def _normalisation(layer):
    """The batch norm that alone reads this convolution, if there is one."""
    users = [node.operation for node in layer._outbound_nodes]
    return users[0] if len(users) == 1 and isinstance(users[0], keras.layers.BatchNormalization) else None


def _input_channels(graph, operation, layer, counterpart):
    """Where the convolution reads a concatenation: the file's channel numbers in our order of its inputs."""
    everything = slice(None)
    sources = _tflite_inputs(graph)(operation.index)
    if operation.kind != "CONV_2D" or not sources or graph.operations[sources[0]].kind != "CONCATENATION":
        return everything
    parts, start = {}, 0
    concatenation = graph.operations[sources[0]]
    for source, tensor in zip(_tflite_inputs(graph)(concatenation.index), concatenation.inputs, strict=True):
        channels = graph.shape(tensor)[-1]
        parts[counterpart[source].name] = np.arange(start, start + channels)
        start += channels
    ours = _keras_inputs(counterpart[concatenation.index])
    order = np.concatenate([parts[source.name] for source in ours])
    if math.prod(order.shape) != start:
        raise ValueError(f"{graph.path}: op {concatenation.index} joins other inputs than {layer.name} reads.")
    return order

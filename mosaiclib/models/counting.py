"""Multiply-adds and parameters of a built network, layer by layer, counted on its graph.

Two conventions:

* conv MACs: the multiply-accumulates of convolutions, nothing else;
* TFLite MAdds, which the paper's tables follow: half the arithmetic operations that the TFLite converter
  counts on the graph with its batch norms folded into the convolutions before them. A convolution's bias
  costs half an operation per output element, a sum or product of two tensors as well, a pooling half the
  window per output, a softmax 32 per element. Resizes, concatenations, means over the whole image and
  activations cost nothing.
"""

import math
from collections import defaultdict

import keras
from keras import layers

from mosaiclib.models.costs import Cost, LayerCost, total
from mosaiclib.models.graph import calls

SOFTMAX_MADDS = 32
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.Conv2DTranspose)
POOLINGS = (layers.AveragePooling2D, layers.MaxPooling2D)
FREE = (layers.PReLU,)  # layers that have weights and yet cost nothing


def cost_of(model) -> Cost:
    """The cost of a functional `keras.Model` with a fixed input size.

    Raises ValueError for a layer with weights that this module cannot count.
    """
    readers = defaultdict(list)
    nodes = calls(model)
    for node in nodes:
        for tensor in node.input_tensors:
            readers[id(tensor)].append(node.operation)
    counted, seen = [], set()
    for node in nodes:
        operation = node.operation
        macs, madds = _count(node, readers)
        params = 0
        if operation not in seen:
            params = sum(math.prod(weight.shape) for weight in getattr(operation, "trainable_weights", ()))
        seen.add(operation)
        shape = tuple(node.output_tensors[0].shape[1:])
        biased = isinstance(operation, CONVOLUTIONS) and operation.use_bias
        counted.append(LayerCost(operation.name, type(operation).__name__, shape, macs, madds, params, biased))
    return total(counted)


# === One call ===


def _count(node, readers):
    """(conv MACs, TFLite MAdds) of one call."""
    layer, x, y = node.operation, node.input_tensors[0], node.output_tensors[0]
    outputs = math.prod(y.shape[1:])
    if isinstance(layer, CONVOLUTIONS):
        macs = _convolution_macs(layer, x, y)
        biased = layer.use_bias or _folded_batch_norm(node, readers)
        return macs, macs + (0.5 * outputs if biased else 0) + _softmax(layer, outputs)
    if isinstance(layer, layers.BatchNormalization):
        source = x._keras_history
        producer = source.operation._inbound_nodes[source.node_index]
        folded = isinstance(source.operation, CONVOLUTIONS) and _folded_batch_norm(producer, readers)
        return 0, 0 if folded else outputs  # a product and a sum
    if isinstance(layer, layers.Rescaling):
        return 0, outputs
    if isinstance(layer, layers.Add | layers.Multiply):
        return 0, 0.5 * outputs * (len(node.input_tensors) - 1)
    if isinstance(layer, POOLINGS):
        return 0, 0.5 * math.prod(layer.pool_size) * outputs
    if isinstance(layer, layers.Softmax | layers.Activation):
        return 0, _softmax(layer, outputs)
    if getattr(layer, "weights", ()) and not isinstance(layer, FREE):
        raise ValueError(f"The cost of '{layer.name}', a {type(layer).__name__}, is not known here.")
    return 0, 0


def _convolution_macs(layer, x, y):
    """Every element of the kernel is used once per output position; per input position where transposed."""
    positions = math.prod((x if isinstance(layer, layers.Conv2DTranspose) else y).shape[1:3])
    return positions * math.prod(layer.kernel.shape)


def _folded_batch_norm(node, readers):
    """Whether a batch norm follows this convolution and is the only one to read it."""
    found = readers[id(node.output_tensors[0])]
    return len(found) == 1 and isinstance(found[0], layers.BatchNormalization)


def _softmax(layer, outputs):
    softmax = isinstance(layer, layers.Softmax) or getattr(layer, "activation", None) is keras.activations.softmax
    return SOFTMAX_MADDS * outputs if softmax else 0


# What an inference engine fuses into the operation before it, or computes where its input stands.
IN_PLACE = (layers.BatchNormalization, layers.Activation, layers.ReLU, layers.PReLU, layers.Dropout)


def peak_activations(model) -> int:
    """The most numbers that tensors hold at once while `model` runs on one image, call by call in graph order.

    A tensor lives from the call that makes it to the last that reads it; batch norms and activations are
    computed in place. Times 4 it is the bytes of float32, times 1 those of int8. An engine that orders its
    calls otherwise, or works in tiles, needs another amount.
    """
    stands_in = {}  # tensor: the one whose room it takes

    def room(tensor):
        return stands_in.get(id(tensor), id(tensor))

    sizes, last_read = {}, {}
    nodes = calls(model)
    for step, node in enumerate(nodes):
        for tensor in node.input_tensors:
            sizes.setdefault(room(tensor), _numbers(tensor))
            last_read[room(tensor)] = step
        for tensor in node.output_tensors:
            if isinstance(node.operation, IN_PLACE):
                stands_in[id(tensor)] = room(node.input_tensors[0])
            else:
                sizes[id(tensor)] = _numbers(tensor)
    for tensor in model.outputs:
        last_read[room(tensor)] = len(nodes)
    alive = {room(tensor) for tensor in model.inputs}
    peak = sum(sizes[tensor] for tensor in alive)
    for step, node in enumerate(nodes):
        alive |= {room(tensor) for tensor in node.output_tensors}
        peak = max(peak, sum(sizes[tensor] for tensor in alive))
        alive = {tensor for tensor in alive if last_read.get(tensor, -1) > step}
    return peak


def _numbers(tensor):
    total = 1
    for side in tensor.shape[1:]:
        total *= side
    return total

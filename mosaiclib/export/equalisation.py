"""Cross-layer equalisation (Nagel et al. 2019, section 4.1): evens out the ranges of a tensor's channels.

All channels of an activation share one int8 scale. A channel that is 80 times smaller than the largest, as
after depthwise convolutions, is left with one or two of its 8 bits. Before a ReLU a channel can be scaled up
and the weights that read it scaled down, and the network computes the same.
"""

import keras
import numpy as np
from keras import layers

from mosaiclib.models.graph import FOLDED_INTO, calls, readers, with_weights

LARGEST = 64.0  # a channel is scaled by at most this, since one that is nearly dead holds noise
FULL, BALANCED = 1.0, 0.5


def equalise(folded, inputs):
    """The network with evened out channels between any convolution and those that alone read it.

    folded: of `folding.fold`. inputs: float32 [1, H, W, 3], the calibration images as the network takes them.
    Into depthwise convolutions, whose weights have a scale for each channel, ranges become equal. A full
    convolution's weights share one scale per output, so that half of the unevenness stays on their side.
    """
    pairs = _pairs(folded)
    ranges = channel_ranges(folded, [tensor for tensor, _, _ in pairs], inputs)
    weights = {}
    for (_, writer, read_by), found in zip(pairs, ranges, strict=True):
        alone = all(isinstance(layer, layers.DepthwiseConv2D) for layer in read_by)
        scale = np.clip(found.max() / np.maximum(found, 1e-12), 1, LARGEST) ** (FULL if alone else BALANCED)
        kernel, bias = weights.get(writer) or writer.get_weights()
        weights[writer] = [kernel * _along_outputs(writer, scale), bias * scale]
        for layer in read_by:
            kernel, *bias = weights.get(layer) or layer.get_weights()
            weights[layer] = [kernel / scale[:, None], *bias]
    return with_weights(folded, weights)


def channel_ranges(network, tensors, inputs):
    """For each tensor, the largest absolute value of each channel over all inputs: [arrays of [C]]."""
    watched = keras.Model(network.inputs, tensors)
    found = [np.zeros(tensor.shape[-1]) for tensor in tensors]
    for image in inputs:
        for largest, values in zip(found, watched([image], training=False), strict=True):
            np.maximum(largest, np.abs(np.asarray(values)).max((0, 1, 2)), out=largest)
    return found


def _along_outputs(layer, scale):
    return scale[:, None] if isinstance(layer, layers.DepthwiseConv2D) else scale


def _pairs(network):
    """[(tensor, convolution that makes it, convolutions that read it)], inputs first.

    Between the two may stand a ReLU. All are called once, and nothing but convolutions reads the tensor.
    """
    nodes, read = calls(network), readers(network)
    count = {}
    for node in nodes:
        count[node.operation] = count.get(node.operation, 0) + 1
    pairs = []
    for node in nodes:
        writer, tensor = node.operation, node.outputs[0]
        followers = read.get(id(tensor), [])
        if len(followers) == 1 and _is_relu(followers[0].operation):
            tensor = followers[0].outputs[0]
            followers = read.get(id(tensor), [])
        convolutions = [writer, *(follower.operation for follower in followers)]
        if followers and all(
            type(c) in FOLDED_INTO and count[c] == 1 and getattr(c, "groups", 1) == 1 for c in convolutions
        ):
            pairs.append((tensor, writer, convolutions[1:]))
    return pairs


def _is_relu(layer):
    return isinstance(layer, layers.Activation | layers.ReLU) and getattr(layer, "activation", None) is (
        keras.activations.relu
    )

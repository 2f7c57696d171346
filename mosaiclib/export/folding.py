"""Folds batch norms into the convolutions before them, so that what is quantised is what will run."""

import keras
import numpy as np
from keras import layers

from mosaiclib.models.graph import calls, copy, readers, rebuild

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)


def fold(network):
    """The same function [1, H, W, 3] -> output, in which a convolution carries its batch norm's scale and shift.

    Folded is a convolution that is read by nothing but one batch norm, wherever it is called. It keeps its
    name and gets a bias; other layers are shared with `network`, whose weights stay as they are.
    """
    norms = _norms(network)
    folded, dropped = {}, {id(norm) for norm in norms.values()}

    def replace(node, *arguments, **options):
        layer = node.operation
        if id(layer) in dropped:
            return arguments[0]
        if layer in norms:
            if layer not in folded:
                folded[layer] = copy(layer, arguments[0].shape, _merged(layer, norms[layer]), use_bias=True)
            layer = folded[layer]
        return layer(*arguments, **options)

    return rebuild(network, replace)


def _norms(network):
    """{convolution: its batch norm} where every call of the one is read by a call of the other alone."""
    followers, read = {}, readers(network)
    for node in calls(network):
        if type(node.operation) in CONVOLUTIONS:
            found = {reader.operation for reader in read.get(id(node.outputs[0]), ())} or {None}
            followers.setdefault(node.operation, set()).update(found)
    pairs = {layer: found.pop() for layer, found in followers.items() if len(found) == 1}
    pairs = {layer: norm for layer, norm in pairs.items() if isinstance(norm, layers.BatchNormalization)}
    sources = {}
    for node in calls(network):
        sources.setdefault(node.operation, set()).add(node.input_tensors[0]._keras_history.operation)
    return {layer: norm for layer, norm in pairs.items() if sources[norm] == {layer} and _is_linear(layer)}


def _is_linear(layer):
    return layer.activation is keras.activations.linear


def _merged(layer, norm):
    """[kernel, bias] of the two in one: w * gamma / sqrt(variance + epsilon), beta + (b - mean) * the same."""
    kernel, *bias = layer.get_weights()
    variance = np.asarray(norm.moving_variance)
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.gamma is not None:
        scale = scale * np.asarray(norm.gamma)
    shift = (bias[0] if bias else 0) - np.asarray(norm.moving_mean)
    offset = shift * scale + (np.asarray(norm.beta) if norm.beta is not None else 0)
    along = scale[:, None] if isinstance(layer, layers.DepthwiseConv2D) else scale
    return [kernel * along, offset]

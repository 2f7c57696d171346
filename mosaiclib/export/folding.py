"""Folds batch norms into the convolutions before them, so that what is quantised is what will run."""

import numpy as np
from keras import layers

from mosaiclib.models.graph import batch_norms_behind, copy, rebuild


def fold(network):
    """The same function [1, H, W, 3] -> output, in which a convolution carries its batch norm's scale and shift.

    Folded is a convolution that is read by nothing but one batch norm, wherever it is called. It keeps its
    name and gets a bias; other layers are shared with `network`, whose weights stay as they are.
    """
    norms = batch_norms_behind(network)
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

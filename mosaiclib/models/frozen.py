"""Networks that keep stored batch norm statistics, or whole layers, as they are while they train."""

from functools import cache

import keras
from keras import layers, ops, tree

from mosaiclib.models.graph import batch_norms_behind


class StoredStatistics(layers.Layer):
    """A batch norm that never uses a batch's own statistics; its scale and offset can be trained."""

    def __init__(self, norm):
        super().__init__(name=norm.name)
        self.norm = norm

    def call(self, x):
        return self.norm(x, training=False)


class FoldedConvolution(layers.Layer):
    """A convolution and the batch norm behind it, by stored statistics, as one convolution with a bias.

    Kernel, scale and offset can be trained: their gradients flow through the folded kernel, which is far smaller than
    the images that a batch norm would multiply.
    """

    def __init__(self, convolution, norm):
        super().__init__(name=convolution.name, dtype=convolution.dtype_policy)
        self.convolution, self.norm = convolution, norm

    def call(self, x):
        layer, norm = self.convolution, self.norm
        scale = ops.rsqrt(norm.moving_variance + norm.epsilon)
        scale = scale if norm.gamma is None else scale * norm.gamma
        shift = (0 if layer.bias is None else layer.bias) - norm.moving_mean
        shift = scale * shift if norm.beta is None else norm.beta + scale * shift
        is_depthwise = isinstance(layer, layers.DepthwiseConv2D)
        kernel = layer.kernel * (ops.reshape(scale, layer.kernel.shape[-2:]) if is_depthwise else scale)
        convolve = ops.depthwise_conv if is_depthwise else ops.conv
        y = convolve(
            x, ops.cast(kernel, self.compute_dtype), layer.strides, layer.padding, dilation_rate=layer.dilation_rate
        )
        return add_bias(y, ops.cast(shift, self.compute_dtype))


def add_bias(x, bias):
    """x [B, H, W, C] plus bias [C]. TensorFlow joins its own addition of a bias to the convolution and activation."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.nn.bias_add(x, bias)
    return x + bias


def with_stored_statistics(model, *parts):
    """The same network over the same variables, by stored statistics in layers whose name begins with one of `parts`.

    Batch norms there are folded into the convolutions that they alone read. Raises ValueError for a part that is none.
    """
    for part in parts:
        if not any(layer.name.startswith(part) for layer in model.layers):
            raise ValueError(f"No layer of {model.name} has a name that begins with '{part}'.")
    pairs = {
        convolution: norm for convolution, norm in batch_norms_behind(model).items() if norm.name.startswith(parts)
    }
    folded_norms = set(pairs.values())
    fold, store = cache(FoldedConvolution), cache(StoredStatistics)  # a layer that pyramid levels share stays shared

    def call(layer, *args, **kwargs):
        if layer in pairs:
            return fold(layer, pairs[layer])(*args)
        if layer in folded_norms:
            return args[0]
        if isinstance(layer, layers.BatchNormalization) and layer.name.startswith(parts):
            return store(layer)(*args)
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def without_training(model, part):
    """The same network, whose layers with a name that begins with `part` keep weights and statistics.

    Neither gradients nor activations of theirs are computed or kept. Raises ValueError where nothing is left to train.
    """

    def call(layer, *args, **kwargs):
        if not layer.name.startswith(part):
            args = tree.map_structure(lambda x: ops.stop_gradient(x) if made_by_part(x) else x, args)
        return layer(*args, **kwargs)

    def made_by_part(x):
        return keras.backend.is_keras_tensor(x) and x._keras_history.operation.name.startswith(part)

    model = with_stored_statistics(model, part)
    for layer in model.layers:
        if layer.name.startswith(part):
            layer.trainable = False
    if not model.trainable_variables:
        raise ValueError(f"All layers of {model.name} begin with '{part}': nothing is left to train.")
    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)

"""What the networks of Table 2 need beyond the common blocks: unpooling by indices, PReLU, biased convolutions."""

import keras
from keras import layers, ops

from mosaiclib.models import blocks

WINDOW = 2  # every pooling with indices here has a 2x2 window and stride 2


def pad_to_multiple(image, multiple, name):
    """The image with zeros, grey, below and to the right, so that its sides are multiples; as it is where they are."""
    below, right = (-side % multiple for side in image.shape[1:3])
    if not below and not right:
        return image
    return layers.ZeroPadding2D(((0, below), (0, right)), name=f"{name}.image.pad")(image)


def crop_to(x, image, name):
    """x [B, H, W, C] of a padded image without what lies beside `image`, which may be of the same size."""
    below, right = (side - own for side, own in zip(x.shape[1:3], image.shape[1:3], strict=True))
    if not below and not right:
        return x
    return layers.Cropping2D(((0, below), (0, right)), name=f"{name}.classifier.crop")(x)


# === Convolutions ===


def convolution(x, filters, name, kernel=3, stride=1, dilation=1, bias=True):
    """A convolution alone, as these networks often have it. kernel, dilation: one number or (height, width)."""
    return layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        dilation_rate=dilation,
        padding="same",
        use_bias=bias,
        name=f"{name}.conv",
    )(x)


def transposed(x, filters, name, kernel, bias=True):
    """A transposed convolution that doubles the size: [B, h, w, C] -> [B, 2h, 2w, filters]."""
    return layers.Conv2DTranspose(filters, kernel, strides=2, padding="same", use_bias=bias, name=f"{name}.transposed")(
        x
    )


def prelu(x, name):
    """PReLU with one slope per channel, which starts at 0.25 as in Torch."""
    return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2], name=f"{name}.prelu")(
        x
    )


def normalise_prelu(x, name):
    """Batch norm, then PReLU."""
    return prelu(blocks.normalise(x, name, activation=None), name)


# === Pooling with indices ===


@keras.saving.register_keras_serializable("mosaiclib")
class WindowArgmax(layers.Layer):
    """Where the maximum of each 2x2 window lies.

    Takes [x [B, 2h, 2w, C], x after 2x2 max pooling [B, h, w, C]]; returns int32 [B, h, w, C]: 0, 1, 2, 3 for
    top left, top right, bottom left, bottom right. Among equal values the first wins, as in Caffe and Torch:
    after a ReLU whole windows are often zero. Keras has no pooling that returns indices, and TensorFlow's
    own does not run in TFLite; equality with the pooled value stays exact when a graph is quantised.
    """

    def call(self, inputs):
        x, pooled = inputs
        first, second, third, _ = ops.split(ops.space_to_depth(x, WINDOW), WINDOW * WINDOW, axis=-1)
        indices = ops.where(ops.equal(third, pooled), 2, 3)
        indices = ops.where(ops.equal(second, pooled), 1, indices)
        return ops.where(ops.equal(first, pooled), 0, indices)


@keras.saving.register_keras_serializable("mosaiclib")
class MaxUnpooling2D(layers.Layer):
    """Puts each value where its window's maximum was and zeros elsewhere.

    Takes [x, indices], both [B, h, w, C], the indices from `WindowArgmax`; returns [B, 2h, 2w, C].
    """

    def call(self, inputs):
        x, indices = inputs
        zeros = ops.zeros_like(x)
        corners = [ops.where(ops.equal(indices, corner), x, zeros) for corner in range(WINDOW * WINDOW)]
        return ops.depth_to_space(ops.concatenate(corners, axis=-1), WINDOW)


def max_pool_with_indices(x, name):
    """2x2 max pooling: [B, 2h, 2w, C] -> (pooled [B, h, w, C], indices for `max_unpool`)."""
    pooled = layers.MaxPooling2D(WINDOW, name=name)(x)
    return pooled, WindowArgmax(name=f"{name}.indices")([x, pooled])


def max_unpool(x, indices, name):
    """Max-unpooling by indices: [B, h, w, C] -> [B, 2h, 2w, C]."""
    return MaxUnpooling2D(name=name)([x, indices])

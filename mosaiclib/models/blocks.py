"""The building blocks that all networks share, as functions from tensor to tensor.

Every layer is named by its place, outermost first, with dots between (Keras forbids slashes):
`mosaic.encoder.level8.group3x3.depthwise.conv`. Weights are stored under these names.
All convolutions pad like TensorFlow's "same" unless told otherwise, and no convolution before a batch norm has a bias.
"""

import keras
from keras import layers, ops

from mosaiclib.models.batch_norm import BatchNormalization

EPSILON = 1e-3
# (mean, deviation) of RGB / 255 that published backbones were trained with: most of ImageNet's, and DeepLab's
# ResNets, which only subtract a mean of 0..255.
NORMALISATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "imagenet_mean": ((123.15 / 255, 115.90 / 255, 103.06 / 255), (1 / 255,) * 3),
}


def normalise_image(image, name):
    """An image in [-1, 1] as ((image + 1) / 2 - mean) / deviation of NORMALISATIONS; as it is for "none"."""
    if name == "none":
        return image
    channels = list(zip(*NORMALISATIONS[name], strict=True))
    scale = [0.5 / deviation for _, deviation in channels]
    offset = [(0.5 - mean) / deviation for mean, deviation in channels]
    return layers.Rescaling(scale, offset, name="image.normalise")(image)


def normalise(x, name, activation="relu", epsilon=EPSILON):
    """Batch norm and activation (None: linear)."""
    x = BatchNormalization(epsilon=epsilon, name=f"{name}.bn")(x)
    return layers.Activation(activation, name=f"{name}.{activation}")(x) if activation else x


def _padded(x, name, kernel, stride, padding):
    """(x, Keras' padding): for "symmetric" a strided convolution gets (k // 2, k // 2) zeros, whatever the size."""
    if padding == "same" or stride == 1 or kernel == 1:
        return x, "same"
    return layers.ZeroPadding2D(kernel // 2, name=f"{name}.pad")(x), "valid"


def conv(x, filters, name, kernel=1, stride=1, dilation=1, activation="relu", epsilon=EPSILON, padding="same"):
    """Convolution, batch norm, activation. kernel: a side or a (height, width) pair. padding: of `ModelSpec`."""
    x, padding = _padded(x, name, kernel, stride, padding)
    x = layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        dilation_rate=dilation,
        padding=padding,
        use_bias=False,
        name=f"{name}.conv",
    )(x)
    return normalise(x, name, activation, epsilon)


def depthwise(x, name, kernel=3, stride=1, dilation=1, activation="relu", epsilon=EPSILON, padding="same"):
    """Depthwise convolution, batch norm, activation. padding: of `ModelSpec`."""
    x, padding = _padded(x, name, kernel, stride, padding)
    x = layers.DepthwiseConv2D(
        kernel, strides=stride, dilation_rate=dilation, padding=padding, use_bias=False, name=f"{name}.conv"
    )(x)
    return normalise(x, name, activation, epsilon)


def separable(x, filters, name, stride=1, dilation=1, activation="relu", epsilon=EPSILON, padding="same"):
    """A 3x3 depthwise and a 1x1 convolution, each with batch norm and activation."""
    x = depthwise(x, f"{name}.depthwise", 3, stride, dilation, activation, epsilon, padding)
    return conv(x, filters, f"{name}.pointwise", activation=activation, epsilon=epsilon)


def inverted_bottleneck(x, name, kernel, stride, dilation, expanded, filters, activation="relu", squeezed=None):
    """MobileNetV2's block: expand, depthwise, linear projection, and a sum where shapes allow it.

    There is no expansion where `expanded` is the input's width. squeezed: the width inside a
    squeeze-and-excite after the depthwise convolution (MobileNetV3), None for no such thing.
    Returns (output, depthwise output): decoders take their skips from the latter, before the projection
    and the squeeze-and-excite.
    """
    inputs = x
    if expanded != inputs.shape[-1]:
        x = conv(x, expanded, f"{name}.expand", activation=activation)
    spatial = depthwise(x, f"{name}.depthwise", kernel, stride, dilation, activation)
    x = squeeze_excite(spatial, squeezed, f"{name}.squeeze") if squeezed else spatial
    x = conv(x, filters, f"{name}.project", activation=None)
    if stride == 1 and inputs.shape[-1] == filters:
        x = layers.Add(name=f"{name}.add")([x, inputs])
    return x, spatial


def squeeze_excite(x, squeezed, name):
    """Scales each channel of x [B, h, w, C] by a gate computed from the mean of all channels."""
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}.pool")(x)
    gate = layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}.reduce")(gate)
    gate = layers.Conv2D(x.shape[-1], 1, activation="hard_sigmoid", name=f"{name}.expand")(gate)
    return layers.Multiply(name=f"{name}.scale")([x, gate])


def classifier(x, classes, name):
    """The 1x1 convolution with bias that ends a network in logits."""
    return layers.Conv2D(classes, 1, name=name)(x)


@keras.saving.register_keras_serializable("mosaiclib")
class BilinearResize(layers.Layer):
    """Bilinear resize to a fixed (height, width).

    convention: "half_pixel" samples input position (i + 0.5) * scale - 0.5 (TF2, OpenCV, PyTorch's
    align_corners=False); "asymmetric" samples i * scale (TF1's default, the released TFLite graphs).
    Input [B, h, w, C], output [B, height, width, C].
    """

    def __init__(self, size, convention="half_pixel", **kwargs):
        super().__init__(**kwargs)
        self.size = tuple(size)
        self.convention = convention

    def call(self, x):
        if self.convention == "half_pixel":
            return ops.image.resize(x, self.size, interpolation="bilinear")
        for axis, target in ((1, self.size[0]), (2, self.size[1])):
            x = _asymmetric_resize(x, axis, target)
        return x

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.size, input_shape[3])

    def get_config(self):
        return {**super().get_config(), "size": self.size, "convention": self.convention}


@keras.saving.register_keras_serializable("mosaiclib")
class ClassMap(layers.Layer):
    """The most likely class of each position: logits [B, H, W, C] -> int32 [B, H, W]."""

    def call(self, logits):
        return ops.argmax(logits, axis=-1)


def _asymmetric_resize(x, axis, target):
    """Linear interpolation along one axis at positions i * (length / target)."""
    length = x.shape[axis]
    position = [i * length / target for i in range(target)]
    below = [min(int(p), length - 1) for p in position]
    above = [min(b + 1, length - 1) for b in below]
    shape = [1, 1, 1, 1]
    shape[axis] = target
    weight = ops.reshape(ops.convert_to_tensor([p - b for p, b in zip(position, below, strict=True)], x.dtype), shape)
    low, high = ops.take(x, below, axis=axis), ops.take(x, above, axis=axis)
    return low + (high - low) * weight


def resize(x, size, convention, name):
    """Resizes to (height, width); the tensor itself where it already has that size."""
    if tuple(x.shape[1:3]) == tuple(size):
        return x
    return BilinearResize(size, convention, name=name)(x)

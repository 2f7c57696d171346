"""ResNet-50 and ResNet-101 at output stride 16, in DeepLab's "beta" form (Table 6).

The root is three 3x3 convolutions instead of one 7x7, and the stride of a stage stands on the 3x3 of its
last unit: of the usual forms only this one explains the paper's MAdds. At even sizes TensorFlow's "same" pads a
strided convolution (0, 1) where DeepLab pads (1, 1), which keeps it aligned with its shortcut: padding="symmetric".
"""

from typing import NamedTuple

from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.parts import BACKBONE

PARTS = {"resnet50": BACKBONE, "resnet101": BACKBONE}

EPSILON = 1e-5


class Stage(NamedTuple):
    """Residual bottlenecks; the last unit carries the stride."""

    inner: int
    stride: int
    dilation: int


STAGES = (Stage(64, 2, 1), Stage(128, 2, 1), Stage(256, 1, 1), Stage(512, 1, 2))
UNITS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def resnet(image, depth, name, padding="same"):
    """Builds ResNet-`depth` (50 or 101) on `image` [B, H, W, 3] and returns its taps.

    Returns {2: [B, H/2, W/2, 128], 4: [B, H/4, W/4, 256], 8: [B, H/8, W/8, 512], 16: [B, H/16, W/16, 2048]}:
    strides 4 and 8 are the last convolution before the sum, of the last unit before the stage's stride.
    padding: of `ModelSpec`.
    """
    x = blocks.conv(image, 64, f"{name}.root.conv1", kernel=3, stride=2, epsilon=EPSILON, padding=padding)
    x = blocks.conv(x, 64, f"{name}.root.conv2", kernel=3, epsilon=EPSILON)
    x = blocks.conv(x, 128, f"{name}.root.conv3", kernel=3, epsilon=EPSILON)
    taps = {2: x}
    x = layers.MaxPooling2D(3, 2, padding="same", name=f"{name}.root.pool")(x)
    output_stride = 4
    for number, (stage, units) in enumerate(zip(STAGES, UNITS[depth], strict=True), start=1):
        for unit in range(1, units + 1):
            stride = stage.stride if unit == units else 1
            place = f"{name}.stage{number}.unit{unit}"
            x, residual = bottleneck(x, stage.inner, stride, stage.dilation, place, padding)
            if stride == 1 and output_stride < 16:
                taps[output_stride] = residual
        output_stride *= stage.stride
    taps[16] = x
    return taps


def bottleneck(x, inner, stride, dilation, name, padding="same"):
    """A residual unit: [B, h, w, C] -> ([B, h/stride, w/stride, 4 inner], the same before the sum)."""
    filters = 4 * inner
    if x.shape[-1] != filters:
        shortcut = blocks.conv(x, filters, f"{name}.shortcut", stride=stride, activation=None, epsilon=EPSILON)
    elif stride > 1:
        shortcut = layers.MaxPooling2D(1, stride, name=f"{name}.subsample")(x)
    else:
        shortcut = x
    x = blocks.conv(x, inner, f"{name}.reduce", epsilon=EPSILON)
    x = blocks.conv(x, inner, f"{name}.spatial", 3, stride, dilation, epsilon=EPSILON, padding=padding)
    residual = blocks.conv(x, filters, f"{name}.expand", activation=None, epsilon=EPSILON)
    x = layers.Add(name=f"{name}.add")([residual, shortcut])
    return layers.Activation("relu", name=f"{name}.relu")(x), residual

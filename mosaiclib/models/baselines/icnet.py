"""ICNet: a cascade of three resolutions, of which only the smallest goes through the whole network.

Zhao, Qi, Shen, Shi, Jia: ICNet for Real-Time Semantic Segmentation on High-Resolution Images (2018). The layers
are those of the authors' hszhao/ICNet, `evaluation/prototxt/icnet_cityscapes_bnnomerge.prototxt`: PSPNet50
with every width halved. A row of the paper's Table 2.
"""

from typing import NamedTuple

from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.parts import BACKBONE, DECODER

PARTS = {"icnet": BACKBONE, "icnet.fusion": DECODER, "icnet.head": DECODER}

# Pyramid levels, {bins: stride of their windows as a share of the side}: 33, 16, 10 and 5 of 33 in the prototxt, whose
# three bins thus overlap more than they need to.
BINS = {1: 33 / 33, 2: 16 / 33, 3: 10 / 33, 6: 5 / 33}
RESIZE = "half_pixel"
SMALLEST = 32 * (max(BINS) - 1) + 1  # the fewest pixels that leave one position at stride 32 for every bin


class Stage(NamedTuple):
    """Residual bottlenecks of the trunk."""

    units: int
    inner: int
    filters: int
    dilation: int


CONV2 = Stage(3, 32, 128, 1)
CONV3 = Stage(4, 64, 256, 1)
CONV4 = Stage(6, 128, 512, 2)
CONV5 = Stage(3, 256, 1024, 4)


def icnet(image, classes):
    """image [B, H, W, 3] float32 in [-1, 1] -> logits [B, H/4, W/4, classes].

    6,699,987 parameters at 19 classes, without the two classifiers through which the authors train the branches. Sides
    that 32 does not divide are rounded up at every stride. Raises ValueError where a side has fewer than 161 pixels.
    """
    height, width = image.shape[1:3]
    if min(height, width) < SMALLEST:
        raise ValueError(f"ICNet takes images of at least {SMALLEST}x{SMALLEST} pixels, not {height}x{width}.")
    half = blocks.resize(image, (_half(height), _half(width)), RESIZE, "icnet.image2")
    middle = _medium_branch(half, "icnet.trunk")
    quarter = blocks.resize(
        middle, tuple(_half(side) for side in middle.shape[1:3]), RESIZE, "icnet.trunk.conv3.shrink"
    )
    low = _low_branch(quarter, "icnet.trunk")

    high = image
    for index, filters in enumerate((32, 32, 64), start=1):
        high = blocks.conv(high, filters, f"icnet.high.conv{index}", kernel=3, stride=2)

    low = cascade_feature_fusion(low, middle, "icnet.fusion16")
    low = cascade_feature_fusion(low, high, "icnet.fusion8")
    low = blocks.resize(low, (-(-height // 4), -(-width // 4)), RESIZE, "icnet.head.resize")
    return blocks.classifier(low, classes, "icnet.head.classifier")


def cascade_feature_fusion(low, high, name):
    """Fuses low [B, h, w, C] with high [B, 2h, 2w, D]: [B, 2h, 2w, 128]."""
    low = blocks.resize(low, high.shape[1:3], RESIZE, f"{name}.resize")
    low = blocks.conv(low, 128, f"{name}.low", kernel=3, dilation=2, activation=None)
    high = blocks.conv(high, 128, f"{name}.high", activation=None)
    x = layers.Add(name=f"{name}.add")([low, high])
    return layers.Activation("relu", name=f"{name}.relu")(x)


# === The trunk, PSPNet50 of half the width ===


def _medium_branch(x, name):
    """The half-size image [B, h, w, 3] -> conv3's first unit [B, h/8, w/8, 256]."""
    x = blocks.conv(x, 32, f"{name}.conv1.first", kernel=3, stride=2)
    x = blocks.conv(x, 32, f"{name}.conv1.second", kernel=3)
    x = blocks.conv(x, 64, f"{name}.conv1.third", kernel=3)
    x = layers.MaxPooling2D(3, 2, padding="same", name=f"{name}.pool")(x)
    for unit in range(1, CONV2.units + 1):
        x = bottleneck(x, CONV2, f"{name}.conv2.unit{unit}")
    return bottleneck(x, CONV3, f"{name}.conv3.unit1", stride=2)


def _low_branch(x, name):
    """conv3's first unit, shrunk to [B, h, w, 256] -> [B, h, w, 256] after conv5 and the pyramid pooling."""
    for unit in range(2, CONV3.units + 1):
        x = bottleneck(x, CONV3, f"{name}.conv3.unit{unit}")
    for stage, place in ((CONV4, f"{name}.conv4"), (CONV5, f"{name}.conv5")):
        for unit in range(1, stage.units + 1):
            x = bottleneck(x, stage, f"{place}.unit{unit}")
    levels = [x]
    for bins in BINS:
        level = f"{name}.pyramid{bins}"
        strides, windows = zip(*(_window(side, bins) for side in x.shape[1:3]), strict=True)
        pooled = layers.AveragePooling2D(windows, strides, name=f"{level}.pool")(x)
        levels.append(blocks.resize(pooled, x.shape[1:3], RESIZE, f"{level}.resize"))
    return blocks.conv(layers.Add(name=f"{name}.pyramid.add")(levels), 256, f"{name}.reduce")


def _window(side, bins):
    """(stride, window) along a side: the prototxt's at 33 and 65, in proportion elsewhere; always `bins` positions."""
    stride = round(BINS[bins] * side)
    if bins > 1:
        stride = min(stride, (side - 1) // (bins - 1))
    return stride, side - (bins - 1) * stride


def bottleneck(x, stage, name, stride=1):
    """A residual bottleneck whose first 1x1 carries the stride; the shortcut is projected where widths differ."""
    shortcut = x
    if x.shape[-1] != stage.filters:
        shortcut = blocks.conv(x, stage.filters, f"{name}.project", stride=stride, activation=None)
    x = blocks.conv(x, stage.inner, f"{name}.reduce", stride=stride)
    x = blocks.conv(x, stage.inner, f"{name}.spatial", kernel=3, dilation=stage.dilation)
    x = blocks.conv(x, stage.filters, f"{name}.expand", activation=None)
    return layers.Activation("relu", name=f"{name}.relu")(layers.Add(name=f"{name}.add")([x, shortcut]))


def _half(side):
    return -(-side // 2)

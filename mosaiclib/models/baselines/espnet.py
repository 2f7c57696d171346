"""ESPNet (p = 2, q = 8): spatial pyramids of dilated convolutions.

Mehta, Rastegari, Caspi, Shapiro, Hajishirzi: ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for
Semantic Segmentation (2018). Built from the layer table of the authors' sacmehta/ESPNet, `train/Model.py`.
A row of the paper's Table 2.
"""

from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.baselines.layers import convolution, crop_to, normalise_prelu, pad_to_multiple, transposed
from mosaiclib.models.parts import BACKBONE, DECODER

PARTS = {"espnet": BACKBONE, "espnet.decoder": DECODER, "espnet.classifier": DECODER}

DILATIONS = (1, 2, 4, 8, 16)
LEVEL2_BLOCKS = 2  # p
LEVEL3_BLOCKS = 8  # q


def espnet(image, classes):
    """image [B, H, W, 3] float32 in [-1, 1] -> logits [B, H, W, classes].

    365,109 parameters at 20 classes (the authors count void as one), 363,462 at 19. Sides that 8 does not divide are
    padded with grey, and the logits cropped. Raises ValueError where there are fewer than 5 classes (a pyramid of
    `classes` channels has five branches).
    """
    whole, image = image, pad_to_multiple(image, 8, "espnet")
    if classes < len(DILATIONS):
        raise ValueError(f"ESPNet's decoder needs at least {len(DILATIONS)} classes, not {classes}.")
    image2 = _halved(image, "espnet.image2")
    image4 = _halved(image2, "espnet.image4")

    x = _conv_prelu(image, 16, "espnet.level1", stride=2)
    level1 = normalise_prelu(_concat([x, image2], "espnet.level1"), "espnet.level1.output")

    first = esp(level1, 64, "espnet.level2.down", downsample=True)
    x = first
    for index in range(1, LEVEL2_BLOCKS + 1):
        x = esp(x, 64, f"espnet.level2.block{index}", residual=True)
    level2 = normalise_prelu(_concat([x, first, image4], "espnet.level2"), "espnet.level2.output")

    first = esp(level2, 128, "espnet.level3.down", downsample=True)
    x = first
    for index in range(1, LEVEL3_BLOCKS + 1):
        x = esp(x, 128, f"espnet.level3.block{index}", residual=True)
    level3 = normalise_prelu(_concat([first, x], "espnet.level3"), "espnet.level3.output")

    x = blocks.conv(level3, classes, "espnet.decoder3.project", activation=None)
    x = transposed(x, classes, "espnet.decoder3", kernel=2, bias=False)
    skip = convolution(level2, classes, "espnet.decoder2.project", kernel=1, bias=False)
    x = normalise_prelu(_concat([skip, x], "espnet.decoder2"), "espnet.decoder2.input")
    x = esp(x, classes, "espnet.decoder2.esp")
    x = normalise_prelu(transposed(x, classes, "espnet.decoder2", kernel=2, bias=False), "espnet.decoder2")
    x = _conv_prelu(_concat([x, level1], "espnet.decoder1"), classes, "espnet.decoder1")
    return crop_to(transposed(x, classes, "espnet.classifier", kernel=2, bias=False), whole, "espnet")


def esp(x, filters, name, downsample=False, residual=False):
    """An efficient spatial pyramid: reduce, five dilated 3x3 side by side, running sums, concatenation.

    [B, h, w, C] -> [B, h, w, filters], or half the size with `downsample`. residual: add the input.
    The sums hide the gridding of large dilations. The branch of dilation 1 takes the channels that are left
    over when `filters` is divided by five, and stays out of the sums.
    """
    inputs = x
    width = filters // len(DILATIONS)
    kernel, stride = (3, 2) if downsample else (1, 1)
    x = convolution(x, width, f"{name}.reduce", kernel, stride, bias=False)
    branches, total = [], None
    for dilation in DILATIONS:
        place = f"{name}.dilation{dilation}"
        channels = filters - 4 * width if dilation == 1 else width
        branch = convolution(x, channels, place, dilation=dilation, bias=False)
        if dilation > 1:
            total = branch if total is None else layers.Add(name=f"{place}.add")([total, branch])
            branch = total
        branches.append(branch)
    x = _concat(branches, name)
    if residual:
        x = layers.Add(name=f"{name}.add")([x, inputs])
    return normalise_prelu(x, f"{name}.output")


def _halved(x, name):
    """The mean of 3x3 at every second position; the zeros beside the image count, as in Torch's AvgPool2d(3, 2, 1)."""
    return layers.AveragePooling2D(3, 2, name=name)(layers.ZeroPadding2D(1, name=f"{name}.pad")(x))


def _conv_prelu(x, filters, name, stride=1):
    return normalise_prelu(convolution(x, filters, name, stride=stride, bias=False), name)


def _concat(tensors, name):
    return layers.Concatenate(name=f"{name}.concat")(tensors)

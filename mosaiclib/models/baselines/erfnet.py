"""ERFNet: residual blocks of 3x1 and 1x3 convolutions.

Romera, Alvarez, Bergasa, Arroyo: ERFNet: Efficient Residual Factorized ConvNet for Real-Time Semantic
Segmentation (2018). The layers are those of `train/erfnet.py` in the authors' Eromera/erfnet_pytorch.
A row of the paper's Table 2.
"""

from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.baselines.layers import convolution, crop_to, pad_to_multiple, transposed
from mosaiclib.models.parts import BACKBONE, DECODER

PARTS = {"erfnet": BACKBONE, "erfnet.decoder": DECODER, "erfnet.classifier": DECODER}

DILATIONS = (2, 4, 8, 16, 2, 4, 8, 16)


def erfnet(image, classes):
    """image [B, H, W, 3] float32 in [-1, 1] -> logits [B, H, W, classes].

    2,064,191 parameters at 19 classes: the authors' 2,066,642 include a 1x1 classifier of 2,451 behind the encoder,
    through which they train it first. Sides that 8 does not divide are padded with grey, and the logits cropped.
    """
    whole, image = image, pad_to_multiple(image, 8, "erfnet")
    x = downsampler(image, 16, "erfnet.encoder.down1")
    x = downsampler(x, 64, "erfnet.encoder.down2")
    for index in range(1, 6):
        x = non_bottleneck_1d(x, f"erfnet.encoder.level4.block{index}", dropout=0.03)
    x = downsampler(x, 128, "erfnet.encoder.down3")
    for index, dilation in enumerate(DILATIONS, start=1):
        x = non_bottleneck_1d(x, f"erfnet.encoder.level8.block{index}", dropout=0.3, dilation=dilation)

    for filters, level in ((64, 4), (16, 2)):
        place = f"erfnet.decoder.level{level}"
        x = blocks.normalise(transposed(x, filters, f"{place}.up", kernel=3), f"{place}.up")
        for index in (1, 2):
            x = non_bottleneck_1d(x, f"{place}.block{index}")
    return crop_to(transposed(x, classes, "erfnet.classifier", kernel=2), whole, "erfnet")


def downsampler(x, filters, name):
    """[B, 2h, 2w, C] -> [B, h, w, filters]: a convolution beside a max pooling."""
    convolved = convolution(x, filters - x.shape[-1], name, stride=2)
    pooled = layers.MaxPooling2D(2, name=f"{name}.pool")(x)
    return blocks.normalise(layers.Concatenate(name=f"{name}.concat")([convolved, pooled]), name)


def non_bottleneck_1d(x, name, dropout=0.0, dilation=1):
    """A residual block of two 3x1 and 1x3 pairs, the second dilated: [B, h, w, C] -> the same shape."""
    inputs, filters = x, x.shape[-1]
    for pair, rate in (("pair1", 1), ("pair2", dilation)):
        column, row = f"{name}.{pair}.column", f"{name}.{pair}.row"
        x = convolution(x, filters, column, kernel=(3, 1), dilation=(rate, 1))
        x = layers.Activation("relu", name=f"{column}.relu")(x)
        x = convolution(x, filters, row, kernel=(1, 3), dilation=(1, rate))
        x = blocks.normalise(x, row, activation="relu" if pair == "pair1" else None)
    if dropout:
        x = layers.SpatialDropout2D(dropout, name=f"{name}.dropout")(x)
    return layers.Activation("relu", name=f"{name}.relu")(layers.Add(name=f"{name}.add")([x, inputs]))

"""ENet, in its authors' form.

Paszke, Chaurasia, Kim, Culurciello: ENet: A Deep Neural Network Architecture for Real-Time Semantic
Segmentation (2016). The layers are those of `train/models/encoder.lua` and `decoder.lua` in the authors'
e-lab/ENet-training; ports differ in widths and activations. A row of the paper's Table 2.
"""

from keras import layers, ops

from mosaiclib.models import blocks
from mosaiclib.models.baselines.layers import (
    convolution,
    crop_to,
    max_pool_with_indices,
    max_unpool,
    normalise_prelu,
    pad_to_multiple,
    prelu,
    transposed,
)
from mosaiclib.models.parts import BACKBONE, DECODER

PARTS = {"enet": BACKBONE, "enet.stage4": DECODER, "enet.stage5": DECODER, "enet.classifier": DECODER}

# The middle convolutions of stages 2 and 3: (kind, dilation or length).
CONTEXT = (
    ("regular", 1),
    ("dilated", 2),
    ("asymmetric", 5),
    ("dilated", 4),
    ("regular", 1),
    ("dilated", 8),
    ("asymmetric", 5),
    ("dilated", 16),
)


def enet(image, classes):
    """image [B, H, W, 3] float32 in [-1, 1] -> logits [B, H, W, classes].

    364,311 parameters at 19 classes. The authors train the encoder first, under a classifier of its own
    that is not part of the network. Sides that 8 does not divide are padded with grey, and the
    logits cropped.
    """
    whole, image = image, pad_to_multiple(image, 8, "enet")
    x = layers.Concatenate(name="enet.initial.concat")(
        [
            convolution(image, 13, "enet.initial", stride=2),
            layers.MaxPooling2D(2, name="enet.initial.pool")(image),
        ]
    )
    x = normalise_prelu(x, "enet.initial")

    x, indices1 = downsampling(x, 64, 0.01, "enet.stage1.down")
    for index in range(1, 5):
        x = bottleneck(x, "regular", 1, 0.01, f"enet.stage1.block{index}")
    x, indices2 = downsampling(x, 128, 0.1, "enet.stage2.down")
    for stage in (2, 3):
        for index, (kind, extent) in enumerate(CONTEXT, start=1):
            x = bottleneck(x, kind, extent, 0.1, f"enet.stage{stage}.block{index}")

    x = upsampling(x, 64, indices2, "enet.stage4.up")
    for index in (1, 2):
        x = decoder_bottleneck(x, f"enet.stage4.block{index}")
    x = upsampling(x, 16, indices1, "enet.stage5.up")
    x = decoder_bottleneck(x, "enet.stage5.block1")
    return crop_to(transposed(x, classes, "enet.classifier", kernel=2), whole, "enet")


# === Encoder: PReLU ===


def bottleneck(x, kind, extent, dropout, name):
    """A residual bottleneck: [B, h, w, C] -> the same shape. kind: "regular", "dilated" or "asymmetric"."""
    main = convolution(x, x.shape[-1] // 4, f"{name}.reduce", kernel=1, bias=False)
    main = _middle_and_expansion(main, x.shape[-1], kind, extent, dropout, name)
    return prelu(layers.Add(name=f"{name}.add")([main, x]), f"{name}.output")


def downsampling(x, filters, dropout, name):
    """[B, 2h, 2w, C] -> ([B, h, w, filters], pooling indices): the other branch is pooled, then zero-padded."""
    main = convolution(x, filters // 4, f"{name}.reduce", kernel=2, stride=2, bias=False)
    main = _middle_and_expansion(main, filters, "regular", 1, dropout, name)
    other, indices = max_pool_with_indices(x, f"{name}.pool")
    # Zeros by concatenation: the TFLite converter leaves a pad of channels in float when it quantises.
    zeros = ops.zeros_like(main[..., : filters - x.shape[-1]])
    other = layers.Concatenate(name=f"{name}.widen")([other, zeros])
    return prelu(layers.Add(name=f"{name}.add")([main, other]), f"{name}.output"), indices


def _middle_and_expansion(x, filters, kind, extent, dropout, name):
    """From the reduced channels on: batch norm, the convolution of `kind`, the expansion, dropout."""
    x = normalise_prelu(x, f"{name}.reduce")
    inner = x.shape[-1]
    if kind == "asymmetric":
        x = convolution(x, inner, f"{name}.row", kernel=(1, extent), bias=False)
        x = convolution(x, inner, f"{name}.middle", kernel=(extent, 1))
    else:
        x = convolution(x, inner, f"{name}.middle", dilation=extent)
    x = normalise_prelu(x, f"{name}.middle")
    x = blocks.conv(x, filters, f"{name}.expand", activation=None)
    return layers.SpatialDropout2D(dropout, name=f"{name}.dropout")(x)


# === Decoder: ReLU ===


def decoder_bottleneck(x, name):
    """A residual bottleneck of the decoder: [B, h, w, C] -> the same shape."""
    filters = x.shape[-1]
    main = blocks.conv(x, filters // 4, f"{name}.reduce")
    main = convolution(main, filters // 4, f"{name}.middle")
    return _sum(main, x, filters, name)


def upsampling(x, filters, indices, name):
    """[B, h, w, C] -> [B, 2h, 2w, filters]: one branch transposed, the other projected and unpooled."""
    main = blocks.conv(x, filters // 4, f"{name}.reduce")
    main = transposed(main, filters // 4, f"{name}.middle", kernel=3)
    other = blocks.conv(x, filters, f"{name}.project", activation=None)
    other = max_unpool(other, indices, f"{name}.unpool")
    return _sum(main, other, filters, name)


def _sum(main, other, filters, name):
    main = blocks.normalise(main, f"{name}.middle")
    main = blocks.conv(main, filters, f"{name}.expand", activation=None)
    return layers.Activation("relu", name=f"{name}.relu")(layers.Add(name=f"{name}.add")([main, other]))

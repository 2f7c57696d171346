"""DeepLabV3+: atrous spatial pyramid pooling and a decoder with one skip ([3] in the paper).

Two of its forms stand in the paper: the full one on Xception-71 (Table 6) and MLPerf's mobile one on
MobileNetV2, without atrous branches (Table 7).
"""

from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.parts import Part

PARTS = {"deeplab.aspp": Part("context", decays_depthwise=False), "deeplab": Part("decoder", decays_depthwise=False)}

EPSILON = 1e-5
DROPOUT = 0.1


def deeplab_v3plus(taps, head, classes, resize):
    """From backbone taps to logits [B, h, w, classes] at stride 4, or 16 without the decoder.

    head: a `specs.DeepLabV3PlusHead`.
    """
    x = spatial_pyramid(taps[16], head, resize, "deeplab.aspp")
    if head.decoder:
        x = decoder(x, taps[4], head, resize, "deeplab.decoder")
    return blocks.classifier(x, classes, "deeplab.classifier")


def spatial_pyramid(x, head, resize, name):
    """x [B, h, w, C] -> [B, h, w, filters]: the image's mean, a 1x1 and the atrous branches, fused."""
    pooled = layers.AveragePooling2D(x.shape[1:3], name=f"{name}.mean.pool")(x)
    pooled = blocks.conv(pooled, head.filters, f"{name}.mean", epsilon=EPSILON)
    branches = [
        blocks.resize(pooled, x.shape[1:3], resize, f"{name}.mean.resize"),
        blocks.conv(x, head.filters, f"{name}.pointwise", epsilon=EPSILON),
    ]
    for rate in head.atrous_rates:
        branches.append(blocks.conv(x, head.filters, f"{name}.atrous{rate}", 3, dilation=rate, epsilon=EPSILON))
    x = layers.Concatenate(name=f"{name}.concat")(branches)
    x = blocks.conv(x, head.filters, f"{name}.projection", epsilon=EPSILON)
    return layers.Dropout(DROPOUT, name=f"{name}.dropout")(x)


def decoder(x, skip, head, resize, name):
    """x [B, h, w, filters] and skip [B, H, W, C] -> [B, H, W, filters]."""
    x = blocks.resize(x, skip.shape[1:3], resize, f"{name}.resize")
    skip = blocks.conv(skip, head.skip_filters, f"{name}.skip", epsilon=EPSILON)
    x = layers.Concatenate(name=f"{name}.concat")([x, skip])
    for index in (1, 2):
        x = blocks.separable(x, head.filters, f"{name}.separable{index}", epsilon=EPSILON)
    return x

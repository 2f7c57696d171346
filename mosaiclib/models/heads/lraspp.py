"""Lite R-ASPP: one convolution, one gate from wide pooling, one skip ([9] in the paper, Figure 10 there).

The paper calls a backbone with this head Mobile-DeepLab, MDL (Table 2), or LR-ASPP (Table 7).
"""

from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.parts import CONTEXT, DECODER

PARTS = {"lraspp": DECODER, "lraspp.features": CONTEXT, "lraspp.gate": CONTEXT, "lraspp.scale": CONTEXT}

EPSILON = 1e-5
WINDOW = 49  # at stride 16: the whole map of a 769x769 crop
STRIDES = (16, 20)


def lraspp(taps, head, classes, resize):
    """From backbone taps to logits [B, h, w, classes] at the stride of the skip.

    head: a `specs.LRASPPHead`. On maps smaller than 49x49 (512x512 images) the pooling window is the
    whole map, that is, pooling is global.
    """
    x, skip = taps[16], taps[head.skip_stride]
    size = x.shape[1:3]
    gate = layers.AveragePooling2D(
        tuple(min(WINDOW, side) for side in size), STRIDES, padding="valid", name="lraspp.gate.pool"
    )(x)
    gate = layers.Conv2D(head.filters, 1, activation="hard_sigmoid", name="lraspp.gate")(gate)
    gate = blocks.resize(gate, size, resize, "lraspp.gate.resize")
    x = blocks.conv(x, head.filters, "lraspp.features", epsilon=EPSILON)
    x = layers.Multiply(name="lraspp.scale")([x, gate])
    x = blocks.resize(x, skip.shape[1:3], resize, "lraspp.resize")
    x = blocks.classifier(x, classes, "lraspp.classifier")
    skip = blocks.classifier(skip, classes, "lraspp.skip")
    return layers.Add(name="lraspp.add")([x, skip])

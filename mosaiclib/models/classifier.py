"""The classification network that a backbone is pretrained as: the last rows of Table 1, which segmentation drops."""

import keras
from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.backbones.mnmh import mnmh


def classifier(spec, input_size, classes, dropout=0.2):
    """The backbone of `spec` at stride 32, global average pooling, 1280 filters and the classes: a `keras.Model`.

    [B, H, W, 3] float32 RGB in [-1, 1] -> logits [B, classes]. Dropout is ours: the paper says nothing of it.
    Raises ValueError for a network on another backbone: `mosaic import keras-applications` has weights for some.
    """
    if spec.backbone != "mnmh":
        raise ValueError(f"{spec.name} is not on MobileNet Multi-Hardware, the backbone that is pretrained here.")
    image = keras.Input((*input_size, 3), name="image")
    x = mnmh(image, spec.endpoint_filters, output_stride=32)[16]
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = blocks.conv(x, 1280, "mnmh.fully_connected")
    x = layers.Dropout(dropout, name="dropout", seed=0)(x)
    x = blocks.classifier(x, classes, "classes")
    return keras.Model(image, layers.Flatten(name="logits")(x), name="classifier")

"""The modified Xception-71 of DeepLabV3+ at output stride 16 ([3] in the paper; Table 6).

Every depthwise convolution has a batch norm of its own, and strided separable convolutions take the place
of max pooling. At even sizes TensorFlow's "same" pads these (0, 1) where DeepLab pads (1, 1), which keeps them aligned
with their shortcuts: padding="symmetric".
"""

from typing import NamedTuple

from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.parts import BACKBONE

PARTS = {"xception71": BACKBONE}


class Module(NamedTuple):
    """Three separable convolutions beside a shortcut; the last of the three carries the stride."""

    name: str
    filters: tuple[int, int, int]
    stride: int
    shortcut: str  # "conv" or "sum"


MODULES = (
    Module("entry1", (128,) * 3, 2, "conv"),  # to os 4
    Module("entry2", (256,) * 3, 1, "conv"),
    Module("entry3", (256,) * 3, 2, "conv"),  # tap 4, then to os 8
    Module("entry4", (728,) * 3, 1, "conv"),
    Module("entry5", (728,) * 3, 2, "conv"),  # tap 8, then to os 16
    *(Module(f"middle{index}", (728,) * 3, 1, "sum") for index in range(1, 17)),
    Module("exit1", (728, 1024, 1024), 1, "conv"),  # stride 2 in the classification network
)
EXIT = (1536, 1536, 2048)
TAP_AFTER = {"entry3": 4, "entry5": 8}


def xception71(image, padding="same"):
    """Builds the backbone on `image` [B, H, W, 3] and returns its taps.

    Returns {2: [B, H/2, W/2, 64], 4: [B, H/4, W/4, 256], 8: [B, H/8, W/8, 728], 16: [B, H/16, W/16, 2048]}:
    strides 4 and 8 are the last separable convolution before a stride. padding: of `ModelSpec`.
    """
    x = blocks.conv(image, 32, "xception71.stem.conv1", kernel=3, stride=2, padding=padding)
    x = blocks.conv(x, 64, "xception71.stem.conv2", kernel=3)
    taps = {2: x}
    for module in MODULES:
        x, before_last = _module(x, module, f"xception71.{module.name}", padding)
        if module.name in TAP_AFTER:
            taps[TAP_AFTER[module.name]] = before_last
    for index, filters in enumerate(EXIT, start=1):
        x = blocks.separable(x, filters, f"xception71.exit2.separable{index}", dilation=2)
    taps[16] = x
    return taps


def _module(x, module, name, padding):
    """ReLU before each separable convolution, none inside: (output, output of the second convolution)."""
    inputs, outputs = x, []
    for index, filters in enumerate(module.filters, start=1):
        place = f"{name}.separable{index}"
        x = layers.Activation("relu", name=f"{place}.relu")(x)
        stride = module.stride if index == 3 else 1
        x = blocks.separable(x, filters, place, stride, activation=None, padding=padding)
        outputs.append(x)
    if module.shortcut == "conv":
        inputs = blocks.conv(inputs, module.filters[-1], f"{name}.shortcut", stride=module.stride, activation=None)
    return layers.Add(name=f"{name}.add")([x, inputs]), outputs[1]

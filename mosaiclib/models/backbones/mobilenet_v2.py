"""MobileNetV2 at output stride 16, as in DeepLab ([23] in the paper; the MLPerf model of Table 7)."""

from typing import NamedTuple

from mosaiclib.models import blocks
from mosaiclib.models.parts import BACKBONE

PARTS = {"mobilenet_v2": BACKBONE}


class Stage(NamedTuple):
    """A row of MobileNetV2's Table 2: `repeats` blocks, of which the first carries the stride."""

    expansion: int
    filters: int
    repeats: int
    stride: int


STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),   # os 4, tap 4
    Stage(6, 32, 3, 2),   # os 8, tap 8
    Stage(6, 64, 4, 2),   # os 16
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 1),  # stride 2 in the classification network
    Stage(6, 320, 1, 1),
)  # fmt: skip
LAST_BLOCK_AT = {3: 4, 6: 8}
FIRST_DILATED_BLOCK = 15  # the first after the one that lost its stride


def mobilenet_v2(image):
    """Builds the backbone on `image` [B, H, W, 3] and returns its taps.

    Returns {2: [B, H/2, W/2, 32], 4: [B, H/4, W/4, 144], 8: [B, H/8, W/8, 192], 16: [B, H/16, W/16, 320]}:
    strides 4 and 8 are depthwise outputs, 16 the last block's: the 1280-wide convolution is left out.
    """
    x = blocks.conv(image, 32, "mobilenet_v2.stem", kernel=3, stride=2, activation="relu6")
    taps = {2: x}
    index = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            index += 1
            x, spatial = blocks.inverted_bottleneck(
                x,
                f"mobilenet_v2.block{index}",
                kernel=3,
                stride=stage.stride if repeat == 0 else 1,
                dilation=2 if index >= FIRST_DILATED_BLOCK else 1,
                expanded=stage.expansion * x.shape[-1],
                filters=stage.filters,
                activation="relu6",
            )
            if index in LAST_BLOCK_AT:
                taps[LAST_BLOCK_AT[index]] = spatial
    taps[16] = x
    return taps

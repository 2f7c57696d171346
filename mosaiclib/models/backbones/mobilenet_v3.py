"""MobileNetV3, small and large, in the form for segmentation ([9] in the paper, section 6.4 there).

The last blocks and the last convolution are half as wide as in the classification network, and the
output stride is 16: the block that had the last stride loses it, those after it are dilated by 2.
"""

from typing import NamedTuple

from mosaiclib.models import blocks
from mosaiclib.models.parts import BACKBONE

PARTS = {"mobilenet_v3_small": BACKBONE, "mobilenet_v3_large": BACKBONE}


class Block(NamedTuple):
    """A row of MobileNetV3's Tables 1 and 2: an inverted bottleneck; squeezed 0: no squeeze-and-excite."""

    kernel: int
    expanded: int
    filters: int
    squeezed: int
    activation: str
    stride: int


class Variant(NamedTuple):
    """A whole table; the taps are the depthwise outputs of the last block at strides 4 and 8."""

    blocks: tuple[Block, ...]
    last_block_at: dict[int, int]
    first_dilated_block: int
    endpoint_filters: int


LARGE = Variant(
    (
        Block(3, 16, 16, 0, "relu", 1),            # 1
        Block(3, 64, 24, 0, "relu", 2),            # 2   os 4
        Block(3, 72, 24, 0, "relu", 1),            # 3   os 4, tap 4
        Block(5, 72, 40, 24, "relu", 2),           # 4   os 8
        Block(5, 120, 40, 32, "relu", 1),          # 5
        Block(5, 120, 40, 32, "relu", 1),          # 6   os 8, tap 8
        Block(3, 240, 80, 0, "hard_swish", 2),     # 7   os 16
        Block(3, 200, 80, 0, "hard_swish", 1),     # 8
        Block(3, 184, 80, 0, "hard_swish", 1),     # 9
        Block(3, 184, 80, 0, "hard_swish", 1),     # 10
        Block(3, 480, 112, 120, "hard_swish", 1),  # 11
        Block(3, 672, 112, 168, "hard_swish", 1),  # 12
        Block(5, 336, 80, 88, "hard_swish", 1),    # 13  672, 160 and stride 2 in the classification network
        Block(5, 480, 80, 120, "hard_swish", 1),   # 14  960 and 160
        Block(5, 480, 80, 120, "hard_swish", 1),   # 15  960 and 160
    ),
    last_block_at={3: 4, 6: 8},
    first_dilated_block=14,
    endpoint_filters=480,
)  # fmt: skip
SMALL = Variant(
    (
        Block(3, 16, 16, 8, "relu", 2),           # 1   os 4, tap 4
        Block(3, 72, 24, 0, "relu", 2),           # 2   os 8
        Block(3, 88, 24, 0, "relu", 1),           # 3   os 8, tap 8
        Block(5, 96, 40, 24, "hard_swish", 2),    # 4   os 16
        Block(5, 240, 40, 64, "hard_swish", 1),   # 5
        Block(5, 240, 40, 64, "hard_swish", 1),   # 6
        Block(5, 120, 48, 32, "hard_swish", 1),   # 7
        Block(5, 144, 48, 40, "hard_swish", 1),   # 8
        Block(5, 144, 48, 40, "hard_swish", 1),   # 9   288, 96 and stride 2 in the classification network
        Block(5, 288, 48, 72, "hard_swish", 1),   # 10  576 and 96
        Block(5, 288, 48, 72, "hard_swish", 1),   # 11  576 and 96
    ),
    last_block_at={1: 4, 3: 8},
    first_dilated_block=10,
    endpoint_filters=288,
)  # fmt: skip


def mobilenet_v3(image, variant, name):
    """Builds `variant` (LARGE or SMALL) on `image` [B, H, W, 3] and returns its taps.

    Returns {2: [B, H/2, W/2, 16], 4: [B, H/4, W/4, 72 or 16], 8: [B, H/8, W/8, 120 or 88],
    16: [B, H/16, W/16, 480 or 288]}: strides 4 and 8 are depthwise outputs before the squeeze-and-excite.
    """
    x = blocks.conv(image, 16, f"{name}.stem", kernel=3, stride=2, activation="hard_swish")
    taps = {2: x}
    for index, block in enumerate(variant.blocks, start=1):
        x, spatial = blocks.inverted_bottleneck(
            x,
            f"{name}.block{index}",
            block.kernel,
            block.stride,
            2 if index >= variant.first_dilated_block else 1,
            block.expanded,
            block.filters,
            block.activation,
            block.squeezed,
        )
        if index in variant.last_block_at:
            taps[variant.last_block_at[index]] = spatial
    taps[16] = blocks.conv(x, variant.endpoint_filters, f"{name}.endpoint", activation="hard_swish")
    return taps

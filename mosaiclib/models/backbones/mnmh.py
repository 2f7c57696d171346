"""MobileNet Multi-Hardware, tailored for segmentation (paper section 6.1 and Table 1).

The Model Garden calls it MobileNetMultiAVGSeg. It has no squeeze-and-excite and only plain ReLU, since
the paper wants operations that every phone accelerator supports.
"""

from typing import NamedTuple

from mosaiclib.models import blocks
from mosaiclib.models.parts import BACKBONE

PARTS = {"mnmh": BACKBONE}


class Block(NamedTuple):
    """One row of Table 1: an inverted bottleneck."""

    kernel: int
    expanded: int
    filters: int
    stride: int


# Table 1, rows 2 to 17, with the output stride that each row works at.
TABLE_1 = (
    Block(3, 96, 32, 2),    # 1   os 4
    Block(3, 64, 32, 1),    # 2   os 4, tap 4
    Block(5, 160, 64, 2),   # 3   os 8
    Block(3, 192, 64, 1),   # 4
    Block(3, 128, 64, 1),   # 5
    Block(3, 192, 64, 1),   # 6   os 8, tap 8
    Block(5, 384, 128, 2),  # 7   os 16
    Block(3, 384, 128, 1),  # 8
    Block(3, 384, 128, 1),  # 9
    Block(3, 384, 128, 1),  # 10
    Block(3, 768, 160, 1),  # 11
    Block(3, 640, 160, 1),  # 12
    Block(3, 960, 192, 1),  # 13  stride 2 in the classification network
    Block(5, 384, 96, 1),   # 14
    Block(5, 384, 96, 1),   # 15
    Block(5, 384, 96, 1),   # 16
)  # fmt: skip
LAST_BLOCK_AT = {2: 4, 6: 8}
STRIDED_WHERE_CLASSIFYING = 13


def mnmh(image, endpoint_filters, first_dilated_block=14, output_stride=16):
    """Builds the backbone on `image` [B, H, W, 3] and returns its taps.

    Returns {2: [B, H/2, W/2, 32], 4: [B, H/4, W/4, 64], 8: [B, H/8, W/8, 192], 16: [B, H/16, W/16, m]}:
    strides 4 and 8 are depthwise outputs (before the projection), 16 is the endpoint.

    endpoint_filters: m; the paper uses 448, 480 and 512.
    first_dilated_block: from this block on depthwise convolutions are dilated by 2 (paper section 6.1,
        modification 2, which does not name the block): 14 or 13, see `ModelSpec.wired`.
    output_stride: 16, or 32 for the classification network: block 13 strides, and nothing is dilated.
    """
    classifies = output_stride == 32
    x = blocks.conv(image, 32, "mnmh.stem", kernel=3, stride=2)
    taps = {2: x}
    for index, block in enumerate(TABLE_1, start=1):
        dilation = 2 if index >= first_dilated_block and not classifies else 1
        stride = 2 if index == STRIDED_WHERE_CLASSIFYING and classifies else block.stride
        x, spatial = blocks.inverted_bottleneck(
            x, f"mnmh.block{index}", block.kernel, stride, dilation, block.expanded, block.filters
        )
        if index in LAST_BLOCK_AT:
            taps[LAST_BLOCK_AT[index]] = spatial
    taps[16] = blocks.conv(x, endpoint_filters, "mnmh.endpoint")
    return taps

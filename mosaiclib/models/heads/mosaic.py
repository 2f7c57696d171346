"""The MOSAIC head: an efficient context encoder (paper section 4) and a hybrid decoder (section 5)."""

from keras import layers, ops

from mosaiclib.models import blocks
from mosaiclib.models.batch_norm import BatchNormalization
from mosaiclib.models.parts import CONTEXT, DECODER

PARTS = {"mosaic.encoder": CONTEXT, "mosaic.decoder": DECODER}


def mosaic(taps, head, classes, resize, dropout=0.0):
    """From backbone taps {2, 4, 8, 16} to logits [B, h, w, classes] at the stride of the last merge.

    head: a `specs.MosaicHead`. resize: the bilinear convention. dropout: between encoder and decoder.
    """
    x = context_encoder(taps[16], head, resize, "mosaic.encoder")
    x = layers.Dropout(dropout, name="mosaic.encoder.dropout")(x) if dropout else x
    return hybrid_decoder(x, taps, head, classes, resize, "mosaic.decoder")


# === Context encoder ===


def context_encoder(x, head, resize, name):
    """Pools x [B, h, w, C] into a pyramid, convolves each level and fuses all: [B, h, w, 2f] (Figure 3).

    Concatenated are the input itself, the levels in the order of `head.bins`, and the global branch last.
    Raises ValueError where the feature map has fewer positions than the largest level has bins.
    """
    size, most = x.shape[1:3], max(head.bins)
    if min(size) < most:
        raise ValueError(
            f"A pyramid level of {most} bins needs a feature map of at least {most}x{most}, but it is {size[0]}x"
            f"{size[1]} here: images and crops must have at least {16 * most}x{16 * most} pixels (crop_height and "
            "crop_width in training; input_scale enlarges images), or the bins must be smaller."
        )
    levels = [bins for bins in head.bins if bins > 1]
    shared = GroupConvolution(head, f"{name}.levels") if head.shared_levels else None
    branches = [x]
    for bins in levels:
        level = f"{name}.level{bins}"
        convolution = shared or GroupConvolution(head, level)
        pooled = pyramid_pool(x, bins, head.windows, f"{level}.pool")
        branches.append(blocks.resize(convolution(pooled), size, resize, f"{level}.resize"))
    if 1 in head.bins:
        pooled = layers.AveragePooling2D(size, name=f"{name}.global.pool")(x)
        pooled = blocks.conv(pooled, head.encoder_filters, f"{name}.global")
        branches.append(blocks.resize(pooled, size, resize, f"{name}.global.resize"))
    x = layers.Concatenate(name=f"{name}.concat")(branches)
    return blocks.conv(x, 2 * head.encoder_filters, f"{name}.projection")


def bin_counts(bins, size, windows):
    """How many bins (rows, columns) a level has on a feature map of `size` (height, width)."""
    if windows == "grid":
        return bins, bins
    short = min(size)
    return tuple(round(bins * side / short) for side in size)


def pyramid_pool(x, bins, windows, name):
    """Average pooling into bins; where they do not divide a side, windows grow and overlap.

    Along a side of length L with b bins the stride is floor(L / b) and the window floor(L / b) + L mod b.
    """
    size = x.shape[1:3]
    counts = bin_counts(bins, size, windows)
    strides = [side // count for side, count in zip(size, counts, strict=True)]
    window = [stride + side % count for stride, side, count in zip(strides, size, counts, strict=True)]
    return layers.AveragePooling2D(window, strides, padding="valid", name=name)(x)


class GroupConvolution:
    """Multi-kernel group convolution (section 4.1): 3x3 and 5x5 separable convolutions side by side.

    Each of the k kernels of `head.kernels` sees its share of the channels (or all of them, without
    `head.group_convolution`). An instance makes its layers once, so that calling it again shares their weights
    between levels. [B, h, w, C] -> [B, h, w, k f].
    """

    def __init__(self, head, name):
        self.split = head.group_convolution
        self.groups = []
        for kernel in head.kernels:
            group = f"{name}.group{kernel}x{kernel}"
            self.groups.append(
                [
                    layers.DepthwiseConv2D(kernel, padding="same", use_bias=False, name=f"{group}.depthwise.conv"),
                    BatchNormalization(epsilon=blocks.EPSILON, name=f"{group}.depthwise.bn"),
                    layers.Activation("relu", name=f"{group}.depthwise.relu"),
                    layers.Conv2D(head.encoder_filters, 1, use_bias=False, name=f"{group}.pointwise.conv"),
                    BatchNormalization(epsilon=blocks.EPSILON, name=f"{group}.pointwise.bn"),
                    layers.Activation("relu", name=f"{group}.pointwise.relu"),
                ]
            )
        self.concat = layers.Concatenate(name=f"{name}.concat")

    def __call__(self, x):
        count = len(self.groups)
        if self.split and x.shape[-1] % count:
            raise ValueError(
                f"Group convolution gives each of its {count} kernels an equal share of the channels, but there are "
                f"{x.shape[-1]}: choose a multiple of {count} endpoint filters."
            )
        parts = ops.split(x, count, axis=-1) if self.split else [x] * count
        outputs = []
        for part, group in zip(parts, self.groups, strict=True):
            for layer in group:
                part = layer(part)
            outputs.append(part)
        return self.concat(outputs)


# === Hybrid decoder ===


def hybrid_decoder(x, taps, head, classes, resize, name):
    """Upsamples merge by merge (Figure 4) and returns logits [B, h, w, classes].

    As in the authors' code, every merge projects to `classes` channels, so a decoder that ends in a sum
    needs no classifier. The paper's MAdds of Table 5 show one where it ends in a concat, and a single 1x1
    where there is no skip.
    """
    for merge in head.merges:
        skip = taps[merge.stride]
        place = f"{name}.merge{merge.stride}"
        if merge.style == "concat":
            x = concat_merge(x, skip, head.decoder_filters, classes, resize, place)
        else:
            x = sum_merge(x, skip, classes, resize, place)
    if not head.merges or head.merges[-1].style == "concat":
        x = blocks.classifier(x, classes, f"{name}.classifier")
    return x


def concat_merge(low, high, filters, classes, resize, name):
    """Concatenation and the three-layer separable block: 1x1, depthwise 3x3, 1x1."""
    low = blocks.resize(low, high.shape[1:3], resize, f"{name}.resize")
    x = layers.Concatenate(name=f"{name}.concat")([low, high])
    x = blocks.conv(x, filters, f"{name}.fuse")
    x = blocks.depthwise(x, f"{name}.depthwise")
    return blocks.conv(x, classes, f"{name}.project")


def sum_merge(low, high, classes, resize, name):
    """Element-wise sum; either side is projected to `classes` channels first where it has others."""
    if low.shape[-1] != classes:
        low = blocks.conv(low, classes, f"{name}.low")
    if high.shape[-1] != classes:
        high = blocks.conv(high, classes, f"{name}.high")
    low = blocks.resize(low, high.shape[1:3], resize, f"{name}.resize")
    return layers.Add(name=f"{name}.add")([high, low])

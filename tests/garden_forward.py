"""The Model Garden's MOSAIC as a forward pass in tf.nn, written from its checkpoint's keys and none of our code.

Facts: official/projects/mosaic and official/vision/modeling/backbones/mobilenet.py, MobileNetMultiAVGSeg.
"""

import numpy as np
import tensorflow as tf

# (kernel, stride, dilation, expanded, filters) of blocks 1 to 16 at output stride 16; the first reads 32 channels.
BLOCKS = [
    (3, 2, 1, 96, 32), (3, 1, 1, 64, 32), (5, 2, 1, 160, 64), (3, 1, 1, 192, 64), (3, 1, 1, 128, 64),
    (3, 1, 1, 192, 64), (5, 2, 1, 384, 128), (3, 1, 1, 384, 128), (3, 1, 1, 384, 128), (3, 1, 1, 384, 128),
    (3, 1, 1, 768, 160), (3, 1, 1, 640, 160), (3, 1, 2, 960, 192), (5, 1, 2, 384, 96), (5, 1, 2, 384, 96),
    (5, 1, 2, 384, 96),
]  # fmt: skip


def logits(arrays, pixels, bins=(4, 8, 16)):
    """uint8 images [B, H, W, 3] -> float32 [B, h, w, classes] by the arrays of a checkpoint, {key: array}."""

    def norm(x, key, activate=True):
        a = {name: arrays[f"{key}/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")}
        x = tf.nn.batch_normalization(x, a["moving_mean"], a["moving_variance"], a["beta"], a["gamma"], 1e-3)
        return tf.nn.relu(x) if activate else x

    def conv(x, key, norm_key, stride=1, activate=True):
        return norm(tf.nn.conv2d(x, arrays[f"{key}/kernel"], stride, "SAME"), norm_key, activate)

    def depthwise(x, key, norm_key, stride=1, dilation=1):
        kernel = arrays[f"{key}/depthwise_kernel"]
        return norm(tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME", None, [dilation] * 2), norm_key)

    def resized(x, like):
        return tf.image.resize(x, like.shape[1:3], "bilinear")

    x = (tf.cast(pixels, tf.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    layer = "backbone/layer_with_weights-{}/".format
    x = conv(x, f"{layer(0)}_conv0", f"{layer(0)}_norm0", 2)
    skips = {}
    for i, (_, stride, dilation, _, filters) in enumerate(BLOCKS, start=1):
        place, inputs = layer(i), x
        x = conv(x, f"{place}_conv0", f"{place}_norm0")
        skips[i] = x = depthwise(x, f"{place}_conv1", f"{place}_norm1", stride, dilation)
        x = conv(x, f"{place}_conv2", f"{place}_norm2", activate=False)
        if stride == 1 and inputs.shape[-1] == filters:
            x = x + inputs
    x = conv(x, f"{layer(17)}_conv0", f"{layer(17)}_norm0")

    branches = [x]
    for count in (count for count in bins if count > 1):
        strides = [side // count for side in x.shape[1:3]]
        window = [stride + side % count for stride, side in zip(strides, x.shape[1:3], strict=True)]
        halves = tf.split(tf.nn.avg_pool2d(x, window, strides, "VALID"), 2, axis=-1)
        for group, half in enumerate(halves):
            place = f"neck/_multi_kernel_group_conv/_conv_branches/{group}"
            half = depthwise(half, f"{place}/0", f"{place}/1")
            halves[group] = conv(half, f"{place}/3", f"{place}/4")
        branches.append(resized(tf.concat(halves, -1), x))
    if 1 in bins:
        place = "neck/_global_pool_branch"
        branches.append(resized(conv(tf.reduce_mean(x, (1, 2), keepdims=True), f"{place}/1", f"{place}/2"), x))
    x = conv(tf.concat(branches, -1), "neck/_encoder_projection/0", "neck/_encoder_projection/1")

    place = "head/_merge_stages/0/_feature_fusion_block"
    x = conv(tf.concat([resized(x, skips[6]), skips[6]], -1), f"{place}/0", f"{place}/1")
    x = conv(depthwise(x, f"{place}/3", f"{place}/4"), f"{place}/6", f"{place}/7")
    place = "head/_merge_stages/1/_high_res_branch"
    return np.asarray(resized(x, skips[2]) + conv(skips[2], f"{place}/0", f"{place}/1"))

"""The training loss with its gradient, and weights of classes for it."""

from functools import cache

import keras
import numpy as np
from keras import ops

from mosaiclib.data.images import IGNORE
from mosaiclib.training import distribution


def segmentation_loss(labels, logits, class_weights=None, dice=0.0):
    """Softmax cross-entropy, mean over the pixels whose label is not 255, plus `dice` times the soft Dice loss.

    labels: integer [B, H, W]; logits: float [B, h, w, C], resized bilinearly to the labels' size (facts of
    the official recipe: sum / (valid pixels + 1e-5)). class_weights: float [C], the weight of a pixel by its
    label in the cross-entropy, whose mean is then over the weights. dice: 0 for none, as in the paper; else the
    weight of 1 - the mean of 2 sum(p t) / (sum p + sum t) over the classes that occur in the batch's labels, p the
    softmax, t the labels one-hot. V-Net's Dice (Milletari et al. 2016) squares the terms below; without squares is
    the more usual reading for several classes. A label from C to 254 makes the loss nan.
    """
    compute = _compiled() if _compiles() else _loss_and_gradient
    kind = keras.backend.result_type(logits.dtype, "float32")  # half precision is too coarse
    if class_weights is not None:
        class_weights = ops.convert_to_tensor(class_weights, kind)

    @ops.custom_gradient
    def loss(logits):
        value, gradient = compute(labels, logits, class_weights, dice)

        def backward(*inputs, upstream=None):  # backends differ in how they hand it over
            return gradient * (inputs[0] if upstream is None else upstream)

        return value, backward

    return loss(ops.cast(logits, kind))


def _compiles():
    """Whether XLA computes the loss: on TensorFlow's CPUs. It cannot reduce over devices from within."""
    if keras.backend.backend() != "tensorflow" or distribution.count() > 1:
        return False
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")


@cache
def _compiled():
    """`_loss_and_gradient` by XLA, which takes half of TensorFlow's time on a CPU."""
    import tensorflow as tf

    return tf.function(_loss_and_gradient, jit_compile=True)


def _loss_and_gradient(labels, logits, class_weights, dice):
    """(loss, its gradient by the logits [B, h, w, C]) in one pass, with the class axis first.

    Reductions over a short last axis are slow on CPUs; over a first axis they are plain vector loops.
    """
    (height, width), (h, w, classes) = labels.shape[1:3], logits.shape[1:]
    by_class = (classes, 1, 1, 1)
    labels = ops.cast(labels, "int32")
    valid = ops.cast(ops.not_equal(labels, IGNORE), logits.dtype)
    t = ops.cast(ops.equal(labels[None], ops.reshape(ops.arange(classes, dtype="int32"), by_class)), logits.dtype)
    if class_weights is None:
        weights, whole = valid, ops.sum(valid)
    else:
        weights = ops.sum(t * ops.reshape(class_weights, by_class), axis=0)
        whole = ops.sum(ops.sum(t, axis=(1, 2, 3)) * class_weights)  # counts are exact, a sum of weights is not
    z = _resize_rows(_resize_columns(ops.transpose(logits, (3, 0, 1, 2)), w, width), h, height)

    highest = ops.max(z, axis=0)
    p = ops.exp(z - highest)
    total = ops.sum(p, axis=0)
    p = p * (1 / total)
    share = weights / (distribution.mean_over_devices(whole) + 1e-5)
    loss = ops.sum(share * (ops.log(total) + highest - ops.sum(z * t, axis=0)))
    if dice:
        right = ops.sum(p * t, axis=0)
        shared, predicted, labelled = (distribution.mean_over_devices(_sum(x)) for x in (t * right, p * valid, t))
        present = ops.cast(labelled > 0, logits.dtype)
        scale = dice * 2 * present / (ops.sum(present) + 1e-5) / (predicted + labelled + 1e-5)
        loss = loss + dice - ops.sum(scale * shared)
        # By p the Dice loss has the gradient excess - [class is the label] scale, over valid pixels.
        excess = ops.reshape(scale * shared / (predicted + labelled + 1e-5), by_class)
        gain = right * ops.sum(t * ops.reshape(scale, by_class), axis=0)
        mean = valid * (ops.sum(p * excess, axis=0) - gain)
        gradient = p * (share + valid * excess - mean) - t * (share + gain)
    else:
        gradient = (p - t) * share
    gradient = _resize_columns_back(_resize_rows_back(gradient, h, height), w, width)
    unknown = ops.any(ops.logical_and(labels >= classes, labels != IGNORE))
    return ops.where(unknown, float("nan"), loss), ops.transpose(gradient, (1, 2, 3, 0))


def _sum(x):
    """The sum over pixels of x >= 0, [C, B, H, W] -> [C]: rows first, since XLA adds up millions one after the other.

    Without `relu` it would turn the two sums back into one.
    """
    return ops.sum(ops.relu(ops.sum(x, axis=3)), axis=(1, 2))


# === Bilinear resize, half-pixel centres, and its transpose for the gradient ===


def _linear(before, after):
    """The matrix [after, before] of linear interpolation along one axis, without antialiasing."""
    position = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(before))).astype(np.float32)


def _resize_columns(z, before, after):
    """[C, B, h, before] -> [C, B, h, after]."""
    return z if before == after else ops.matmul(z, ops.convert_to_tensor(_linear(before, after).T, z.dtype))


def _resize_columns_back(g, before, after):
    """The transpose of `_resize_columns`."""
    return g if before == after else ops.matmul(g, ops.convert_to_tensor(_linear(before, after), g.dtype))


def _resize_rows(z, before, after):
    """[C, B, before, W] -> [C, B, after, W]: a whole number of times by sums of neighbours, else a matrix product."""
    if before == after:
        return z
    if after % before:
        return ops.matmul(ops.convert_to_tensor(_linear(before, after), z.dtype), z)
    above = ops.concatenate([z[:, :, :1], z[:, :, :-1]], axis=2)
    below = ops.concatenate([z[:, :, 1:], z[:, :, -1:]], axis=2)
    rows = [(1 - abs(x)) * z + abs(x) * (above if x < 0 else below) for x in _offsets(after // before)]
    return ops.reshape(ops.stack(rows, axis=3), (z.shape[0], -1, after, z.shape[3]))


def _resize_rows_back(g, before, after):
    """The transpose of `_resize_rows`."""
    if before == after:
        return g
    if after % before:
        return ops.matmul(ops.convert_to_tensor(_linear(before, after).T, g.dtype), g)
    times = after // before
    g = ops.reshape(g, (g.shape[0], -1, before, times, g.shape[3]))
    parts = [(x, g[:, :, :, i]) for i, x in enumerate(_offsets(times))]
    above = sum(-x * part for x, part in parts if x < 0)
    below = sum(x * part for x, part in parts if x > 0)
    from_below = ops.concatenate([above[:, :, 1:], below[:, :, -1:]], axis=2)
    from_above = ops.concatenate([above[:, :, :1], below[:, :, :-1]], axis=2)
    return sum((1 - abs(x)) * part for x, part in parts) + from_below + from_above


def _offsets(times):
    """How far below its centre the rows lie that a row becomes, in rows."""
    return [(i + 0.5) / times - 0.5 for i in range(times)]


def class_weights(dataset, exponent, splits=("train",)):
    """(median frequency / frequency) ** exponent of each class over the splits; 1 for one that is absent.

    Median-frequency balancing (Eigen and Fergus 2015, used by SegNet) has the exponent 1.
    """
    counts = np.zeros(256)
    for sample in (sample for split in splits for sample in dataset.split(split)):
        counts += np.bincount(dataset.read(sample)[1].ravel(), minlength=256)
    frequency = counts[: len(dataset.classes)] / counts[: len(dataset.classes)].sum()
    present = frequency > 0
    weights = np.ones(len(frequency))
    weights[present] = (np.median(frequency[present]) / frequency[present]) ** exponent
    return weights.astype(np.float32)

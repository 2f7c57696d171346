"""The training loss, and weights of classes for it."""

import keras
import numpy as np
from keras import ops

from mosaiclib.training import distribution


def segmentation_loss(labels, logits, class_weights=None, dice=0.0):
    """Softmax cross-entropy, mean over the pixels whose label is not 255, plus `dice` times the soft Dice loss.

    labels: integer [B, H, W]; logits: float [B, h, w, C], resized bilinearly to the labels' size (facts of
    the official recipe: sum / (valid pixels + 1e-5)). class_weights: float [C], the weight of a pixel by its
    label in the cross-entropy, whose mean is then over the weights. dice: 0 for none, as in the paper.
    """
    logits = ops.cast(logits, "float32")
    size = labels.shape[1:3]
    if tuple(logits.shape[1:3]) != tuple(size):
        logits = ops.image.resize(logits, size, interpolation="bilinear")
    labels = ops.cast(labels, "int32")
    valid = ops.cast(ops.not_equal(labels, 255), logits.dtype)
    safe = ops.where(ops.equal(labels, 255), 0, labels)
    weights = valid
    if class_weights is not None:
        weights = valid * ops.take(ops.convert_to_tensor(class_weights, logits.dtype), safe)
    losses = keras.losses.sparse_categorical_crossentropy(safe, logits, from_logits=True)
    loss = ops.sum(losses * weights) / (distribution.mean_over_devices(ops.sum(weights)) + 1e-5)
    return loss + dice * dice_loss(safe, logits, valid) if dice else loss


def dice_loss(labels, logits, valid):
    """1 - the mean of 2 sum(p t) / (sum p + sum t) over the classes that occur in the batch's labels.

    labels: integer [B, H, W] below C; logits: float [B, H, W, C], p is their softmax and t the labels one-hot;
    valid: float [B, H, W], 1 for the pixels that the sums run over, else 0. V-Net's Dice (Milletari et al. 2016)
    squares the terms below; without squares is the more usual reading for several classes.
    """
    classes = logits.shape[-1]
    p = ops.softmax(logits) * valid[..., None]
    t = ops.one_hot(labels, classes) * valid[..., None]
    sums = (ops.sum(x, axis=(0, 1, 2)) for x in (p * t, p, t))
    shared, predicted, labelled = map(distribution.mean_over_devices, sums)
    present = ops.cast(labelled > 0, logits.dtype)
    overlap = 2 * shared / (predicted + labelled + 1e-5)
    return 1 - ops.sum(overlap * present) / (ops.sum(present) + 1e-5)


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

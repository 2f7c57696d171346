"""The training loss, and weights of classes for it."""

import keras
import numpy as np
from keras import ops


def segmentation_loss(labels, logits, class_weights=None):
    """Softmax cross-entropy, mean over the pixels whose label is not 255.

    labels: integer [B, H, W]; logits: float [B, h, w, C], resized bilinearly to the labels' size (facts of
    the official recipe: sum / (valid pixels + 1e-5)). class_weights: float [C], the weight of a pixel by its
    label; the mean is then over the weights.
    """
    size = labels.shape[1:3]
    if tuple(logits.shape[1:3]) != tuple(size):
        logits = ops.image.resize(logits, size, interpolation="bilinear")
    labels = ops.cast(labels, "int32")
    valid = ops.cast(ops.not_equal(labels, 255), logits.dtype)
    safe = ops.where(ops.equal(labels, 255), 0, labels)
    if class_weights is not None:
        valid = valid * ops.take(ops.convert_to_tensor(class_weights, logits.dtype), safe)
    losses = keras.losses.sparse_categorical_crossentropy(safe, logits, from_logits=True)
    return ops.sum(losses * valid) / (ops.sum(valid) + 1e-5)


def class_weights(dataset, exponent):
    """(median frequency / frequency) ** exponent of each class over the train split; 1 for one that is absent.

    Median-frequency balancing (Eigen and Fergus 2015, used by SegNet) has the exponent 1.
    """
    counts = np.zeros(256)
    for sample in dataset.split("train"):
        counts += np.bincount(dataset.read(sample)[1].ravel(), minlength=256)
    frequency = counts[: len(dataset.classes)] / counts[: len(dataset.classes)].sum()
    present = frequency > 0
    weights = np.ones(len(frequency))
    weights[present] = (np.median(frequency[present]) / frequency[present]) ** exponent
    return weights.astype(np.float32)

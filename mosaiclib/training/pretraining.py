"""Pretraining a backbone to classify images, as the paper does on ImageNet (section 6.3)."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
from keras import layers, ops

from mosaiclib import models, training
from mosaiclib.data import images
from mosaiclib.data.batches import scale_input
from mosaiclib.data.sets import image_folder
from mosaiclib.data.sets.cityscapes import CLASSES as CITYSCAPES
from mosaiclib.models import blocks
from mosaiclib.models.backbones.mnmh import TABLE_1, mnmh
from mosaiclib.models.building import taps_of
from mosaiclib.training import distribution

BATCH = 32  # of a validation
UNDILATED = len(TABLE_1) + 1  # the first dilated block, behind the last


def train(model, data, recipe, folder, report=None, stop_after=None):
    """Trains a `classifier` on an `ImageFolder`; arguments and result as of `training.fit`.

    The metric is "val_accuracy", the share of val images whose first guess is right. The recipe's scale is the
    range of a crop's share of the image's area.
    """
    batches = image_folder.ClassificationBatches(data, recipe, distribution.part_of(recipe.batch_size))
    val = data.split("val")

    def measure():
        return accuracy(model, val), {}

    return training.fit(model, batches, _loss, recipe, folder, "val_accuracy", measure, report, stop_after)


def _loss(targets, logits):
    losses = keras.losses.sparse_categorical_crossentropy(targets, ops.cast(logits, "float32"), from_logits=True)
    return ops.mean(losses)


def accuracy(model, samples):
    """The share of [(path, class)] whose centre crop `model` classifies right."""
    size, right = model.input_shape[1:3], 0
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(samples), BATCH):
            batch = samples[start : start + BATCH]
            crops = threads.map(lambda path: image_folder.centre_crop(images.read_image(path), size), dict(batch))
            logits = distribution.predict(model, np.stack([scale_input(crop) for crop in crops]))
            right += int((logits.argmax(-1) == [number for _, number in batch]).sum())
    return right / len(samples)


def segmenter(classifier, spec):
    """A Cityscapes network of `spec` whose backbone has the weights of `classifier`, and the paths of those.

    The head is random. Shapes do not depend on strides, so the backbone at stride 16 takes them as they are.
    """
    network = models.build(spec, (512, 512), len(CITYSCAPES))
    trained = {variable.path: variable for variable in classifier.weights}
    filled = [variable for variable in network.weights if variable.path in trained]
    for variable in filled:
        variable.assign(np.asarray(trained[variable.path]))
    return network, [variable.path for variable in filled]


def classifier(spec, input_size, classes, dropout=0.2, output_stride=16):
    """The backbone of `spec`, global average pooling and the classes: a `keras.Model`.

    [B, H, W, 3] float32 RGB in [-1, 1] -> logits [B, classes]. MNMH has 1280 filters between, and nothing is dilated:
    at output stride 16 it is Table 1 as printed (14x14 for 224x224), at 32 block 13 strides as in the Model Garden.
    Other backbones are those that segment, at output stride 16. Dropout is ours: the paper says nothing of it.
    Raises ValueError for another output stride, and for a network that is not a backbone and a head.
    """
    if spec.backbone is None:
        raise ValueError(f"{spec.name} has no backbone to pretrain.")
    if output_stride not in ((16, 32) if spec.backbone == "mnmh" else (16,)):
        raise ValueError(f"{spec.backbone} is not pretrained at output stride {output_stride}: 16, or for MNMH 32.")
    image = keras.Input((*input_size, 3), name="image")
    x = blocks.normalise_image(image, spec.normalisation)
    if spec.backbone == "mnmh":
        x = mnmh(x, spec.endpoint_filters, UNDILATED, output_stride=output_stride)[16]
    else:
        x = taps_of(x, spec)[16]
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    if spec.backbone == "mnmh":
        x = blocks.conv(x, 1280, "mnmh.fully_connected")
    x = layers.Dropout(dropout, name="dropout", seed=0)(x)
    x = blocks.classifier(x, classes, "classes")
    return keras.Model(image, layers.Flatten(name="logits")(x), name="classifier")

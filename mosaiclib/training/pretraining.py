"""Pretraining a backbone to classify pictures, as the paper does on ImageNet (section 6.3)."""

import keras
import numpy as np
from keras import layers, ops

from mosaiclib import models, training
from mosaiclib.data import images
from mosaiclib.data.batches import scale_input
from mosaiclib.data.sets import image_folder
from mosaiclib.data.sets.cityscapes import CLASSES as CITYSCAPES
from mosaiclib.models import blocks
from mosaiclib.models.backbones.mnmh import mnmh
from mosaiclib.training import distribution


def train(model, data, recipe, folder, report=None, stop_after=None):
    """Trains a `classifier` on an `ImageFolder`; arguments and result as of `training.fit`.

    The metric is "val_accuracy", the share of val pictures whose first guess is right. The recipe's scale is the
    range of a crop's share of the picture's area.
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
    size = model.input_shape[1:3]
    right = 0
    for path, number in samples:
        image = scale_input(image_folder.centre_crop(images.read_image(path), size))
        right += int(distribution.predict(model, image[None])[0].argmax() == number)
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


def classifier(spec, input_size, classes, dropout=0.2):
    """The backbone of `spec` at stride 32, global average pooling, 1280 filters and the classes: a `keras.Model`.

    [B, H, W, 3] float32 RGB in [-1, 1] -> logits [B, classes]. Dropout is ours: the paper says nothing of it.
    Raises ValueError for a network on another backbone: `mosaic import keras-applications` has weights for some.
    """
    if spec.backbone != "mnmh":
        raise ValueError(f"{spec.name} is not on MobileNet Multi-Hardware, the backbone that is pretrained here.")
    image = keras.Input((*input_size, 3), name="image")
    x = mnmh(image, spec.endpoint_filters, output_stride=32)[16]
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = blocks.conv(x, 1280, "mnmh.fully_connected")
    x = layers.Dropout(dropout, name="dropout", seed=0)(x)
    x = blocks.classifier(x, classes, "classes")
    return keras.Model(image, layers.Flatten(name="logits")(x), name="classifier")

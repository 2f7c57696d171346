"""Pretraining a backbone to classify pictures, as the paper does on ImageNet (section 6.3)."""

import keras
import numpy as np
from keras import ops

from mosaiclib import distribution, models, training
from mosaiclib.data import image_folder, images
from mosaiclib.data.classes import CITYSCAPES
from mosaiclib.data.pipeline import scale_input


def train(model, data, recipe, folder, report=None, stop_after=None):
    """Trains a `models.classifier` on an `ImageFolder`; arguments and result as of `training.fit`.

    The metric is "val_accuracy", the share of val pictures whose first guess is right. The recipe's scale is the
    range of a crop's share of the picture's area.
    """
    batches = image_folder.ClassificationBatches(data, recipe, distribution.part_of(recipe.batch_size))
    val = data.split("val")
    return training.fit(
        model, batches, _loss, recipe, folder, "val_accuracy", lambda: accuracy(model, val), report, stop_after
    )


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

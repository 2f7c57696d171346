"""ImageNet weights for MobileNetV2 and MobileNetV3, from keras.applications.

Our backbones are the same networks up to where segmentation changes them, so their layers are paired in
graph order and filled up to the first one that has another shape: all of MobileNetV2, MobileNetV3 up to
the blocks that are halved.
"""

import keras

from mosaiclib.data.sets.cityscapes import CLASSES as CITYSCAPES
from mosaiclib.models.building import build
from mosaiclib.models.parts import BACKBONE, part_of
from mosaiclib.models.weights import Card

APPLICATIONS = {
    "mobilenet_v2": keras.applications.MobileNetV2,
    "mobilenet_v3_small": keras.applications.MobileNetV3Small,
    "mobilenet_v3_large": keras.applications.MobileNetV3Large,
}
INPUT_SIZE = (512, 512)


def application(backbone, weights=None, input_size=(224, 224)):
    """The keras.applications network [B, H, W, 3] in [-1, 1] without its classifier.

    weights: "imagenet" (Keras downloads them once), a file, or None for random ones. Raises ValueError for a
    backbone that is not in keras.applications, or is another network there (ResNet, Xception).
    """
    if backbone not in APPLICATIONS:
        raise ValueError(f"keras.applications does not have our {backbone}: it has {', '.join(APPLICATIONS)}.")
    options = {} if backbone == "mobilenet_v2" else {"include_preprocessing": False}
    return APPLICATIONS[backbone](weights=weights, include_top=False, input_shape=(*input_size, 3), **options)


def fill(model, source) -> list[str]:
    """Fills the backbone of `model` from an `application`; returns the names of the layers filled."""
    ours = [layer for layer in model.layers if layer.weights and part_of(layer.name) == BACKBONE]
    theirs = [layer for layer in source.layers if layer.weights]
    filled = []
    for layer, other in zip(ours, theirs, strict=False):
        if [tuple(weight.shape) for weight in layer.weights] != [tuple(weight.shape) for weight in other.weights]:
            break
        layer.set_weights(other.get_weights())
        filled.append(layer.name)
    return filled


def read(spec, weights="imagenet"):
    """(model of `spec` with a pretrained backbone and a random head; its `Card`; the names of layers filled)."""
    source = application(spec.backbone, weights)
    model = build(spec, INPUT_SIZE, len(CITYSCAPES))
    filled = fill(model, source)
    ours = [layer.name for layer in model.layers if layer.weights and part_of(layer.name) == BACKBONE]
    random = list(dict.fromkeys(".".join(name.split(".")[:2]) for name in ours if name not in filled))
    provenance = {"source": "keras.applications", "weights": str(weights), "filled_up_to": filled[-1],
                  "random_blocks": random}  # fmt: skip
    return model, Card(spec, CITYSCAPES, "cityscapes", INPUT_SIZE, provenance=provenance), filled

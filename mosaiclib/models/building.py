"""From a spec to a Keras model."""

import keras
from keras import layers

from mosaiclib.models import blocks
from mosaiclib.models.backbones import mobilenet_v3
from mosaiclib.models.backbones.mnmh import mnmh
from mosaiclib.models.backbones.mobilenet_v2 import mobilenet_v2
from mosaiclib.models.backbones.resnet import resnet
from mosaiclib.models.backbones.xception import xception71
from mosaiclib.models.baselines.enet import enet
from mosaiclib.models.baselines.erfnet import erfnet
from mosaiclib.models.baselines.espnet import espnet
from mosaiclib.models.baselines.icnet import icnet
from mosaiclib.models.baselines.segnet import segnet
from mosaiclib.models.heads.deeplab_v3plus import deeplab_v3plus
from mosaiclib.models.heads.lraspp import lraspp
from mosaiclib.models.heads.mosaic import mosaic

OUTPUTS = ("logits", "full_logits", "probabilities", "classes")

HEADS = {"mosaic": mosaic, "lraspp": lraspp, "deeplab_v3plus": deeplab_v3plus}
WHOLE_NETWORKS = {"segnet": segnet, "icnet": icnet, "erfnet": erfnet, "espnet": espnet, "enet": enet}


def build(spec, input_size, classes, output="logits", batch=None, dropout=0.0):
    """The network of `spec` as a functional `keras.Model` with random weights.

    spec: a `specs.ModelSpec`. input_size: (height, width) in pixels. classes: output channels.
    output: "logits": [B, h, w, classes] float32 at the network's own stride (4 for MOSAIC);
        "full_logits": the same, resized bilinearly to [B, H, W, classes]; "probabilities": their softmax;
        "classes": [B, H, W] int32, their argmax.
    batch: None, or 1 for an export (a fixed batch lets the TFLite converter fold batch norms).
    dropout: behind the projection of MOSAIC's encoder, while training; it has no weights.
    The input is [batch, H, W, 3] float32 RGB in [-1, 1].
    Raises ValueError where the size does not fit the network or `output` is unknown.
    """
    if output not in OUTPUTS:
        raise ValueError(f"Unknown output '{output}': choose one of {', '.join(OUTPUTS)}.")
    height, width = input_size
    image = keras.Input((height, width, 3), batch_size=batch, name="image")
    normalised = blocks.normalise_image(image, spec.normalisation)
    if spec.backbone is None:
        x = WHOLE_NETWORKS[spec.head.kind](normalised, classes)
    else:
        x = head_on(taps_of(normalised, spec), spec, classes, dropout)
    if output != "logits":
        x = blocks.resize(x, (height, width), spec.resize, "full_logits")
    if output == "probabilities":
        x = layers.Softmax(name="probabilities")(x)
    if output == "classes":
        x = blocks.ClassMap(name="classes")(x)
    return keras.Model(image, x, name=spec.name.replace(".", "_"))


def head_on(taps, spec, classes, dropout=0.0):
    """The logits of a spec's head on the taps {stride: tensor} of a backbone; dropout: as of `build`."""
    options = {"dropout": dropout} if dropout and spec.head.kind == "mosaic" else {}
    return HEADS[spec.head.kind](taps, spec.head, classes, spec.resize, **options)


def taps_of(image, spec):
    """The taps {2, 4, 8, 16} of the backbone that the spec names."""
    match spec.backbone:
        case "mnmh":
            return mnmh(image, spec.endpoint_filters, spec.first_dilated_block)
        case "mobilenet_v2":
            return mobilenet_v2(image)
        case "mobilenet_v3_small":
            return mobilenet_v3.mobilenet_v3(image, mobilenet_v3.SMALL, spec.backbone)
        case "mobilenet_v3_large":
            return mobilenet_v3.mobilenet_v3(image, mobilenet_v3.LARGE, spec.backbone)
        case "resnet50":
            return resnet(image, 50, spec.backbone, spec.padding)
        case "resnet101":
            return resnet(image, 101, spec.backbone, spec.padding)
        case "xception71":
            return xception71(image, padding=spec.padding)

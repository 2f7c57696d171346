"""From a spec to a Keras model."""

import keras
from keras import ops

from mosaiclib.models import blocks
from mosaiclib.models.backbones.mnmh import mnmh
from mosaiclib.models.heads.mosaic import mosaic

OUTPUTS = ("logits", "full_logits", "classes")


def build(spec, input_size, classes, output="logits", batch=None):
    """The network of `spec` as a functional `keras.Model` with random weights.

    spec: a `specs.ModelSpec`. input_size: (height, width) in pixels. classes: output channels.
    output: "logits": [B, h, w, classes] float32 at the head's own stride (4 for MOSAIC);
        "full_logits": the same, resized bilinearly to [B, H, W, classes];
        "classes": [B, H, W] int32, their argmax.
    batch: None, or 1 for an export (a fixed batch lets the TFLite converter fold batch norms).
    The input is [batch, H, W, 3] float32 RGB in [-1, 1].
    Raises ValueError where the size does not fit the network or `output` is unknown.
    """
    if output not in OUTPUTS:
        raise ValueError(f"Unknown output '{output}': choose one of {', '.join(OUTPUTS)}.")
    height, width = input_size
    image = keras.Input((height, width, 3), batch_size=batch, name="image")
    taps = mnmh(image, spec.endpoint_filters, spec.first_dilated_block)
    x = mosaic(taps, spec.head, classes, spec.resize)
    if output != "logits":
        x = blocks.resize(x, (height, width), spec.resize, "full_logits")
    if output == "classes":
        x = ops.argmax(x, axis=-1)
    return keras.Model(image, x, name=spec.name.replace(".", "_"))

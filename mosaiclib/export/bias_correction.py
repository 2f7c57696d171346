"""Bias correction (Nagel et al. 2019, section 4.2): takes back the mean error that rounding gives a channel.

Rounded weights shift a channel's mean, and the shift lasts to the end, where noise averages out. It is
measured here on pictures, one operation at a time, and goes into the bias, which costs nothing at run time.
"""

import tempfile
from pathlib import Path

from mosaiclib.export.error_profile import differences
from mosaiclib.models.graph import calls, readers, with_weights


def correct_biases(prepared, content, images):
    """The network with biases that make up for the mean error of each channel in the file `content`.

    prepared: what `content` was converted from. images: uint8 [H, W, 3], a few of the calibration pictures.
    Layers that are called several times are left as they are.
    """
    shifts = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "first.tflite"
        path.write_bytes(content)
        for _, (op, layer), _, found, own in differences(prepared, path, images):
            if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                shifts[layer.name] = shifts.get(layer.name, 0) + (own - found).mean((0, 1, 2)) / len(images)
    weights, read = {}, readers(prepared)
    for node in calls(prepared):
        layer = node.operation
        followers = [reader.operation for reader in read.get(id(node.outputs[0]), ())]
        names = [layer.name, *(follower.name for follower in followers if not getattr(follower, "weights", ()))]
        shift = [shifts[name] for name in names if name in shifts]
        if shift and getattr(layer, "use_bias", False):
            kernel, bias = layer.get_weights()
            weights[layer] = [kernel, bias + shift[0].astype(bias.dtype)]
    return with_weights(prepared, weights)

"""Networks as files to time: built with fresh weights, which cost what trained ones do."""

from pathlib import Path

from mosaiclib import models
from mosaiclib.export import to_tflite
from mosaiclib.models import catalogue
from mosaiclib.models.counting import cost_of


def write(names, input_size, classes, folder):
    """Writes `<name>_<height>x<width>_untrained_float32.tflite` files with output logits at the head's stride.

    Returns [{"network", "file", "tflite_madds", "conv_macs"}], costs of one inference as `models.cost` counts
    them. Raises ValueError for an unknown name.
    """
    written = []
    for name in names:
        path = Path(folder) / f"{name}_{input_size[0]}x{input_size[1]}_untrained_float32.tflite"
        cost = cost_of(write_spec(catalogue.get(name), input_size, classes, path))
        written.append({"network": name, "file": path, "tflite_madds": cost.tflite_madds, "conv_macs": cost.conv_macs})
    return written


def write_spec(spec, input_size, classes, path):
    """Writes the float32 .tflite of one `ModelSpec` with fresh weights, with logits as above; gives its network."""
    network = models.build(spec, input_size=input_size, classes=classes, batch=1)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(to_tflite(network, "float32"))
    return network

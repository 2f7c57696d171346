"""From a Keras network to .tflite files, as phones run them: batch 1, a fixed size, nothing computed outside.

float32, float16 and dynamic (8-bit weights, float activations) take float32 pixels in [-1, 1]. int8 computes
with integers throughout, with weights quantised per channel, and takes raw uint8 pixels: its input has scale
1 / 127.5 and zero point 128. What a file holds is written into it: with its labels as
TFLite's standard metadata, which other clients read, and in full as ours.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mosaiclib import models
from mosaiclib.data import datasets
from mosaiclib.export.conversion import PRECISIONS, to_tflite
from mosaiclib.files import replacing
from mosaiclib.tflite import standard_metadata
from mosaiclib.tflite.graph import TFLiteGraph
from mosaiclib.tflite.metadata import METADATA, read_metadata, with_metadata

__all__ = ["PRECISIONS", "ExportedFile", "export", "read_metadata", "to_tflite"]

# What a file gives, and what clients are told of it; a client that expects scores misreads class ids.
OUTPUTS = {
    "classes": "class ids, whole numbers [1, height, width], for LiteRT's interpreter; not for MediaPipe",
    "confidences": "confidences of each class in 0..1 [1, height, width, classes]; for MediaPipe's ImageSegmenter",
    "full_logits": "logits of each class [1, height, width, classes]",
    "logits": "logits of each class at the head's own stride",
}
NOTHING = 1e-6  # a tensor's scale: below it, its largest value is as good as zero
PIXELS = {"int8": "uint8 RGB as it is: (pixel - 128) / 127.5"}


@dataclass(frozen=True)
class ExportedFile:
    """One file: its precision, path, size in MB (10^6 bytes) and how many operations of each kind it has."""

    precision: str
    path: Path
    size_mb: float
    ops: dict[str, int]


def export(weights, input_size, out, precisions=("float32", "int8"), output="classes", calibration=()):
    """Writes <network>_<height>x<width>_<output>_<precision>.tflite files to the folder `out`.

    weights: a weights folder. output: "classes": int32 [1, H, W]; "confidences": [1, H, W, C] in 0..1, float32 or,
    of an int8 file, uint8 in steps of 1 / 256; "full_logits": float32 [1, H, W, C]; "logits": float32 [1, h, w, C] at
    the network's own stride. calibration: uint8 images [H, W, 3] of `input_size`, for int8: a few dozen of the data
    set's own. Returns [ExportedFile].
    Raises ValueError for an unknown precision or output, before anything is written, and for a file that
    the CPU could not run, which is not left.
    """
    card = models.load_card(weights)
    for kind, asked, known in (("precision", precisions, PRECISIONS), ("output", [output], OUTPUTS)):
        for name in asked:
            if name not in known:
                raise ValueError(f"Unknown {kind} '{name}': choose one of {', '.join(known)}.")
    built = "probabilities" if output == "confidences" else output
    network = models.load(weights, input_size, output=built, batch=1)
    files = []
    for precision in precisions:
        name = f"{card.spec.name}_{input_size[0]}x{input_size[1]}_{output}_{precision}.tflite"
        about = describe(card, input_size, output, precision)
        content = _described(to_tflite(network, precision, calibration), about)
        path = Path(out) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_bytes(content)
            _check(partial, name)
        operations = Counter(operation.kind for operation in TFLiteGraph(path).operations)
        files.append(ExportedFile(precision, path, round(len(content) / 1e6, 3), dict(operations.most_common())))
    return files


def describe(card, input_size, output, precision):
    """What a file says about itself, as JSON: the weights' card, and how this file takes and gives images."""
    return {
        **vars(card),
        "spec": card.spec.to_json(),
        "palette": [list(map(int, colour)) for colour in datasets.palette_of(card.dataset, len(card.classes))],
        "input_size": list(input_size),
        "input_scaling": PIXELS.get(precision, card.input_scaling),
        "output": output,
        "precision": precision,
    }


def _described(content, about):
    """A .tflite with both kinds of metadata and the label file."""
    scores = about["output"] != "classes"
    activation = standard_metadata.SOFTMAX_WANTED if "logits" in about["output"] else standard_metadata.SOFTMAX_DONE
    standard = standard_metadata.describe(
        about["spec"]["name"], OUTPUTS[about["output"]], about["input_size"], about["classes"], activation,
        normalised=scores,
    )  # fmt: skip
    entries = {METADATA: json.dumps(about, sort_keys=True).encode(), standard_metadata.NAME: standard}
    return standard_metadata.with_labels(with_metadata(content, entries), about["classes"])


def _check(path, name):
    """Raises ValueError where LiteRT with XNNPACK would not run a file, with the layers that are to blame.

    XNNPACK refuses a scale that is far from those around it, as a layer gets that is zero on every image.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        Interpreter(str(path)).allocate_tensors()
    except RuntimeError as error:
        plain = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        tensors = plain.get_tensor_details()
        silent = [t["name"] for t in tensors if t["dtype"] is np.int8 and 0 < t["quantization"][0] < NOTHING]
        layers = dict.fromkeys(re.findall(r"(?:[a-z0-9_]+\.)+[a-z0-9]+", " ".join(silent)))
        if not layers:
            raise ValueError(f"{name} would not run: {' '.join(str(error).split())}") from None
        raise ValueError(
            f"{name} would not run: on all calibration images nothing but zeros comes from {', '.join(layers)}, "
            f"which leaves int8 no scale. Calibrate on other images, train the network further, or export float16."
        ) from None

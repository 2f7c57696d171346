"""What a network costs. A count takes Keras and seconds, so it is kept: for this process, and on disk for the next."""

import hashlib
import json
import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mosaiclib.files import replacing


@dataclass(frozen=True)
class LayerCost:
    """One call of one layer: its name and class, [h, w, C] of what it gives, and its cost for one image.

    params: trainable parameters; a layer that is called again counts them once. biased: a convolution with a bias of
    its own.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    conv_macs: int
    tflite_madds: float
    params: int
    biased: bool


@dataclass(frozen=True)
class Cost:
    """The cost of a network for one image; params: trainable parameters."""

    layers: tuple[LayerCost, ...]
    conv_macs: int
    tflite_madds: float
    params: int

    def by_stage(self, depth=2) -> dict[str, "Cost"]:
        """The cost of each group of layers whose names share their first `depth` parts, in graph order."""
        groups = defaultdict(list)
        for layer in self.layers:
            groups[".".join(layer.name.split(".")[:depth])].append(layer)
        return {stage: total(group) for stage, group in groups.items()}


def total(layers) -> Cost:
    """The sum of the costs of some layers."""
    return Cost(
        tuple(layers),
        sum(layer.conv_macs for layer in layers),
        sum(layer.tflite_madds for layer in layers),
        sum(layer.params for layer in layers),
    )


@cache
def cost(spec, input_size, classes, output="logits") -> Cost:
    """The cost of the network of `spec` on images of `input_size` (height, width); arguments as in `build`."""
    path = _kept(spec, input_size, classes, output)
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return total([LayerCost(name, kind, tuple(shape), *counts) for name, kind, shape, *counts in rows])
    except (OSError, ValueError, TypeError):  # not there, or damaged
        pass
    from mosaiclib.models.building import build
    from mosaiclib.models.counting import cost_of
    from mosaiclib.models.graph import without_values

    with without_values():
        network = build(spec, input_size, classes, output)
    counted = cost_of(network)
    with suppress(OSError):  # where nothing can be kept it is counted again
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(json.dumps([astuple(layer) for layer in counted.layers]), encoding="utf-8")
    return counted


def _kept(*arguments):
    """The file for one network: all that its cost follows from is in its name."""
    spec, *rest = arguments
    key = hashlib.sha256(json.dumps([spec.to_json(), *rest, _code()]).encode()).hexdigest()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    folder = folder if folder.is_absolute() else Path(os.devnull)  # nothing is kept for a user without a home
    return folder / "mosaic-workbook" / "costs" / f"{key[:32]}.json"


@cache
def _code():
    """What all counts follow from beside the network's own spec: the code that builds and counts, and Keras."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return [version("keras"), hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()]

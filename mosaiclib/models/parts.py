"""Parts of networks: which layers are backbone, context encoder and decoder.

Each file under backbones/, heads/ and baselines/ declares the layers that it makes in PARTS,
{beginning of a layer's dotted name: Part}. The longest beginning that fits counts; "espnet.decoder" fits
"espnet.decoder2.conv" and not "espnet.decoders".
"""

import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Literal

PACKAGES = tuple(f"mosaiclib.models.{name}" for name in ("backbones", "heads", "baselines"))


@dataclass(frozen=True)
class Part:
    """A part of a network. decays_depthwise: whether weight decay acts on its depthwise kernels as on all others."""

    name: Literal["backbone", "context", "decoder"]
    decays_depthwise: bool = True


# The official codes of the mobile backbones and of DeepLab decay no depthwise kernel; that of MOSAIC's head does.
BACKBONE = Part("backbone", decays_depthwise=False)
CONTEXT, DECODER = Part("context"), Part("decoder")
# What build.py puts before and behind a network.
AROUND = {"image": BACKBONE, "full_logits": DECODER, "probabilities": DECODER, "classes": DECODER}


@cache
def part_of(layer: str) -> Part:
    """The part that a layer, by its name, belongs to. Raises ValueError for a layer that no file declares."""
    fitting = [beginning for beginning in declared() if re.match(rf"{re.escape(beginning)}(?![a-z_])", layer)]
    if fitting:
        return declared()[max(fitting, key=len)]
    raise ValueError(
        f"No file declares what part of a network the layer '{layer}' belongs to: add '{layer.split('.')[0]}' to the "
        "PARTS of the file under mosaiclib/models/ that makes it."
    )


@cache
def declared() -> dict[str, Part]:
    """{beginning of a layer's name: Part}, from every file. Raises ValueError where two files contradict each other."""
    parts = dict(AROUND)
    for package in map(import_module, PACKAGES):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, part in getattr(import_module(module.name), "PARTS", {}).items():
                if parts.setdefault(name, part) != part:
                    raise ValueError(f"{module.name} declares '{name}' to be {part.name}, another file does not.")
    return parts

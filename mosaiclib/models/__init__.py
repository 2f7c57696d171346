"""The networks, as functional Keras graphs: `build` makes one, `save` and `load` keep its weights."""

from mosaiclib.models.build import build
from mosaiclib.models.cost import Cost, cost
from mosaiclib.models.weights import Card, initialise, load, load_card, save, save_arrays, sha256, with_input_of

__all__ = [
    "Card",
    "Cost",
    "build",
    "cost",
    "initialise",
    "load",
    "load_card",
    "save",
    "save_arrays",
    "sha256",
    "with_input_of",
]

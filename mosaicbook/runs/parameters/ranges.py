"""The numbers that make sense for a parameter of a notebook or a value of a recipe: a count is not negative.

A name means the same wherever it stands, and so has one range; "export.height" is that of one stage alone.
"""

import math
from dataclasses import asdict
from typing import NamedTuple

_SIDE, _SEED = 16384, 2**32 - 1  # pixels; what numpy takes
_RATE = 1e38  # what float32 holds: a training says itself that its rate is too high


class Range(NamedTuple):
    """The least and the most. open: which of the two it must not reach, "(", ")" or "()".

    numbers: of a text with several numbers, what each of them is, int or float; it may be empty where `empty`.
    """

    least: float
    most: float
    open: str = ""
    numbers: type | None = None
    empty: bool = False

    def holds(self, value) -> bool:
        """Whether a number lies in it; nan does not."""
        above = value > self.least if "(" in self.open else value >= self.least
        return above and (value < self.most if ")" in self.open else value <= self.most)

    def __str__(self):
        if not self.open:
            return f"from {self.least:.10g} to {self.most:.10g}"
        least = f"{'above' if '(' in self.open else 'at least'} {self.least:.10g}"
        return f"{least} and {'below' if ')' in self.open else 'at most'} {self.most:.10g}"


RANGES = {
    # How a network is trained
    "epochs": Range(1, 1_000_000),
    "batch_size": Range(1, 65536),
    "accumulate": Range(1, 65536),
    "crop": Range(1, _SIDE),
    "crop_height": Range(1, _SIDE),
    "crop_width": Range(1, _SIDE),
    "learning_rate": Range(0, _RATE, "("),
    "rates": Range(0, _RATE, "(", float, empty=True),
    "weight_decay": Range(0, 10),
    "warmup_steps": Range(0, 1_000_000_000),
    "dropout": Range(0, 1, ")"),
    "scale": Range(0, 100, "("),
    "scale_min": Range(0, 100, "("),
    "scale_max": Range(0, 100, "("),
    "light": Range(0, 1, ")"),
    "colour": Range(0, 1, ")"),
    "class_balance": Range(0, 10),
    "dice": Range(0, 1000),
    "batch_norm_momentum": Range(0, 1, ")"),
    "ema": Range(0, 1, ")"),
    "validate_every": Range(1, 1_000_000),
    "output_stride": Range(16, 32),
    "seed": Range(0, _SEED),
    "seeds": Range(0, _SEED, numbers=int),
    "curve_seeds": Range(0, _SEED, numbers=int, empty=True),
    "views": Range(1, 100),
    # Which images and networks
    "limit": Range(0, 1_000_000),
    "shares": Range(0, 1, "(", float),
    "taught_share": Range(0, 1),
    "labelled_share": Range(0, 1, "()"),
    "count": Range(1, 100_000),
    "designs": Range(1, 100_000),
    "most_madds_b": Range(0, 1_000_000, "("),
    "most_params_m": Range(0, 1_000_000, "("),
    "most_ms": Range(0, 1_000_000, "("),
    "tables": Range(2, 8, numbers=int),
    "endpoint_filters": Range(8, 4096),
    # What is measured and shown
    "input_scale": Range(0.01, 16),
    "boundary_ratios": Range(0, 1, "(", float, empty=True),
    "height": Range(1, _SIDE),
    "width": Range(1, _SIDE),
    "export.height": Range(0, _SIDE),
    "export.width": Range(0, _SIDE),
    "classes": Range(1, 255),  # a label map holds no more
    "calibration_pictures": Range(1, 100_000),
    "compared_pictures": Range(0, 1_000_000),
    "profiled_pictures": Range(1, 1000),
    "threads": Range(1, 1024, numbers=int),
    "processes": Range(1, 1000),
    "inferences": Range(1, 100_000),
    "shown": Range(0, 1000),
    "kept": Range(0, 100_000),
    "worst": Range(0, 1000),
    "best": Range(0, 1000),
}


def check(name, value, stage="", what="Parameter"):
    """Raises ValueError for a value outside the range of its name, and for a text that is none or names one twice.

    what: `name` is, as the message begins. A value that is a list is checked item by item.
    """
    held = RANGES.get(f"{stage}.{name}") or RANGES.get(name)
    if held is None or isinstance(value, bool):
        return
    if isinstance(value, (list, tuple)):
        for one in value:
            check(name, one, stage, what)
    elif isinstance(value, str) and held.numbers:
        _check_text(f"{what} '{name}'", value, held)
    elif isinstance(value, (int, float)) and not held.holds(value):
        raise ValueError(f"{what} '{name}' must be {held}, but it is {value!r}.")


def _check_text(name, text, held):
    found = []
    for word in text.split():
        try:
            found.append(held.numbers(word))
        except ValueError:
            found.append(math.nan)
        if not held.holds(found[-1]):
            kind = "whole numbers" if held.numbers is int else "numbers"
            raise ValueError(f"{name} must be {kind} {held} with spaces between them, but it has {word!r}.")
    if len({*found}) < len(found):
        raise ValueError(f"{name} has a number twice, {text!r}: name each once.")
    if not found and not held.empty:
        raise ValueError(f"{name} is empty: name at least one number.")


def check_recipe(name_or_path):
    """Raises ValueError that names a recipe and its value that is out of range, or says why it cannot be read."""
    from mosaiclib.training import recipes  # imports Keras

    for name, value in asdict(recipes.load(name_or_path)).items():
        check(name, value, what=f"The recipe {name_or_path} cannot be used: its")

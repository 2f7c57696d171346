"""How a network is trained: one frozen dataclass, and the named ones in recipes/."""

from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from mosaiclib import yaml_text
from mosaiclib.files import first_fault

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the paper's own choices are in section 6.3.

    optimizer: "sgd" (momentum 0.9) or "adamw".
    weight_decay: L2 on kernels for sgd (the official code's coefficient: half of it times the sum of squares),
        decoupled decay for adamw; never on batch norm or bias, and of depthwise kernels only on those of MOSAIC's
        own encoder and decoder.
    warmup_steps: linear from 0. The rate then falls as (1 - step / steps) ** 0.9 ("poly").
    dropout: behind the projection of MOSAIC's encoder; DeepLabV3+ and the whole networks have their own.
    scale, flip, light, colour: of the augmentation (`data.augment`); crop is (height, width).
    class_balance: each pixel's loss is weighted by (median class frequency / its class's frequency) **
        class_balance; 0 weighs all alike, as the paper does.
    dice: weight of the soft Dice loss that is added to the cross-entropy.
    frozen_batch_norm: use the stored statistics while training, for imported weights whose batch norms were folded;
        scale and offset are trained. frozen_part: only in layers whose names begin with this, "" for all.
    untrained_part: layers whose names begin with this keep their weights and statistics, as in "mnmh" to train a head
        alone; "" for none.
    batch_norm_momentum: of the running statistics; the networks' own 0.99 needs thousands of steps, a short
        training a smaller one.
    ema: momentum of averaged weights, by which is validated and which are kept; 0 for none.
    accumulate: batches whose gradients are averaged before a step, where memory holds no larger batch.
    precision: Keras' dtype policy, to be set before the network is built.
    validate_every: epochs. selection: keep the epoch that is "best" on the val split, or the "last".
    train_splits: what is trained on; with val among it, nothing is validated and the last epoch is kept.
    """

    epochs: int
    batch_size: int
    crop: tuple[int, int]
    learning_rate: float
    optimizer: str = "sgd"
    weight_decay: float = 4e-5
    warmup_steps: int = 0
    dropout: float = 0.0
    scale: tuple[float, float] = (0.5, 2.0)
    flip: bool = True
    light: float = 0.0
    colour: float = 0.0
    class_balance: float = 0.0
    dice: float = 0.0
    frozen_batch_norm: bool = False
    frozen_part: str = ""
    untrained_part: str = ""
    batch_norm_momentum: float = 0.99
    ema: float = 0.0
    seed: int = 0
    validate_every: int = 1
    accumulate: int = 1
    precision: str = "float32"
    selection: str = "best"
    train_splits: tuple[str, ...] = ("train",)

    def __post_init__(self):
        if self.optimizer not in ("sgd", "adamw"):
            raise ValueError(f"Unknown optimizer '{self.optimizer}': choose sgd or adamw.")
        if min(self.epochs, self.batch_size, self.validate_every, self.accumulate, *self.crop) < 1:
            raise ValueError("epochs, batch_size, validate_every, accumulate and the crop's sides must be at least 1.")
        if self.precision not in PRECISIONS:
            raise ValueError(f"Unknown precision '{self.precision}': choose one of {', '.join(PRECISIONS)}.")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"The scale range {self.scale} must be positive and in order.")
        if not 0 <= self.light < 1 or not 0 <= self.colour < 1 or self.dice < 0 or not 0 <= self.dropout < 1:
            raise ValueError("light, colour and dropout must be at least 0 and below 1, dice at least 0.")
        if self.selection not in ("best", "last"):
            raise ValueError(f"Unknown selection '{self.selection}': choose best or last.")
        if not self.train_splits or len(set(self.train_splits)) < len(self.train_splits):
            raise ValueError("train_splits must name at least one split, and each once.")
        if not self.validates and self.selection == "best":
            raise ValueError("Trained on the val split, no epoch can be chosen by it: set selection to last.")

    @property
    def validates(self):
        """Whether the val split is held out."""
        return "val" not in self.train_splits

    def but(self, **values):
        """This recipe with other values; None leaves a value as it is."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})

    @classmethod
    def from_json(cls, data):
        """A recipe from JSON, where lists stand for tuples; what an older one did not have has its default."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def load(name_or_path) -> Recipe:
    """The recipe of that name in recipes/, or in that YAML file. Raises ValueError that says what is wrong with it."""
    path = Path(name_or_path).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
    if not path.is_file():
        raise ValueError(
            f"There is no recipe '{name_or_path}': choose one of {', '.join(names())}, or name a YAML file."
        )
    try:
        return TypeAdapter(Recipe).validate_python(yaml_text.load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None


def names():
    """The names of the recipes in recipes/."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))

"""Weights travel as a folder: `model.weights.h5`, and beside it `spec.json` that says what they are.

The HDF5 file holds one plain array per variable under the variable's own path
(`mnmh.block3.expand.conv/kernel`), so that it can be read without this library and a network with another
head or other classes can take what fits. Nothing is unpickled and no code is loaded.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np

from mosaiclib import files
from mosaiclib.models.building import build
from mosaiclib.models.spec import ModelSpec

WEIGHTS_FILE = "model.weights.h5"
CARD_FILE = "spec.json"
INPUT_SCALING = "RGB / 127.5 - 1"
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Card:
    """What a weights folder holds: the network, its classes, and where its weights come from."""

    spec: ModelSpec
    classes: tuple[str, ...]
    dataset: str
    input_size: tuple[int, int]
    input_scaling: str = INPUT_SCALING
    provenance: dict = field(default_factory=dict)


def write_arrays(path, arrays):
    """Writes {name: array} to an HDF5 file, complete or not at all. Raises OSError that names it and says why not."""
    with files.replacing(path) as partial:
        try:
            with h5py.File(partial, "w") as file:
                for name, array in arrays.items():
                    file.create_dataset(name, data=np.asarray(array))
        except (OSError, RuntimeError) as error:  # HDF5 tells of a full disk in either, at length
            raise OSError("the disk is full" if "No space left" in str(error) else str(error)) from None


def read_arrays(path):
    """Reads {name: array} from an HDF5 file. Raises ValueError that names a file that is not one."""
    arrays = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ValueError(f"{path} points to other files ('{name}'), which a weights file may not.")
            if item.dtype.kind not in "fiub" or item.shape is None:
                raise ValueError(f"{path} holds '{name}', which is no array of numbers.")
            if item.nbytes > _MOST_BYTES:  # a few kilobytes may unpack to any size
                raise ValueError(f"{path} holds '{name}' of {item.nbytes >> 20:,} MiB, too large for a network's.")
            arrays[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(collect)
    except (OSError, RuntimeError, KeyError, TypeError, OverflowError, MemoryError) as error:  # damaged at any depth
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} is not a readable HDF5 weights file: {reason}.") from None
    return arrays


def sha256(folder) -> str:
    """The sha256 of the weights in a folder, in hexadecimal digits."""
    return files.sha256(Path(folder) / WEIGHTS_FILE)


def save(model, folder, card):
    """Writes the weights of `model` and its `card` to `folder`, replacing what was there in one step."""
    save_arrays({variable.path: variable for variable in model.weights}, folder, card)


def save_arrays(arrays, folder, card):
    """The same of arrays by the paths of their variables."""
    with files.replacing_folder(folder) as partial:
        write_arrays(partial / WEIGHTS_FILE, arrays)
        text = json.dumps({**vars(card), "spec": card.spec.to_json()}, indent=2, ensure_ascii=False)
        (partial / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def load_card(folder):
    """The `Card` of a weights folder. Raises ValueError that says what is wrong with it."""
    path = Path(folder) / CARD_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Card(
            spec=ModelSpec.from_json(data["spec"]),
            classes=tuple(str(name) for name in data["classes"]),
            dataset=str(data["dataset"]),
            input_size=(int(data["input_size"][0]), int(data["input_size"][1])),
            input_scaling=str(data["input_scaling"]),
            provenance=dict(data["provenance"]),
        )
    except FileNotFoundError:
        raise ValueError(f"{folder} is not a weights folder: it has no {CARD_FILE}.") from None
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a valid model card: {error}") from None


def load(folder, input_size=None, output="logits", batch=None):
    """The network kept in `folder`, with its weights, built for `input_size` (default: the card's own).

    Raises ValueError naming the first variable that is missing, superfluous or of another shape.
    """
    card = load_card(folder)
    model = build(card.spec, input_size or card.input_size, len(card.classes), output, batch)
    path = Path(folder) / WEIGHTS_FILE
    arrays = read_arrays(path)
    for variable in model.weights:
        if variable.path not in arrays:
            raise ValueError(f"{path} lacks '{variable.path}', which {card.spec.name} needs.")
        if arrays[variable.path].shape != tuple(variable.shape):
            raise ValueError(
                f"{path}: '{variable.path}' has shape {arrays[variable.path].shape}, "
                f"but {card.spec.name} needs {tuple(variable.shape)}."
            )
        if not np.isfinite(arrays[variable.path]).all():
            raise ValueError(f"{path}: '{variable.path}' is not finite: it is damaged, or its training diverged.")
        variable.assign(arrays[variable.path])
    extra = set(arrays) - {variable.path for variable in model.weights}
    if extra:
        raise ValueError(f"{path} holds '{min(extra)}', which is not part of {card.spec.name}.")
    return model


def with_input_of(spec, folder, part=""):
    """`spec` with the normalisation and the padding that the weights in `folder` were trained with.

    part: as of `initialise`; where the backbone is not part of what is taken, the spec stays as it is.
    """
    if not f"{spec.backbone}.".startswith(part):
        return spec
    card = load_card(folder)
    return replace(spec, normalisation=card.spec.normalisation, padding=card.spec.padding)


def initialise(model, folder, part=""):
    """Starts `model` from the weights in `folder` wherever name and shape agree.

    part: only layers whose names begin with this, for example "mnmh" for that backbone without its head.
    Returns the list of variable paths that kept their random values. Raises ValueError where not a single
    one agrees.
    """
    arrays = read_arrays(Path(folder) / WEIGHTS_FILE)
    kept = []
    for variable in model.weights:
        array = arrays.get(variable.path) if variable.path.startswith(part) else None
        if array is not None and array.shape == tuple(variable.shape):
            variable.assign(array)
        else:
            kept.append(variable.path)
    if len(kept) == len(model.weights):
        raise ValueError(f"Nothing in {folder} fits this network: no variable has the same name and shape.")
    return kept

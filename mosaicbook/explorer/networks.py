"""Which trained networks are here, and how one of them sees: the authors' released weights, runs, files."""

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import keras

from mosaicbook import runs
from mosaicbook.runs.provenance import ROOT
from mosaiclib import inference, models
from mosaiclib.data import datasets, fetch
from mosaiclib.data.sets import ade20k, cityscapes
from mosaiclib.models import catalogue
from mosaiclib.models.weights import WEIGHTS_FILE

UNTRAINED = "untrained"


def here() -> dict[str, str]:
    """{title: weights, as `load` takes them} of all that is found, with an untrained network at the end."""
    found = {}
    for key, file in fetch.RELEASED.items():
        path = fetch.find(key)
        if path:
            found |= {file.title: key, f"{file.title}: the file itself": str(path)}
    for weights in sorted(runs.reports_folder().glob("**/weights/spec.json")):
        folder = weights.parent
        if not any(part.startswith(".") for part in folder.relative_to(runs.reports_folder()).parts):
            found[_shown(folder.parent).replace("published/", "The published model: ")] = _relative(folder)
    for file in sorted(runs.reports_folder().glob("*/runs/export/*/files/*.tflite")):
        found[f"{_shown(file.parents[1])}: {file.name}"] = _relative(file)
    return found | {"Random weights, not trained: sees nothing": UNTRAINED}


def load(weights) -> inference.Network:
    """The network of a weights folder, a .tflite file, the key of a released file, or "untrained".

    Raises ValueError or `fetch.NotAvailable` in one sentence where there is none.
    """
    if weights == UNTRAINED:
        return _untrained()
    if weights in fetch.FILES:
        path = fetch.find(weights)
        if path is None:
            raise ValueError(f"{weights} is not here: `mosaic data fetch mlperf` gets it.")
        return _released(weights, path)
    path = path_of(weights)
    changed = (path / WEIGHTS_FILE if path.is_dir() else path).stat().st_mtime_ns
    return _opened(path, changed)


def path_of(weights) -> Path:
    """A path as given, or below the repository, whatever folder the notebook runs in. Raises ValueError for neither."""
    path = Path(weights).expanduser()
    path = path if path.exists() else ROOT / path
    if not path.exists():
        raise ValueError(f"{weights} does not exist: name a weights folder, a run or a .tflite file.")
    return (path / "weights" if (path / "weights").is_dir() else path).resolve()


@lru_cache(maxsize=2)
def _released(key, path):
    from mosaiclib.models.pretrained import mlperf_tflite

    imported, card = mlperf_tflite.read(path)
    model = models.build(card.spec, card.input_size, len(card.classes), "probabilities")
    model.set_weights(imported.get_weights())
    return replace(inference.of_keras(model, card), name=fetch.FILES[key].title or card.spec.name)


@lru_cache(maxsize=4)
def _opened(path, changed):
    network = inference.open_network(path, confident=True, threads=os.cpu_count() or 1)
    if path.is_dir():
        return replace(network, name=f"{network.name} of {_shown(path.parent)}")
    if any(path == fetch.find(key) for key in fetch.COLLECTIONS["mlperf"]):  # such a file names no classes
        return replace(
            network, classes=ade20k.CLASSES, palette=datasets.palette_of("ade20k_top31", len(ade20k.CLASSES))
        )
    return network


@lru_cache(maxsize=1)
def _untrained():
    keras.utils.set_random_seed(0)
    size = (128, 256)
    card = models.Card(catalogue.mosaic(bins=(4, 8)), cityscapes.CLASSES, "cityscapes", size)
    model = models.build(card.spec, size, len(card.classes), "probabilities")
    return replace(inference.of_keras(model, card), name="Random weights, not trained")


def _shown(folder):
    return str(folder.relative_to(runs.reports_folder())).replace("/runs/", ": ")


def _relative(path):
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)

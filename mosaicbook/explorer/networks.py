"""Which trained networks are here, and how one of them sees: the authors' released weights, runs, files."""

import os
from collections.abc import Callable
from dataclasses import dataclass
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

RELEASED = {
    "mlperf/mosaic_r4_uint8.tflite": "The authors' R4 (MOSAIC, 31 classes of ADE20K)",
    "mlperf/deeplabv3plus_mnv2_qat_uint8.tflite": "MLPerf's MobileNetV2 + DeepLabV3+",
}
UNTRAINED = "untrained"


@dataclass(frozen=True)
class Network:
    """A network that looks at pictures.

    look: from uint8 [h, w, 3] of `input_size` to (classes uint8 [h, w], their probabilities float32 [h, w] in
    0..1, or None where the file gives classes alone).
    """

    title: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    input_size: tuple[int, int]
    look: Callable

    def segment(self, image):
        """What it finds in a picture uint8 [H, W, 3]: (classes, probabilities) in the picture's own aspect."""
        canvas, (rows, columns) = inference.letterbox(image, self.input_size)
        found, confidence = self.look(canvas)
        return found[:rows, :columns], None if confidence is None else confidence[:rows, :columns]


def here() -> dict[str, str]:
    """{title: weights, as `load` takes them} of all that is found, with an untrained network at the end."""
    found = {}
    for key, title in RELEASED.items():
        path = fetch.find(key)
        if path:
            found |= {title: key, f"{title}: the file itself": str(path)}
    for weights in sorted(runs.reports_folder().glob("**/weights/spec.json")):
        folder = weights.parent
        if not any(part.startswith(".") for part in folder.relative_to(runs.reports_folder()).parts):
            found[_shown(folder.parent).replace("published/", "The published model: ")] = _relative(folder)
    for file in sorted(runs.reports_folder().glob("*/runs/export/*/files/*.tflite")):
        found[f"{_shown(file.parents[1])}: {file.name}"] = _relative(file)
    return found | {"Random weights, not trained: sees nothing": UNTRAINED}


def load(weights) -> Network:
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
    return _folder(path, changed) if path.is_dir() else _file(path, changed)


def path_of(weights) -> Path:
    """A path as given, or below the repository, whatever folder the notebook runs in. Raises ValueError for neither."""
    path = Path(weights).expanduser()
    path = path if path.exists() else ROOT / path
    if not path.exists():
        raise ValueError(f"{weights} does not exist: name a weights folder or a .tflite file.")
    return path.resolve()


@lru_cache(maxsize=2)
def _released(key, path):
    from mosaiclib.models.pretrained import mlperf_tflite

    imported, card = mlperf_tflite.read(path)
    model = models.build(card.spec, card.input_size, len(card.classes), "probabilities")
    model.set_weights(imported.get_weights())
    return _keras(RELEASED.get(key, card.spec.name), card, model)


@lru_cache(maxsize=4)
def _folder(path, changed):
    card = models.load_card(path)
    return _keras(f"{card.spec.name} of {_shown(path.parent)}", card, models.load(path, output="probabilities"))


def _keras(title, card, model):
    palette = tuple(datasets.palette_of(card.dataset, len(card.classes)))
    return Network(title, tuple(card.classes), palette, tuple(card.input_size), inference.confident_runner(model))


@lru_cache(maxsize=4)
def _file(path, changed):
    from mosaiclib.tflite.segmenter import TFLiteSegmenter

    runner = TFLiteSegmenter(path, threads=os.cpu_count() or 1)
    released = any(path == fetch.find(key) for key in fetch.COLLECTIONS["mlperf"])
    dataset = "ade20k_top31" if released else str((runner.about or {}).get("dataset", ""))
    names = ade20k.CLASSES if released else runner.names
    palette = tuple(datasets.palette_of(dataset, len(names)))
    return Network(path.name, tuple(names), palette, runner.input_size,
                   lambda canvas: (runner.classes(canvas).astype("uint8"), None))  # fmt: skip


@lru_cache(maxsize=1)
def _untrained():
    keras.utils.set_random_seed(0)
    size = (128, 256)
    card = models.Card(catalogue.mosaic(bins=(4, 8)), cityscapes.CLASSES, "cityscapes", size)
    return _keras(
        "Random weights, not trained", card, models.build(card.spec, size, len(card.classes), "probabilities")
    )


def _shown(folder):
    return str(folder.relative_to(runs.reports_folder())).replace("/runs/", ": ")


def _relative(path):
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)

"""Runs for the explorer's tests to look up: a training and two evaluations over two synthetic scenes."""

import json

import numpy as np

from mosaiclib.data import images
from mosaiclib.data.sets import minicity
from mosaiclib.data.sets.minicity import files as minicity_files
from mosaiclib.evaluation.image_counts import ImageCounts

NETWORK, SIZE = "mnmh480-mosaic-bins1.4", (64, 128)
DATASET = "minicity-64x128"


def write(folder):
    """Writes a data set and a profile "quick" with four runs; returns the environment in which they are found."""
    scenes = [minicity.scene(number, SIZE) for number in (10, 11)]
    split = folder / "data" / f"{DATASET}-v{minicity_files.VERSION}" / "val"
    for number, (image, label) in enumerate(scenes):
        images.write_png(split / f"{number:05d}_image.png", image)
        images.write_png(split / f"{number:05d}_label.png", label)
    about = {"model": NETWORK, "dataset": DATASET, "synthetic": True}
    history = [{"epoch": 1, "loss": 2.5, "val_miou": 0.1}, {"epoch": 2, "loss": 1.5, "val_miou": 0.25}]
    _run(folder, "train/minicity", about | {"best_val_miou": 0.25, "history": history})
    names = ("road", "sidewalk", "building", "<b>sky</b>")
    evaluated = about | {
        "split": "val",
        "rule": "cityscapes",
        "n_images": 2,
        "miou": 0.375,
        "pixel_accuracy": 0.5,
        "per_class_iou": dict(zip(names, (0.5, 0.25, None, 0.375), strict=True)),
        "image_size": list(SIZE),
        "image_counts": "counts.npz",
    }
    _run(folder, "evaluate/other", evaluated | {"miou": 0.3})
    _run(
        folder,
        "evaluate/minicity",
        evaluated
        | {
            "data_root": str(folder / "data"),
            "pictures": [
                {"index": 0, "picture": "00000_image", "miou": 0.5, "prediction": "predictions/00000.png"},
                {"index": 1, "picture": "00001_image", "miou": 0.25, "prediction": "predictions/00001.png"},
                {"index": 1, "picture": "outside", "miou": 0.1, "prediction": "../../train/minicity/run.json"},
            ],
        },
    )
    for number, (_, label) in enumerate(scenes):
        predictions = folder / "reports" / "quick" / "runs" / "evaluate" / "minicity" / "predictions"
        images.write_png(predictions / f"{number:05d}.png", 18 - label.clip(0, 18))
    for row, hits in (("minicity", (60, 80, 50, 90)), ("other", (30, 70, 40, 90))):
        counts = np.zeros((4, 2, 3), int)  # four images of two classes, 100 pixels of each
        counts[:, 0, 0], counts[:, 1, 1] = hits, 80
        counts[:, 0, 1], counts[:, 1, 0] = 100 - counts[:, 0, 0], 20
        kept = ImageCounts(counts, tuple("abcd"), ("",) * 4, "cityscapes")
        kept.save(folder / "reports" / "quick" / "runs" / "evaluate" / row / "counts.npz")
    _run(folder, "export/minicity", None)
    return {"MOSAIC_REPORTS": str(folder / "reports"), "MOSAIC_DATA": str(folder / "data")}


def _run(folder, run_id, result):
    """result: None for a run that failed."""
    place = folder / "reports" / "quick" / "runs" / run_id
    place.mkdir(parents=True)
    reason = None if result else "The disk was full."
    record = {"status": "done" if result else "failed", "reason": reason, "wall_s": 12.0, "command": "papermill <x>"}
    (place / "run.json").write_text(json.dumps(record))
    (place / "notebook.ipynb").write_text("{}")
    if result:
        (place / "result.json").write_text(json.dumps(result))

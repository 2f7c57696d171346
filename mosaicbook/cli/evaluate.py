"""The verb that scores a network: `mosaic evaluate`."""

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mosaicbook.cli import JsonOption, app
from mosaicbook.cli.models import TFLiteOption, WeightsOption


@app.command()
def evaluate(
    dataset: Annotated[str, typer.Option(help="A data set's name, for example minicity or camvid.")],
    weights: WeightsOption = None,
    tflite: TFLiteOption = None,
    split: Annotated[str, typer.Option(help="The split to evaluate on.")] = "val",
    rule: Annotated[str | None, typer.Option(help="cityscapes, camvid, garden or mlperf31.")] = None,
    root: Annotated[Path | None, typer.Option(help="The folder that holds the data set.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many images.")] = None,
    input_scale: Annotated[float, typer.Option(help="Resize images by this for the network, 0.01 to 16.")] = 1.0,
    counts: Annotated[Path | None, typer.Option(help="Where the counts of each image are kept (.npz).")] = None,
    as_json: JsonOption = False,
):
    """Prints the mIoU of a network, or of an exported .tflite, on a split, with its 95 % interval over images.

    A .tflite has its own input size: images are fitted into it, and its classes are resized back. The counts of each
    image are kept, so that two evaluations can be compared; one on a real test split enters the ledger.
    """
    from tqdm import tqdm

    from mosaicbook.runs import ledger
    from mosaicbook.runs.parameters import ranges
    from mosaiclib import evaluation, files, inference, models
    from mosaiclib.data import datasets, fetch, image_size
    from mosaiclib.evaluation import image_counts, intervals
    from mosaiclib.inference import KerasSegmenter

    data = datasets.get(dataset, root)
    if (weights is None) == (tflite is None):
        raise ValueError("Name what to evaluate: either --weights FOLDER or --tflite FILE.")
    ranges.check("input_scale", input_scale, what="The option")
    if tflite and input_scale != 1:
        raise ValueError("A .tflite file has its own input size: instead of --input-scale, export a larger one.")
    samples, recipe = data.split(split), None
    if weights:
        classes_of = KerasSegmenter(partial(models.load, weights), input_scale)
        card = models.load_card(weights)
        if warning := image_size.warning(data, split, card.input_size, input_scale):
            print(f"mosaic: {warning}", file=sys.stderr)
        network, sha256 = card.spec.name, models.sha256(weights)
        recipe = ((card.provenance or {}).get("training") or {}).get("recipe")
    else:
        file = fetch.located(tflite)
        classes_of = inference.open_network(file)
        network, sha256 = file.stem, files.sha256(file)
    samples = samples[:limit]
    bar = tqdm(samples, disable=as_json or None)  # None: none where it is not a terminal
    matrices = [alone for (alone,) in evaluation.by_image(data, bar, classes_of)]
    names = [sample.name for sample in samples]
    kept = image_counts.ImageCounts.of(matrices, names, data.videos(samples), rule or data.rule, sha256)
    path = counts or _counts_path(network, data.name, split, sha256, input_scale, limit)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept.save(path)
    matrix = evaluation.ConfusionMatrix(len(data.classes))
    for alone in matrices:
        matrix.add(alone)
    score, interval = evaluation.score(matrix, rule or data.rule), intervals.of_score(kept)
    ledger.note(data, split, network, sha256, recipe, len(samples), score.miou, "mosaic evaluate")
    named = dict(zip(data.classes, score.per_class_iou, strict=True))
    if as_json:
        about = {"dataset": dataset, "split": split, "input_scale": None if tflite else input_scale,
                 "miou_interval": interval and [interval.lower, interval.upper], "weights_sha256": sha256,
                 "image_counts": str(path)}  # fmt: skip
        print(json.dumps({**asdict(score), "per_class_iou": named, **about}, indent=1))
        return
    for name, value in named.items():
        print(f"{name:15s} {'-' if value is None else f'{100 * value:5.1f} %'}")
    chance = "95 % over images" if interval else "too few images for an interval"
    print(f"mIoU {intervals.text(score.miou, interval, 2)} %{score.over} ({chance}; rule {score.rule}), "
          f"pixel accuracy {100 * score.pixel_accuracy:.2f} %, "
          f"{score.n_images} images of {data.title}, {split}")  # fmt: skip
    print(f"Counts of each image: {path}", file=sys.stderr)


def _counts_path(network, dataset, split, sha256, input_scale, limit):
    """Where an evaluation by hand keeps its counts: a name that tells it from others of the same network."""
    from mosaicbook import runs

    more = (f"-x{input_scale:g}" if input_scale != 1 else "") + (f"-first{limit}" if limit else "")
    return runs.reports_folder() / "by-hand/evaluate" / f"{network}-{dataset}-{split}{more}-{sha256[:8]}.npz"

"""`mosaic referee`: segmenters from anywhere, evaluated and timed by one set of rules in one table."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mosaicbook.cli import JsonOption, app, console, table

NetworksArgument = Annotated[list[Path], typer.Argument(help="Two or more .tflite files or weights folders.")]


@app.command()
def referee(
    networks: NetworksArgument,
    dataset: Annotated[str, typer.Option(help="A data set's name, for example minicity or camvid.")],
    split: Annotated[str, typer.Option(help="The split to evaluate on.")] = "val",
    root: Annotated[Path | None, typer.Option(help="The folder that holds the data set.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many images.")] = None,
    timed: Annotated[bool, typer.Option("--timed/--not-timed", help="Whether .tflite files are timed here.")] = True,
    as_json: JsonOption = False,
):
    """Evaluates networks from anywhere on the same images by one rule, and times .tflite files on this CPU.

    Classes are matched by name; pixels that a network gives to a class of its own count as wrong. Each image is fitted
    into a network's input size, and its classes are resized back.
    """
    from tqdm import tqdm

    from mosaicbook.runs import ledger
    from mosaiclib import evaluation, files, inference, models
    from mosaiclib.data import datasets, fetch
    from mosaiclib.evaluation import class_names, image_counts, intervals

    data = datasets.get(dataset, root)
    samples = data.split(split)[:limit]
    opened, maps = [], []
    for path in map(fetch.located, networks):
        network = inference.open_network(path)
        try:
            maps.append(class_names.mapping(network.classes, data.classes))
        except ValueError as error:
            raise ValueError(f"{path} cannot be judged on {data.title}: {error}.") from None
        opened.append((path, network))
    bar = tqdm(samples, disable=as_json or None)
    judged = [partial(_mapped, network, to_dataset) for (_, network), to_dataset in zip(opened, maps, strict=True)]
    matrices = zip(*evaluation.by_image(data, bar, *judged), strict=True)
    names, videos = [sample.name for sample in samples], data.videos(samples)
    milliseconds = _timed([path for path, _ in opened if path.suffix == ".tflite"]) if timed else {}
    rows = []
    for (path, network), to_dataset, each in zip(opened, maps, matrices, strict=True):
        counts = image_counts.ImageCounts.of(each, names, videos, data.rule)
        interval = intervals.of_score(counts)
        sha = models.sha256(path) if path.is_dir() else files.sha256(path)
        ledger.note(data, split, network.name, sha, None, len(samples), counts.miou(), "mosaic referee")
        rows.append(
            {
                "network": network.name, "file": str(path), "sha256": sha, "input_size": list(network.input_size),
                "miou": counts.miou(), "interval": interval and [interval.lower, interval.upper],
                "mean_ms": milliseconds.get(str(path)), "size_mb": _megabytes(path),
                "classes": f"{len(data.classes) - len(to_dataset.missing)} of {len(data.classes)}",
                "trained_on_split": network.was_trained_on(dataset, split), "note": to_dataset.sentence,
            }
        )  # fmt: skip
    rows.sort(key=lambda row: -row["miou"])
    if as_json:
        print(json.dumps({"dataset": dataset, "split": split, "rule": data.rule, "images": len(samples),
                          "synthetic": data.synthetic, "networks": rows}, indent=1))  # fmt: skip
        return
    _print(rows, data, split, samples)


def _mapped(network, to_dataset, image):
    return to_dataset(network(image))


def _megabytes(path):
    files = path.glob("*.h5") if path.is_dir() else [path]
    return round(sum(file.stat().st_size for file in files) / 1e6, 2)


def _timed(files):
    """{file: mean milliseconds} of LiteRT's interpreter with XNNPACK on one thread, files by turns."""
    from mosaiclib.latency import host

    if not files:
        return {}
    measured = host.bench(files, ["ai_edge_litert"], ["xnnpack"], [1], processes=3, runs=5)
    for m in measured:
        if m.mean_ms is None:
            print(f"mosaic: {m.file} was not timed: {m.note}", file=sys.stderr)
    return {m.file: m.mean_ms for m in measured}


def _print(rows, data, split, samples):
    from mosaiclib.evaluation import intervals

    numbers = ("mIoU, %", "ms", "MB", "input")
    listed = table("network", *numbers, "classes", numbers=numbers, title=f"{data.title}, {split}")
    for row in rows:
        shown = "-" if row["mean_ms"] is None else f"{row['mean_ms']:.1f}"
        size = "x".join(map(str, row["input_size"]))
        listed.add_row(
            row["network"],
            intervals.text_of(row["miou"], row["interval"]),
            shown,
            f"{row['size_mb']:.1f}",
            size,
            row["classes"],
        )
    console().print(listed)
    for row in rows:
        if row["trained_on_split"]:
            print(f"{row['network']} was trained on this split: its score says nothing of new images.")
        if row["note"]:
            print(f"{row['network']}: {row['note']}.")
    print(
        f"{len(samples)} images{', synthetic' if data.synthetic else ''}, rule {data.rule}; 95 % over images alone, so "
        "it judges these files and not how their networks train. Times: LiteRT, XNNPACK, one thread of this CPU."
    )

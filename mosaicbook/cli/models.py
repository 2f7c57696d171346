"""Verbs for networks and their weights: `mosaic models|madds|import|predict`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mosaicbook.cli import JsonOption, app, console, table
from mosaiclib.number_text import signed

importing = typer.Typer(no_args_is_help=True, help="Fill our networks with weights from published files.")
app.add_typer(importing, name="import")

READING = "TFLite MAdds"  # how most published figures are counted; rows that are not say so
WeightsOption = Annotated[Path | None, typer.Option(help="A weights folder.")]
TFLiteOption = Annotated[Path | None, typer.Option(help="A .tflite file, of `mosaic export` or released.")]


@app.command("models")
def list_models(as_json: JsonOption = False):
    """Lists every network of the paper with its parameters and its cost at the paper's size (a minute)."""
    from mosaicbook.paper import madds

    found = madds.networks()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    numbers = ("tables", "size", "parameters", "MAdds, B", "conv MACs, B")
    listed = table("network", *numbers, numbers=numbers)
    for row in found:
        listed.add_row(
            row["name"],
            ",".join(map(str, row["tables"])),
            _size(row),
            f"{row['params']:,}",
            f"{row['tflite_madds_b']:.3f}",
            f"{row['conv_macs_b']:.3f}",
        )
    console().print(listed)


@app.command("madds")
def list_madds(
    number: Annotated[int | None, typer.Option("--table", help="Only this table of the paper, 2 to 7.")] = None,
    as_json: JsonOption = False,
):
    """Prints the MAdds of the paper's tables beside those counted on our graphs (all tables: a minute)."""
    from mosaicbook.paper import madds

    found = madds.rows(number)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    numbers = ("row", "size", "paper, B", "counted, B", "difference")
    listed = table("network", *numbers, numbers=numbers)
    for row in found:
        digits = len(row["paper_madds_text"].partition(".")[2])
        listed.add_row(
            row["name"],
            f"{row['table']}.{row['row']}",
            _size(row),
            row["paper_madds_text"],
            f"{row['reading_madds_b']:.{max(digits, 2)}f}",
            f"{signed(row['difference_percent'], '+.2f')} %",
        )
    page = console()
    page.print(listed)
    for row in found:
        if row["note"] or row["reading"] != READING:
            page.print(f"{row['table']}.{row['row']}  counted as {row['reading']}. {row['note']}".rstrip())


def _size(row):
    return "x".join(map(str, row["input_size"]))


def _keep(model, card, out):
    """Saves an imported network and says what it is."""
    from mosaiclib import models

    models.save(model, out, card)
    print(f"{out}: {card.spec.name}, {len(card.classes)} classes, {model.count_params():,} parameters")


@importing.command("mlperf")
def import_mlperf(
    file: Annotated[Path, typer.Argument(help="A graph released with MLPerf Mobile (.tflite).")],
    out: Annotated[Path, typer.Option(help="The weights folder to write.")],
):
    """Imports a released TFLite graph: the authors' MOSAIC, or MobileNetV2 + DeepLabV3+ of MLPerf v1.0."""
    from mosaiclib.data import fetch
    from mosaiclib.models.pretrained import mlperf_tflite

    file = fetch.located(file)
    if not file.is_file():
        raise ValueError(f"{file} does not exist: `mosaic data fetch mlperf` gets the released graphs.")
    model, card = mlperf_tflite.read(file)
    _keep(model, card, out)


@importing.command("model-garden")
def import_model_garden(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint's prefix, its folder, or the published .tar.gz.")],
    out: Annotated[Path, typer.Option(help="The weights folder to write.")],
    bins: Annotated[str | None, typer.Option(help="The pyramid's bins, for example 1,4,8,16.")] = None,
):
    """Imports a TF2 checkpoint of the Model Garden's MOSAIC (official/projects/mosaic), or of its backbone alone."""
    from mosaiclib.data import fetch
    from mosaiclib.models.pretrained import model_garden

    checkpoint = fetch.located(checkpoint)
    if bins is not None and not all(part.isdecimal() and int(part) for part in bins.split(",")):
        raise ValueError(f"'{bins}' are not bins: write numbers with commas between, for example 1,4,8,16.")
    model, card = model_garden.read(checkpoint, bins and tuple(map(int, bins.split(","))))
    _keep(model, card, out)
    for part in ("head", "bins"):
        if part in card.provenance:
            print(f"{part}: {card.provenance[part]}")


@importing.command("deeplab")
def import_deeplab(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint's prefix, its folder, or the published .tar.gz.")],
    out: Annotated[Path, typer.Option(help="The weights folder to write.")],
):
    """Starts ResNet-50, ResNet-101 or Xception-71 with MOSAIC from DeepLab's ImageNet weights (TF1)."""
    from mosaiclib.models.pretrained import deeplab

    model, card = deeplab.read(checkpoint)
    _keep(model, card, out)
    print("head: random")


@importing.command("keras-applications")
def import_keras_applications(
    name: Annotated[str, typer.Argument(help="A network on MobileNetV2 or V3, for example mnv3large-mosaic.")],
    out: Annotated[Path, typer.Option(help="The weights folder to write.")],
    weights: Annotated[str, typer.Option(help="imagenet (Keras downloads it), or a file.")] = "imagenet",
):
    """Starts a network from the ImageNet weights of keras.applications; its head stays random."""
    from mosaiclib import models
    from mosaiclib.models import catalogue
    from mosaiclib.models.pretrained import keras_applications

    model, card, filled = keras_applications.read(catalogue.get(name), weights)
    models.save(model, out, card)
    print(f"{out}: {name}, {len(filled)} layers filled up to {filled[-1]}; the head is random")
    if random := card.provenance["random_blocks"]:
        print(f"Random in the backbone, from the first block on that has half the filters here: {', '.join(random)}")


@app.command()
def predict(
    image: Annotated[Path, typer.Argument(help="A JPEG or PNG image of any size.")],
    out: Annotated[Path, typer.Option(help="The overlay to write (PNG).")],
    weights: WeightsOption = None,
    tflite: TFLiteOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the share of pixels of each class as JSON.")] = False,
):
    """Segments an image and writes it with its classes coloured over it and a legend."""
    from mosaicbook.show import overlays
    from mosaiclib import inference
    from mosaiclib.data import fetch, images

    if (weights is None) == (tflite is None):
        raise ValueError(
            "Name the network: either --weights FOLDER (see `mosaic import --help`) or --tflite FILE "
            "(see `mosaic export --help`)."
        )
    images.check_png_name(out)
    picture = images.read_image(image)
    network = inference.open_network(fetch.located(tflite) if tflite else weights)
    label = network(picture)
    drawn = overlays.overlay(picture, label, network.palette)
    images.write_png(out, overlays.with_legend(drawn, label, network.classes, network.palette))
    shares = {network.classes[i]: round(share, 4) for i, share in overlays.shares(label, network.classes)}
    if letters := overlays.lacking("".join(shares)):
        print(f"mosaic: no font here has {letters}: the legend shows boxes for them", file=sys.stderr)
    print(json.dumps({"out": str(out), "shares": shares}) if as_json else f"{out}: {', '.join(shares)}")

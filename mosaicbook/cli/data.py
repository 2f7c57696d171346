"""Verbs for data: `mosaic data list|fetch|import|verify`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mosaicbook.cli import JsonOption, app, console, table
from mosaiclib.data import fetch

data = typer.Typer(no_args_is_help=True, help="Data sets and files from elsewhere.")
app.add_typer(data, name="data")


@data.command("list")
def list_files(as_json: JsonOption = False):
    """Lists the files that can be fetched, and which of them are here."""
    rows = []
    for file in fetch.FILES.values():
        path = fetch.find(file.key)
        rows.append(
            {
                "key": file.key,
                "here": str(path) if path else None,
                "licence": file.licence,
                "url": file.url,
                "sha256": file.sha256,
                "cityscapes_miou_percent": file.cityscapes_miou_percent,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    listed = table("file", "here", "licence")
    for row in rows:
        listed.add_row(row["key"], row["here"] or "no", row["licence"])
    console().print(listed)


@data.command("fetch")
def fetch_files(name: Annotated[str, typer.Argument(help="mlperf, model-garden, camvid, or one file's key.")]):
    """Fetches files, from the folder MOSAIC_MIRROR where that is set, and checks them."""
    for key in fetch.COLLECTIONS.get(name, (name,)):
        print(fetch.fetch(key, progress=True))


@data.command("import")
def import_masks(
    source: Annotated[Path, typer.Argument(help="A folder of images and masks, or one annotation file.")],
    out: Annotated[Path, typer.Option(help="The new folder.")],
    form: Annotated[
        str | None,
        typer.Option("--format", help="cvat, coco, labelme, labelstudio, voc, yolo or masks; found out by default."),
    ] = None,
    legend: Annotated[Path | None, typer.Option(help="A file of classes, as in `crack, 255, 0, 0`.")] = None,
    images: Annotated[Path | None, typer.Option(help="A folder of images, where they lie elsewhere.")] = None,
    exif: Annotated[str | None, typer.Option(help="How masks of turned photographs lie: stored or upright.")] = None,
    keep_empty: Annotated[bool, typer.Option("--keep-empty", help="Images without shapes are background.")] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy images, never link them.")] = False,
    max_side: Annotated[int | None, typer.Option(help="Shrink images whose longer side has more pixels.")] = None,
    as_json: JsonOption = False,
):
    """Makes a folder that trains of masks from any tool, and a page that shows what was understood."""
    from functools import partial

    from tqdm import tqdm

    from mosaiclib.data.annotations.convert import convert

    bar = partial(tqdm, leave=False, disable=True if as_json else None)
    result = convert(source, out, form, legend, images, exif, keep_empty, copy, max_side, bar)
    if as_json:
        print(json.dumps({name: value for name, value in vars(result).items() if name != "examples"}, indent=1))
        return
    counts = ", ".join(f"{count} {split}" for split, count in result.images.items())
    print(f"{result.format}: {counts}; {len(result.classes)} classes: {', '.join(result.classes)}")
    for note in result.notes:
        print(note)
    for what, why in result.left_out[:10]:
        print(f"Left out: {what}: {why}")
    if len(result.left_out) > 10:
        print(f"Left out: {len(result.left_out) - 10} more")
    print(f"Look at {out / 'import.html'}, then run: mosaic data verify folder --root {out}")


@data.command("verify")
def verify_dataset(
    name: Annotated[str, typer.Argument(help="A data set's name, for example cityscapes or folder.")],
    root: Annotated[Path | None, typer.Option(help="The folder that holds the data set.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    as_json: JsonOption = False,
):
    """Reads every file of a data set and lists all that is wrong; exit status 1 where anything is."""
    from functools import partial

    from tqdm import tqdm

    from mosaiclib.data import datasets, verify

    dataset = datasets.get(name, root)
    found = verify.verify(dataset, split, partial(tqdm, leave=False, disable=True if as_json else None))
    if as_json:
        print(json.dumps({"dataset": name, **asdict(found)}, indent=1))
    elif found.problems:
        print("\n".join(found.problems))
        print(f"{len(found.problems)} problem{'s' if len(found.problems) > 1 else ''} in {dataset.title}")
    else:
        for each, count in found.pictures.items():
            unseen = found.unseen[each]
            print(
                f"{each}: {count} image{'' if count == 1 else 's'}"
                + (f"; in no label map: {', '.join(unseen)}" if unseen else "")
            )
        for note in found.notes:
            print(f"Note: {note}")
    if found.problems:
        raise typer.Exit(1)

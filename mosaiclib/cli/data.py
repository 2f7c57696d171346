"""Verbs for data: `mosaic data list|fetch|verify`."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mosaiclib.cli import app
from mosaiclib.data import fetch

data = typer.Typer(no_args_is_help=True, help="Data sets and files from elsewhere.")
app.add_typer(data, name="data")


@data.command("list")
def list_files(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False):
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
    table = Table("file", "here", "licence")
    for row in rows:
        table.add_row(row["key"], row["here"] or "no", row["licence"])
    Console().print(table)


@data.command("fetch")
def fetch_files(name: Annotated[str, typer.Argument(help="mlperf, model-garden, camvid, or one file's key.")]):
    """Fetches files, from the folder MOSAIC_MIRROR where that is set, and checks them."""
    for key in fetch.COLLECTIONS.get(name, (name,)):
        print(fetch.fetch(key, progress=True))

"""`mosaic npu`: which operations of a .tflite the NPU compilers of the vendors would take."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mosaicbook.cli import JsonOption, app, console, table

FilesArgument = Annotated[list[Path], typer.Argument(help=".tflite files.")]


@app.command()
def npu(files: FilesArgument, as_json: JsonOption = False):
    """Asks the vendors' NPU compilers, without a device, which operations of each file they would take.

    Intel's needs `make environment-npu`; the others need their vendor's SDK and say so. Says nothing of time.
    """
    from mosaiclib.latency import npu

    found = [verdict for file in files for verdict in npu.verdicts(file)]
    if as_json:
        print(json.dumps([asdict(verdict) for verdict in found], indent=1))
        return
    asked = [v for v in npu.VENDORS if any(f.vendor == v.name and f.verdict != npu.NOT_ASKED for f in found)]
    listed = table("file", *(f"{vendor.name} {vendor.soc_model}" for vendor in asked))
    for file in files:
        mine = {verdict.vendor: verdict for verdict in found if verdict.file == str(file)}
        listed.add_row(file.name, *(_cell(mine[vendor.name]) for vendor in asked))
    if asked:
        console().print(listed)
    for vendor, note in dict.fromkeys((f.vendor, f.note) for f in found if f.verdict == npu.NOT_ASKED):
        print(f"{vendor} was not asked: {note}")
    print(
        "Older ways to a phone's NPU: NNAPI is deprecated since Android 15, the Hexagon delegate serves Snapdragon "
        "chips up to 2020 (865)."
    )


def _cell(verdict):
    operations = "" if verdict.total is None else f", {verdict.taken} of {verdict.total} operations"
    return verdict.verdict + operations + (f": {verdict.note}" if verdict.note else "")

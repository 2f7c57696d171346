"""Verbs that look at runs: `mosaic runs`, `mosaic runs diff A B`."""

import json
from typing import Annotated

import typer

from mosaicbook.batch import profiles
from mosaicbook.batch.progress import span
from mosaicbook.cli import JsonOption, app, console, table
from mosaicbook.runs import history

listing = typer.Typer(invoke_without_command=True, help="Lists the runs of a profile, or compares two.")
app.add_typer(listing, name="runs")


@listing.callback()
def list_runs(context: typer.Context,
              profile: Annotated[str, typer.Option(help="A profile's name, or a YAML file.")] = "quick",
              as_json: JsonOption = False):  # fmt: skip
    """Lists the runs of a profile and how they stand; `mosaic runs diff A B` shows what differs between two."""
    if context.invoked_subcommand:
        return
    rows = history.listed(profiles.load(profile))
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    printed = table("run", "status", "took", "commit", "result", numbers=("status", "took", "commit"))
    for row in rows:
        wall = span(row["wall_s"]) if row["wall_s"] else ""
        commit = (row["commit"] or "")[:10] + ("+" if row["dirty"] else "")
        printed.add_row(row["run"], row["status"], wall, commit, row["reason"] or row["number"] or "")
    console().print(printed)
    if any(row["dirty"] for row in rows):
        print("+ with uncommitted changes")


@listing.command()
def diff(a: Annotated[str, typer.Argument(help="profile/stage/row, or a run's folder.")],
         b: Annotated[str, typer.Argument(help="The other one.")],
         as_json: JsonOption = False):  # fmt: skip
    """Shows in what two runs differ: parameters, code, data, versions, machine, and the numbers."""
    rows = history.differences(a, b)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if not rows:
        print("They differ in nothing but their time.")
        return
    printed = table("field", "one", "other", "change", numbers=("change",))
    for row in rows:
        change = "" if row["change"] is None else f"{row['change']:+.6g}"
        printed.add_row(row["field"], _shown(row["a"]), _shown(row["b"]), change)
    console().print(printed)


def _shown(value):
    return "nothing" if value is None else str(value)

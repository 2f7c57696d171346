"""Verbs for runs and reports: `mosaic run|runs|report`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mosaiclib import profiles, runs
from mosaiclib.cli import app

ProfileOption = Annotated[str, typer.Option(help="quick, camvid, or a YAML file.")]


@app.command("run")
def run_one(run_id: Annotated[str, typer.Argument(help="stage/row, as the profile lists it.")],
            profile: ProfileOption = "quick"):  # fmt: skip
    """Executes one run of a profile, whether or not it is up to date."""
    print(f"  {run_id}: started", flush=True)
    try:
        folder = runs.execute(profiles.load(profile), run_id)
    except runs.RunFailed as error:
        print(f"  {run_id}: FAILED: {error}", file=sys.stderr, flush=True)
        raise typer.Exit(1) from None
    wall = runs.read_json(folder / "run.json")["wall_s"]
    print(f"  {run_id}: done in {wall:.0f} s", flush=True)


@app.command("runs")
def list_runs(profile: ProfileOption = "quick",
              as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False):  # fmt: skip
    """Lists the runs of a profile and how they stand."""
    plan = profiles.load(profile)
    rows = []
    for run_id in plan.runs:
        try:
            record = runs.read_json(runs.folder_of(plan.name, run_id) / "run.json")
        except (ValueError, OSError):
            record = {"status": "not run"}
        keys = ("status", "reason", "wall_s", "commit", "dirty", "started")
        rows.append({"run": run_id, **{key: record.get(key) for key in keys}})
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        wall = f"{row['wall_s']:.0f} s" if row["wall_s"] else ""
        print(f"{row['run']:45s} {row['status']:8s} {wall:>7s}  {(row['commit'] or '')[:10]}  {row['reason'] or ''}")


@app.command()
def report(profile: ProfileOption = "quick",
           cores: Annotated[int | None, typer.Option(help="Processor cores to use (default: all).")] = None,
           publish: Annotated[Path | None, typer.Option(
               help="Also write the pages here, without pictures that may not be passed on.")] = None):  # fmt: skip
    """Runs what is not up to date in a profile, then writes its report. Exit status 1 if anything failed."""
    from mosaiclib import batch

    if not batch.report(profiles.load(profile), profile, cores, publish):
        raise typer.Exit(1)

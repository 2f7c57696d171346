"""Verbs for runs and reports: `mosaic run|runs|report`."""

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from mosaicbook import runs
from mosaicbook.batch import execution, profiles
from mosaicbook.batch.progress import ENDED, FAILED, STARTED, span, tell
from mosaicbook.cli import app

ProfileOption = Annotated[str, typer.Option(help="quick, camvid, paper, mine, or a YAML file.")]


@app.command("run")
def run_one(run_id: Annotated[str, typer.Argument(help="stage/row, as the profile lists it.")],
            profile: ProfileOption = "quick"):  # fmt: skip
    """Executes one run of a profile, whether or not it is up to date."""
    plan = profiles.load(profile)
    tell(f"{STARTED} {run_id}")
    try:
        folder = execution.execute(plan, run_id)
    except runs.RunFailed as error:
        tell(f"{FAILED} {run_id} {error}")
        raise typer.Exit(1) from None
    with suppress(SystemExit):  # it is done, whether or not anybody hears of it
        tell(f"{ENDED} {run_id} {span(runs.read_json(folder / 'run.json')['wall_s'])}")


@app.command()
def report(profile: ProfileOption = "quick",
           tables: Annotated[str, typer.Option(help="Only what these tables of the paper need, as in 3,5.")] = "",
           rows: Annotated[list[str] | None, typer.Option(
               help="Only these networks (names of `mosaic models`); may be repeated.")] = None,
           plan: Annotated[bool, typer.Option("--plan", help="Say what would run, and run nothing.")] = False,
           jobs: Annotated[int | None, typer.Option(
               min=1, help="Notebooks at once (default: one a core, and one training at a time).")] = None,
           on_cpu: Annotated[bool, typer.Option("--on-cpu", help="Go on where a profile misses its GPU.")] = False,
           publish: Annotated[Path | None, typer.Option(
               help="Also write the pages here, without images that may not be redistributed.")] = None):  # fmt: skip
    """Runs what is not up to date in a profile, then writes its report. Exit status 1 if anything failed."""
    from mosaicbook.batch import scheduler

    numbers = [part for part in tables.replace(" ", "").split(",") if part]
    if not all(part.isdecimal() for part in numbers):
        raise ValueError(f"--tables takes numbers, as in 3,5, and not '{tables}'.")
    names = [name for part in rows or [] for name in part.replace(",", " ").split()]
    for number in (signal.SIGTERM, signal.SIGHUP):  # they stop it as Ctrl-C does; under nohup one is ignored
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        done = scheduler.report(profiles.load(profile), jobs, publish, [*map(int, numbers)], names, plan, on_cpu)
    except KeyboardInterrupt:
        print("Stopped. `mosaic report` goes on from here, and a training from its last checkpoint.", file=sys.stderr)
        raise typer.Exit(130) from None
    if not done:
        raise typer.Exit(1)

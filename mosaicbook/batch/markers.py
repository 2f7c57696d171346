"""Markers: one empty file for every run that is up to date, which Snakemake compares with what the run depends on.

What a run has done stands in its run.json alone. Snakemake removes the output of a rule that it starts again, or that
is killed with it; so its output is the marker, and `settle` makes markers again from run.json before each batch.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from mosaicbook import runs
from mosaicbook.batch import dependencies, profiles
from mosaicbook.runs import records, run_folder
from mosaicbook.runs.provenance import ROOT

FOLDER = ".done"  # in a report's folder


def path_of(profile_name, run_id) -> Path:
    """The marker of a run: reports/<profile>/.done/<stage>/<row>."""
    return runs.reports_folder() / profile_name / FOLDER / run_id


def files(profile, run_id) -> list[Path]:
    """The files that a run depends on, other runs apart: notebook, code, recipes, and what was fetched for it."""
    plan = profile.runs[run_id]
    return [ROOT / plan.notebook, *dependencies.sources(profile, run_id), *profiles.outside_files(plan)]


def identity(profile, run_id) -> str:
    """A hash of what a run depends on beside the times of files: settings, and which files and runs there are.

    It stands in run.json as `depends_on`.
    """
    names = sorted(os.path.relpath(path, ROOT) for path in files(profile, run_id))
    drawn = [other for other in dependencies.drawn_from(profile, run_id) if _is_done(profile, other)]
    text = repr((dependencies.settings(profile, run_id), names, drawn))
    return hashlib.sha256(text.encode()).hexdigest()


def done_since_planned(profile, run_id) -> bool:
    """Whether a run that this batch planned was finished since, by what a killed batch had left at work."""
    planned = float(os.environ.get("MOSAIC_PLANNED", "inf"))  # seconds; only a batch sets it
    folder = runs.folder_of(profile.name, run_id)
    found = records.read_run(folder, run_id)
    if not found.done or found.record.get("depends_on") != identity(profile, run_id):
        return False
    ended = (folder / "run.json").stat().st_mtime
    others = [*profile.runs[run_id].upstream(profile.runs), *dependencies.drawn_from(profile, run_id)]
    inputs = [*files(profile, run_id), *(runs.folder_of(profile.name, other) / "run.json" for other in others)]
    return ended > planned and all(path.stat().st_mtime <= ended for path in inputs if path.exists())


def mark(profile, run_id, record):
    """Makes the marker of a run whose run.json holds `record`, or removes it where the run is to be made again.

    A run that diverged would do so again: where it is one of several of which the best is used, it stays as it is.
    """
    marker, run_json = path_of(profile.name, run_id), runs.folder_of(profile.name, run_id) / "run.json"
    if record.get("status") == "done" or (record.get("diverged") and profile.rivals(run_id)):
        if not marker.is_file():
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
            ended = run_json.stat().st_mtime
            os.utime(marker, (ended, ended))
    else:
        runs.discard(marker)


def settle(profile, run_ids, tell=print) -> dict[str, str]:
    """Finishes what was killed, and lets the markers say what run.json says.

    Returns {run id: why} of the runs that are made again whatever the times of files are. tell: is called with a
    sentence for each that no longer counts as done.
    """
    again = {}
    for run_id in run_ids:
        _finish_what_was_killed(profile, run_id, tell)
        found = records.read_run(runs.folder_of(profile.name, run_id), run_id)
        counted = path_of(profile.name, run_id).is_file()
        why = _why_again(profile, run_id, found)
        if why:
            again[run_id] = why
            if found.status == "unreadable" or (found.status == "failed" and counted):
                tell(f"{run_id} is made again: {found.reason}")
        mark(profile, run_id, {} if why else found.record)
        if found.done and found.record.get("scratch"):
            runs.discard(runs.reports_folder() / profile.name / "scratch" / run_id / str(found.record["scratch"]))
    return again


def _why_again(profile, run_id, found):
    """Why a run is made again, in a few words; "" where it stands."""
    if found.status == "missing":
        return "not there yet"
    if found.status == "failed" and not (found.record.get("diverged") and profile.rivals(run_id)):
        return "failed before"
    if found.status == "unreadable":
        return "what is there is not whole"
    if found.record.get("depends_on") == identity(profile, run_id):
        return ""
    if "depends_on" in found.record or not _adopt(profile, run_id, found.record):
        return "other parameters, images or inputs"
    return ""


def _adopt(profile, run_id, record):
    """Whether a run of an earlier version, which did not write `depends_on`, has today's parameters: it counts then."""
    plan = profile.runs[run_id]
    own = {name: value for name, value in plan.all_parameters.items() if name not in plan.references()}
    recorded = record.get("parameters") or {}
    if any(recorded.get(name, value) != value for name, value in own.items()):
        return False
    run_json = runs.folder_of(profile.name, run_id) / "run.json"
    ended = run_json.stat().st_mtime
    runs.write_json(run_json, record | {"depends_on": identity(profile, run_id)})
    os.utime(run_json, (ended, ended))
    return True


def _finish_what_was_killed(profile, run_id, tell):
    final = runs.folder_of(profile.name, run_id)
    in_the_way = [folder for folder in (final.parent, final) if folder.is_file()]
    if in_the_way:
        tell(f"{run_id} is made again: a file lies where its folder should be.")
        runs.discard(in_the_way[0])
    if any(final.parent.glob(f".{final.name}.*")):
        with suppress(BlockingIOError), run_folder.held(final):  # another process has it, and finishes it
            run_folder.recover(final)


def _is_done(profile, run_id):
    return runs.result_of(profile.name, run_id) is not None

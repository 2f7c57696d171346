"""The batch: Snakemake runs what is not up to date, then the site is written from whatever there is."""

import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from mosaicbook import runs
from mosaicbook.batch import dependencies, gpus, markers, plan, profiles, progress, snakemake, waiting
from mosaicbook.runs.provenance import ROOT
from mosaiclib.latency.host import machine

GB_A_JOB = 3  # memory that one notebook may take
RESERVE_BYTES = 24 << 20  # kept free while runs write, so that a full disk still takes the pages
LISTED = 30


def report(profile, jobs=None, publish=None, tables=(), rows=(), plan_only=False, on_cpu=False) -> bool:
    """Brings the report of a profile up to date; True where every run that was asked for is done.

    jobs: notebooks at once; None for as many as
    cores and memory allow, with one training at a time. publish: also write pages without images that may not
    be redistributed to this folder. tables, rows: run only these tables of the paper, and these networks.
    plan_only: say what would be done, and do nothing. on_cpu: go on without the GPU that the profile is made for.
    """
    from mosaicbook import site
    from mosaicbook.runs import records

    asked = profile.narrowed(tables, rows)
    gpus.refuse_without(profile, on_cpu or plan_only)
    profiles.claim(profile)
    folder = runs.reports_folder() / profile.name
    with _locked(folder, profile.name) as lock:
        waits = waiting.for_data(profile, asked)
        ready = [run_id for run_id in asked if run_id not in waits]
        todo = out_of_date(profile, ready)
        if plan_only:
            plan.tell(profile, [run_id for run_id in asked if run_id in todo or run_id in waits])
        _tell(profile, asked, waits, todo, everything=plan_only)
        if plan_only:
            return True
        trouble = _execute(profile, ready, todo, jobs, lock, folder / "log.txt") if todo else ""
        planned = [
            records.Planned(
                *run_id.split("/"), run.notebook, run.description, f"mosaic run {run_id} --profile {profile.source}",
                _why_not(profile, run_id, asked, waits), run_id in asked,
            )
            for run_id, run in profile.runs.items()
        ]  # fmt: skip
        index = site.build_site(folder, profile.title, planned, description=profile.description)
        if publish:
            site.build_site(folder, profile.title, planned, description=profile.description, publish=Path(publish))
    failed = [run_id for run_id in asked if runs.result_of(profile.name, run_id) is None]
    beaten = [run_id for run_id in failed if _is_beaten(profile, run_id)]
    for run_id in beaten:
        print(f"  no score, and another one is the best: {run_id}: {_why(profile, run_id)}", file=sys.stderr)
    failed = [run_id for run_id in failed if run_id not in beaten]
    _say_failures(profile, failed, waits, trouble)
    print(f"The report is {index}" + (f" ({len(failed)} of {_count(asked)} not done)" if failed else ""))
    return not failed


@contextmanager
def _locked(folder, name):
    import fcntl  # Windows has none

    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Another `mosaic report` is working on the profile {name}, or what a killed one had begun is ending: "
                "wait for it."
            ) from None
        yield lock


def out_of_date(profile, run_ids) -> dict[str, str]:
    """{run id: why} of the runs that are not up to date, in the profile's order."""
    if not run_ids:
        return {}
    again = markers.settle(profile, run_ids)
    todo = snakemake.plan(profile, run_ids)
    return {run_id: again.get(run_id) or _what_changed(profile, run_id) for run_id in run_ids if run_id in todo}


def _what_changed(profile, run_id):
    """Why a run that is done is not up to date, in a few words."""
    done = markers.path_of(profile.name, run_id).stat().st_mtime
    changed = [path for path in markers.files(profile, run_id) if path.stat().st_mtime > done]
    if not changed:
        return "after what it needs"
    return f"changed: {os.path.relpath(changed[0], ROOT)}" + (f" and {len(changed) - 1} more" if changed[1:] else "")


def _tell(profile, asked, waits, todo, everything):
    print(f"{profile.title}: {_count(asked)}, {len(asked) - len(waits) - len(todo)} of them up to date.")
    for reason in dict.fromkeys(waits.values()):
        held = [run_id for run_id, why in waits.items() if why == reason]
        print(f"{_count(held)}, {_about(profile, held)}, wait: {reason}")
    if todo:
        print(f"To do: {_count(todo)}, {_about(profile, todo)} on {profile.machine}:")
    if everything:
        listed = [f"{gpu['name']}, driver {gpu['driver']}" for gpu in machine.gpus()]
        print(f"Device: {'; '.join(listed) or 'the CPU: nvidia-smi lists no GPU'}.")
    if todo or everything:
        shown = [run_id for run_id in asked if run_id in todo or (everything and run_id in waits)]
        shown = shown if everything else shown[:LISTED]
        for run_id in shown:
            run = profile.runs[run_id]
            print(f"  {run_id:32s} {progress.span(run.about_s):>11s}  {run.description} ({todo.get(run_id, 'waits')})")
        if len(shown) < len(todo):
            print(f"  and {len(todo) - len(shown)} more; --plan lists them all")


def _count(run_ids):
    return f"{len(run_ids)} run{'' if len(run_ids) == 1 else 's'}"


def _about(profile, run_ids):
    return f"about {progress.span(sum(profile.runs[run_id].about_s for run_id in run_ids))}"


def _execute(profile, run_ids, todo, jobs, lock, log_path):
    """Runs what is to do; returns what Snakemake said where it failed without a run having failed."""
    memory = psutil.virtual_memory().total >> 30
    cores = jobs or max(1, min(os.cpu_count(), memory // GB_A_JOB))
    printed = []
    with _reserve(log_path.parent), progress.Batch({r: profile.runs[r].about_s for r in todo}) as shown:

        def hear(line):
            shown.read(line)
            printed.append(f"{line}\n")

        for target in dependencies.ROUNDS:
            if target != "stages":  # which runs there are to draw its pages from may be others by now
                own = [run_id for run_id in run_ids if dependencies.round_of(run_id) == target]
                markers.settle(profile, own, tell=lambda sentence: None)
            trouble = snakemake.run(profile, run_ids, target, cores, _trainings(jobs), lock, hear)
            if trouble and not shown.failed:
                return trouble
    with suppress(OSError):
        log_path.write_text("".join(printed), encoding="utf-8")
    return ""


def _trainings(jobs):
    """How many trainings run at a time: one a job, and where there are GPUs, no more than can have one of their own."""
    return min(jobs or 1, len(gpus.visible()) or sys.maxsize)


@contextmanager
def _reserve(folder):
    """Space for the pages, given back before they are written."""
    path = folder / ".reserve"
    try:
        with open(path, "wb") as file:
            file.write(b"\0" * RESERVE_BYTES)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(f"{folder} has no room for a report: {error.strerror}. Free some space, then go on.") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _say_failures(profile, failed, waits, trouble):
    told = [run_id for run_id in failed if run_id not in waits]
    for run_id in told:
        print(f"  not done: {run_id}: {_why(profile, run_id)}", file=sys.stderr)
    for reason in dict.fromkeys(waits.get(run_id) for run_id in failed if run_id in waits):
        count = sum(waits.get(run_id) == reason for run_id in failed)
        print(f"  not done: {count} runs wait: {reason}", file=sys.stderr)
    if trouble:
        print(f"  Snakemake stopped: {trouble}", file=sys.stderr)


def _is_beaten(profile, run_id):
    """Whether a run has failed that was one of several to choose from, of which another is done."""
    tried = (runs.folder_of(profile.name, run_id) / "run.json").exists()
    return tried and any(runs.result_of(profile.name, other) is not None for other in profile.rivals(run_id))


def _why(profile, run_id):
    folder = runs.folder_of(profile.name, run_id)
    try:
        return runs.read_json(folder / "run.json").get("reason") or "It has no result."
    except (ValueError, OSError):
        return _needs(profile, run_id) or "It left no record: it was killed, or the disk is full."


def _why_not(profile, run_id, asked, waits):
    """Why a run has nothing to show, for its page; "" where that is not known before its folder is read."""
    return waits.get(run_id, _needs(profile, run_id) if run_id in asked else "It was not asked for.")


def _needs(profile, run_id):
    upstream = profile.runs[run_id].upstream(profile.runs)
    missing = [needed for needed in upstream if runs.result_of(profile.name, needed) is None]
    return f"It was not run, because it needs {missing[0]}." if missing else ""

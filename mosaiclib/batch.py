"""The batch: Snakemake runs what is not up to date, then the site is written from whatever there is."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from mosaiclib import runs
from mosaiclib.provenance import ROOT


def report(profile, source, cores=None, publish=None) -> bool:
    """Brings the report of a profile up to date; True where every run of it is done.

    source: the profile's name or file, as the Snakefile takes it. publish: also write pages without
    pictures that may not be passed on to this folder.
    """
    from mosaiclib.reporting import site

    folder = runs.reports_folder() / profile.name
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Another `mosaic report` is working on the profile {profile.name}: wait for it."
            ) from None
        cores = cores or os.cpu_count()
        minutes = sum(plan.about_s for plan in profile.runs.values()) / 60
        print(
            f"{profile.title}: {len(profile.runs)} runs, about {minutes:.0f} minutes on 2 cores if none is up to date."
        )
        for target in ("stages", "drawn"):
            _snakemake(source, cores, target)
        planned = [
            (*run_id.split("/"), plan.notebook, plan.description, f"mosaic run {run_id} --profile {source}")
            for run_id, plan in profile.runs.items()
        ]
        index = site.build_site(folder, profile.title, planned, description=profile.description)
        if publish:
            site.build_site(folder, profile.title, planned, description=profile.description, publish=Path(publish))
    failed = [run_id for run_id in profile.runs if runs.result_of(profile.name, run_id) is None]
    for run_id in failed:
        print(f"  not done: {run_id}: {_why(profile, run_id)}", file=sys.stderr)
    print(f"The report is {index}" + (f" ({len(failed)} of {len(profile.runs)} runs are not done)" if failed else ""))
    return not failed


def _snakemake(source, cores, target):
    command = [
        sys.executable, "-m", "snakemake", target, "--snakefile", str(ROOT / "Snakefile"), "--directory", str(ROOT),
        "--cores", str(cores), "--keep-going", "--rerun-incomplete", "--nolock", "--quiet", "all",
        "--rerun-triggers", "mtime", "params", "input", "--config", f"profile={source}",
    ]  # fmt: skip
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run(command, env=environment, check=False)


def _why(profile, run_id):
    try:
        record = runs.read_json(runs.folder_of(profile.name, run_id) / "run.json")
        return record.get("reason") or "it has no result"
    except (ValueError, OSError):
        needed = [run for run, _ in profile.runs[run_id].references().values()]
        missing = [run for run in needed if runs.result_of(profile.name, run) is None]
        if missing:
            return f"it was not run, because it needs {missing[0]}"
        return "it left no record: it was killed, or the disk is full"

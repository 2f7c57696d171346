"""Snakemake as a process: its command, its environment, and what it says through its logger plugin."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mosaicbook import runs
from mosaicbook.runs.provenance import ROOT
from mosaiclib.wording import shortened

PLUGIN = Path(__file__).with_name("plugin")


def rule_name(run_id) -> str:
    """The name of a run's rule: letters, digits and _, other for every run (a-b and a_b stay two)."""
    return "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in run_id)


class Events:
    """What Snakemake did: `run_ids` whose rules it has started or would start; its own `errors`, in order."""

    def __init__(self, path, run_ids):
        named = {rule_name(run_id): run_id for run_id in run_ids}
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        self.run_ids = {named[line["rule"]] for line in lines if line.get("rule") in named}
        self.errors = [line["error"] for line in lines if "error" in line]


def plan(profile, run_ids) -> set[str]:
    """Those of `run_ids` that Snakemake would run. Raises ValueError with its words where it cannot tell."""
    with _events() as path:
        command = _command(profile, run_ids, "everything", path, "--dry-run", "--quiet", "all", "--cores", "1")
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, errors="replace")
        events = Events(path, run_ids)
    if done.returncode:
        raise ValueError(f"Snakemake could not plan the batch: {_words(events, done.stdout + done.stderr)}")
    return events.run_ids


def run(profile, run_ids, target, cores, trainings, lock, hear) -> str:
    """Runs what is not up to date for a target of the Snakefile; returns what Snakemake says where it failed, or "".

    lock: an open file, held by Snakemake too: a killed batch leaves no second one beside running notebooks.
    hear: is called with every line that is printed.
    """
    with _events() as path:
        command = _command(profile, run_ids, target, path, "--keep-going", "--quiet", "all", "--cores",
                           str(cores), "--resources", f"training={trainings}")  # fmt: skip
        process = subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True, bufsize=1,
                                   stderr=subprocess.STDOUT, errors="replace", pass_fds=(lock.fileno(),),
                                   process_group=0)  # fmt: skip
        printed = []
        try:
            for line in process.stdout:
                printed.append(line)
                hear(line.rstrip("\n"))
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)  # it and its notebooks, once, however this was stopped
            process.wait()
            raise
        return _words(Events(path, run_ids), "".join(printed)) if process.wait() else ""


@contextmanager
def _events():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events")
        path.touch()
        yield path


def _command(profile, run_ids, target, events, *more):
    # Quoted as in an address, since Snakemake takes quotation marks away and reads the rest as YAML.
    config = {"profile": quote(profile.source), "settled": True, "planning": "--dry-run" in more}
    if list(profile.runs) != run_ids:
        config["runs"] = " ".join(run_ids)
    # What is up to date stands in run.json (`markers`): Snakemake keeps no book of its own.
    return [
        sys.executable, "-m", "snakemake", target, "--snakefile", str(ROOT / "Snakefile"),
        "--directory", str(runs.reports_folder() / profile.name), "--nolock", "--ignore-incomplete",
        "--drop-metadata", "--rerun-triggers", "mtime", "--logger", "mosaic", "--logger-mosaic-events", str(events),
        *more, "--config", *(f"{name}={json.dumps(value)}" for name, value in config.items()),
    ]  # fmt: skip


def _environment():
    """That of this process, with this Python's programs and the plugin, and when the batch was planned."""
    paths = {"PATH": Path(sys.executable).parent, "PYTHONPATH": PLUGIN}
    return (
        os.environ
        | {"MOSAIC_PLANNED": str(time.time())}
        | {name: os.pathsep.join(filter(None, (str(path), os.environ.get(name)))) for name, path in paths.items()}
    )


def _words(events, printed):
    lines = [line for line in printed.splitlines() if line.strip()]
    return shortened(" ".join(events.errors) or " ".join(lines[-4:]), 600)

"""One run is one folder: the executed notebook, `result.json` with its numbers, `run.json` with its story.

A run is made in a folder beside its place and renamed when it is whole, so that a reader never sees half
of one. `run.json` tells the truth also where papermill does not: after a killed kernel its notebook claims
that all cells completed.
"""

import json
import os
import resource
import shlex
import shutil
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import nbformat

from mosaiclib import parameters, provenance
from mosaiclib.provenance import ROOT


def reports_folder() -> Path:
    """Where reports are written: MOSAIC_REPORTS, or reports/ beside the notebooks."""
    return Path(os.environ.get("MOSAIC_REPORTS") or ROOT / "reports")


def write_json(path, data):
    """Writes JSON beside and renames; numbers that are not finite are refused."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


# === Inside a notebook ===


class Run:
    """What a notebook needs of its run: `folder` for its files, `scratch` for what outlives a killed run."""

    def __init__(self, stage, folder, scratch):
        self.stage, self.folder, self.scratch = stage, Path(folder), Path(scratch)
        self.folder.mkdir(parents=True, exist_ok=True)

    def finish(self, result):
        """Writes the numbers of this run, with units in their names, to result.json."""
        write_json(self.folder / "result.json", result)


def start(stage, namespace) -> Run:
    """Checks the parameters in a notebook's globals and opens its run.

    Started by `mosaic run`, the run's folder is given; by hand it is reports/by-hand/<stage>.
    Raises ValueError for an unknown or mistyped parameter.
    """
    parameters.from_namespace(namespace)
    by_hand = reports_folder() / "by-hand" / stage
    folder = os.environ.get("MOSAIC_RUN_FOLDER") or by_hand
    return Run(stage, folder, os.environ.get("MOSAIC_RUN_SCRATCH") or by_hand / "scratch")


# === Executing ===


class RunFailed(Exception):
    """A run that did not finish; its reason is one sentence."""


def folder_of(profile_name, run_id) -> Path:
    """The folder of a run: reports/<profile>/runs/<stage>/<row>."""
    return reports_folder() / profile_name / "runs" / run_id


def execute(profile, run_id) -> Path:
    """Runs one planned notebook and puts its folder in place, also when it failed.

    Raises RunFailed with the reason after run.json has been written.
    """
    if run_id not in profile.runs:
        raise ValueError(f"The profile {profile.name} has no run '{run_id}': choose one of {', '.join(profile.runs)}.")
    plan = profile.runs[run_id]
    final = folder_of(profile.name, run_id)
    final.parent.mkdir(parents=True, exist_ok=True)
    for left in final.parent.glob(f".{final.name}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)
    values = dict(plan.parameters)
    for name, (needed, path) in plan.references().items():
        values[name] = os.path.relpath(folder_of(profile.name, needed) / path, ROOT)
    stage, row = run_id.split("/")
    scratch = reports_folder() / profile.name / "scratch" / run_id
    partial = final.with_name(f".{final.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir()
    started, clock, reason = datetime.now(UTC), time.perf_counter(), None
    code = provenance.commit() | {
        "code_fingerprint": provenance.fingerprint([ROOT / plan.notebook, *plan.sources(stage)])
    }
    try:
        parameters.check(values, {name: kind for name, (kind, _) in parameters.declared(ROOT / plan.notebook).items()})
        with _stderr_to(partial / "kernel.log"):
            _run_notebook(plan.notebook, values, partial, scratch, _Echo(run_id))
    except Exception as error:
        reason = _reason(error)
    record = {
        "status": "failed" if reason else "done",
        "reason": reason,
        "stage": stage,
        "row": row,
        "profile": profile.name,
        "notebook": plan.notebook,
        "parameters": values,
        "started": started.isoformat(timespec="seconds"),
        "wall_s": round(time.perf_counter() - clock, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _RSS_UNITS_PER_MB),
        **code,  # as it was when the run began
        "data_fingerprint": None if reason else read_json(partial / "result.json").get("data_fingerprint"),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "command": shlex.join(
            ["papermill", plan.notebook, "out.ipynb", *(f for n, v in values.items() for f in ("-p", n, str(v)))]
        ),
    }
    try:
        if reason:
            (partial / "result.json").unlink(missing_ok=True)
        try:
            write_json(partial / "run.json", record)
        except OSError as error:  # a full disk: what the run has written makes room for its record
            reason = reason or _reason(error)
            shutil.rmtree(partial)
            partial.mkdir()
            write_json(partial / "run.json", record | {"status": "failed", "reason": reason})
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if reason:
        raise RunFailed(reason)
    shutil.rmtree(scratch, ignore_errors=True)
    return final


_RSS_UNITS_PER_MB = 2**20 if sys.platform == "darwin" else 2**10


@contextmanager
def _stderr_to(path):
    """What the kernel and native libraries say on stderr is kept with the run, and off the user's terminal."""
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(path, "wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


class _Echo:
    """Where papermill writes what cells print: to the terminal, line by line, behind the run's name."""

    def __init__(self, run_id):
        self.run_id = run_id

    def write(self, text):
        for line in text.splitlines():
            if line.strip():
                print(f"  {self.run_id}: {line}", flush=True)

    def flush(self):
        """Every line was flushed when it was written."""


def _run_notebook(notebook, values, folder, scratch, echo):
    import papermill

    environment = {"MOSAIC_RUN_FOLDER": str(folder), "MOSAIC_RUN_SCRATCH": str(scratch), "TF_CPP_MIN_LOG_LEVEL": "3"}
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    output = folder / "notebook.ipynb"
    try:
        papermill.execute_notebook(
            str(ROOT / notebook),
            str(output),
            values,
            kernel_name="python3",
            cwd=str(ROOT),
            progress_bar=False,
            stdout_file=echo,
            extra_arguments=["--IPKernelApp.log_level=40"],  # its start-up warnings are no news to a user
        )
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    cells = nbformat.read(output, as_version=4).cells
    if any(cell.cell_type == "code" and cell.source.strip() and not cell.execution_count for cell in cells):
        raise RunFailed("The notebook ended before all of its cells had run.")
    read_json(folder / "result.json")


def _reason(error):
    """Why a notebook failed, in one sentence."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, DeadKernelError):
        return "The kernel died while the notebook ran: it was killed, or memory ran out."
    if isinstance(error, PapermillExecutionError):
        message = " ".join(str(error.evalue).split())
        return message if error.ename in ("ValueError", "NotAvailable", "RunFailed") else f"{error.ename}: {message}"
    return f"{' '.join(str(error).split())}" or type(error).__name__


def read_json(path):
    """A JSON object from a file. Raises ValueError that names a file which is missing or none."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{Path(path).name} was not written.") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{path} is not valid JSON.") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} does not hold a JSON object.")
    return data


def result_of(profile_name, run_id):
    """The numbers of a finished run, or None where there is none."""
    folder = folder_of(profile_name, run_id)
    try:
        done = read_json(folder / "run.json").get("status") == "done"
        return read_json(folder / "result.json") if done else None
    except (ValueError, OSError):
        return None

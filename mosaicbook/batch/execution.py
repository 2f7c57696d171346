"""Executing a run: its notebook by papermill, in a folder that is put in place when it is whole.

papermill alone does not tell the truth: after a killed kernel its notebook claims that all cells completed.
"""

import hashlib
import os
import shlex
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import nbformat

from mosaicbook.batch import dependencies, gpus, progress
from mosaicbook.runs import parameters, provenance, run_folder
from mosaicbook.runs.masking import without_secrets
from mosaicbook.runs.provenance import ROOT
from mosaicbook.runs.run import RunFailed, discard, folder_of, read_json, reports_folder, result_of, write_json
from mosaiclib.data import fetch
from mosaiclib.files import plain
from mosaiclib.latency.host import machine

TRAINS = ("pretrain", "train", "heads")
SMALL_BYTES = 64 << 20  # a disk with less room may have been full a moment ago


def execute(profile, run_id) -> Path:
    """Runs one planned notebook and puts its folder in place, also when it failed.

    Raises RunFailed with the reason after run.json has been written.
    """
    if run_id not in profile.runs:
        raise ValueError(f"The profile {profile.name} has no run '{run_id}': choose one of {', '.join(profile.runs)}.")
    plan = profile.runs[run_id]
    final = folder_of(profile.name, run_id)
    with run_folder.held(final):
        run_folder.recover(final)
        return _execute(profile, run_id, plan, final)


def _execute(profile, run_id, plan, final):
    stage, row = run_id.split("/")
    partial = run_folder.new_folder(final)
    started, clock, reason, diverged = datetime.now(UTC), time.perf_counter(), None, False
    files = [ROOT / plan.notebook, *dependencies.sources(profile, run_id)]
    code = provenance.commit() | {"code_fingerprint": provenance.fingerprint(files)}
    values, defaults, scratch = dict(plan.parameters), {}, None
    try:
        values |= resolved(profile, plan)
        declared = parameters.declared(ROOT / plan.notebook)
        defaults = {name: default for name, (_, default) in declared.items()}
        parameters.check(values, {name: kind for name, (kind, _) in declared.items()})
        scratch = _scratch(profile.name, run_id, code["code_fingerprint"], values)
        own = gpus.own(reports_folder(), values.get("devices") == "all") if stage in TRAINS else nullcontext()
        with own, _stderr_to(partial / "kernel.log"):
            _run_notebook(plan.notebook, values, partial, scratch, _Echo(run_id))
    except Exception as error:
        reason, diverged = _reason(error), getattr(error, "ename", "") == "Diverged"
    for name in _TEXTS:
        _scrub(partial / name)
    record = {
        "status": "failed" if reason else "done",
        "reason": reason and without_secrets(reason),
        **({"diverged": True} if diverged else {}),  # it would again: it is no reason to try another time
        "stage": stage,
        "row": row,
        "profile": profile.name,
        "notebook": plan.notebook,
        "parameters": defaults | values,
        "started": started.isoformat(timespec="seconds"),
        "wall_s": round(time.perf_counter() - clock, 1),
        "peak_memory_mb": _peak_memory_mb(),
        **code,  # as it was when the run began
        "data_fingerprint": None if reason else read_json(partial / "result.json").get("data_fingerprint"),
        "versions": provenance.versions(),
        "machine": machine.machine(),
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
        if reason and profile.rivals(run_id):  # what chooses the best of several goes on without this one
            write_json(partial / "result.json", {"no_score": record["reason"]})
        run_folder.put_in_place(partial, final)
    finally:
        if not (partial / "run.json").is_file():  # a whole one waits for `recover`: it may hold what was finished
            shutil.rmtree(partial, ignore_errors=True)
    if reason:
        raise RunFailed(reason)
    shutil.rmtree(scratch.parent, ignore_errors=True)
    return final


def _peak_memory_mb():
    """The most memory that a notebook has had, in MB; None on Windows, which does not count it."""
    try:
        import resource
    except ImportError:
        return None
    return round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _RSS_UNITS_PER_MB)


def _scratch(profile_name, run_id, code_fingerprint, values):
    """What outlives a killed run: kept as long as neither code nor parameters nor pictures change, and no longer."""
    pictures = dependencies.own_pictures(values)
    key = hashlib.sha256(f"{code_fingerprint}{sorted(values.items())}{pictures}".encode()).hexdigest()[:12]
    scratch = reports_folder() / profile_name / "scratch" / run_id / key
    for other in scratch.parent.glob("*"):
        if other != scratch:
            discard(other)
    return scratch


def resolved(profile, plan):
    """{parameter: path} of the parameters that stand for other runs of the profile."""
    found = {}
    for name, (pattern, path) in plan.references().items():
        candidates = [run_id for run_id in profile.runs if fnmatchcase(run_id, pattern)]
        results = {run_id: result_of(profile.name, run_id) or {} for run_id in candidates}
        scores = {name: result.get("kept_val_miou", result.get("best_val_miou")) for name, result in results.items()}
        known = [run_id for run_id in candidates if scores[run_id] is not None]
        if len(candidates) > 1 and not known:
            raise RunFailed(f"None of the {len(candidates)} runs {pattern} has a score: {_why(profile, candidates[0])}")
        best = max(known, key=scores.get) if known else candidates[0]
        found[name] = os.path.relpath(folder_of(profile.name, best) / path, ROOT)
    return found


def _why(profile, run_id):
    try:
        return read_json(folder_of(profile.name, run_id) / "run.json").get("reason") or "they have not been run."
    except ValueError:
        return "they have not been run."


def _scrub(path):
    """Masks the secrets of this environment in a text file of a run, where a notebook has printed one."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        clean = without_secrets(text)
        if clean != text:
            path.write_text(clean, encoding="utf-8", errors="surrogateescape")
    except OSError:
        path.unlink(missing_ok=True)


_TEXTS = ("notebook.ipynb", "kernel.log", "result.json")
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
                progress.tell(f"  {self.run_id}: {line}")

    def flush(self):
        """Every line was flushed when it was written."""


def _run_notebook(notebook, values, folder, scratch, echo):
    import papermill

    environment = {
        "MOSAIC_RUN_FOLDER": str(folder),
        "MOSAIC_RUN_SCRATCH": str(scratch),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
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
            iopub_timeout=120,  # seconds; on a machine that other work fills, the usual 4 are too few
            extra_arguments=["--IPKernelApp.log_level=40"],  # a user need not see its start-up warnings
        )
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    cells = nbformat.read(output, as_version=4).cells
    if any(cell.cell_type == "code" and cell.source.strip() and not cell.execution_count for cell in cells):
        raise RunFailed("The notebook ended before all of its cells had run.")
    read_json(folder / "result.json")


def _reason(error):
    """Why a notebook failed, in a sentence. Where a disk is nearly full it may look like anything: one more says so."""
    reason = _what_happened(error)
    for folder in (reports_folder(), fetch.data_folder(), Path(tempfile.gettempdir())):
        with suppress(OSError):
            free = shutil.disk_usage(folder).free
            if free < SMALL_BYTES:
                return (
                    f"{reason.rstrip('.')}. {folder} has only {free / 2**20:.0f} MB left: "
                    "free some space, then run it again."
                )
    return reason


_SAY_ALL = ("ValueError", "Diverged", "OSError", "NotAvailable", "RunFailed")  # their texts are sentences


def _what_happened(error):
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, DeadKernelError):
        return "The kernel died while the notebook ran: it was killed, or memory ran out."
    if isinstance(error, PapermillExecutionError):
        message = " ".join(str(error.evalue).split())
        told = plain(message)
        return told if error.ename in _SAY_ALL or told != message else f"{error.ename}: {told}"
    return plain(error) or type(error).__name__

"""One notebook by papermill: its kernel's environment, what it prints, and why it failed, in a sentence.

papermill alone does not tell the truth: after a killed kernel its notebook claims that all cells completed.
"""

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat

from mosaicbook.batch import progress
from mosaicbook.runs.provenance import ROOT
from mosaicbook.runs.run import RunFailed, read_json, reports_folder
from mosaiclib.data import fetch
from mosaiclib.files import plain

SMALL_BYTES = 64 << 20  # a disk with less room may have been full a moment ago
_SAY_ALL = ("ValueError", "Diverged", "OSError", "NotAvailable", "RunFailed")  # their texts are sentences


def run_notebook(run_id, notebook, values, folder, scratch):
    """Executes a notebook with these parameters into `folder`/notebook.ipynb. Raises what ended it."""
    import papermill

    from mosaicbook.batch import own_kernel

    output = folder / "notebook.ipynb"
    given = {"MOSAIC_RUN_FOLDER": folder, "MOSAIC_RUN_SCRATCH": scratch, "TF_CPP_MIN_LOG_LEVEL": 3}
    with _environment(given), _stderr_to(folder / "kernel.log"):
        papermill.execute_notebook(
            _literally(ROOT / notebook),
            _literally(output),
            values,
            kernel_name=own_kernel.NAME,
            kernel_manager_class=own_kernel.OwnKernel,
            cwd=str(ROOT),
            progress_bar=False,
            stdout_file=_Echo(run_id),
            iopub_timeout=120,  # seconds; on a machine that other work fills, the usual 4 are too few
            extra_arguments=["--IPKernelApp.log_level=40"],  # a user need not see its start-up warnings
        )
    cells = nbformat.read(output, as_version=4).cells
    if any(cell.cell_type == "code" and cell.source.strip() and not cell.execution_count for cell in cells):
        raise RunFailed("The notebook ended before all of its cells had run.")
    read_json(folder / "result.json")


def _literally(path):
    """A path as papermill wants it, which takes braces for parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def reason(error) -> str:
    """Why a notebook failed, in a sentence. Where a disk is nearly full it may look like anything: one more says so."""
    sentence = _what_happened(error)
    for folder in (reports_folder(), fetch.data_folder(), Path(tempfile.gettempdir())):
        with suppress(OSError):
            free = shutil.disk_usage(folder).free
            if free < SMALL_BYTES:
                return (
                    f"{sentence.rstrip('.')}. {folder} has only {free / 2**20:.0f} MB left: "
                    "free some space, then run it again."
                )
    return sentence


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


@contextmanager
def _environment(given):
    before = {name: os.environ.get(name) for name in given}
    os.environ.update({name: str(value) for name, value in given.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


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

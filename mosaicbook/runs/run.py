"""One run is one folder: the executed notebook, `result.json` with its numbers, `run.json` with its story.

A run is made in a folder beside its place and renamed when it is whole, so that a reader never sees half
of one (see `execution`).
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

from pydantic import ValidationError

from mosaicbook.runs import parameters
from mosaicbook.runs.parameters import ranges
from mosaicbook.runs.provenance import ROOT
from mosaicbook.runs.results import FORMS
from mosaiclib.files import first_fault, from_environment, plain, replacing


def reports_folder() -> Path:
    """Where reports are written: MOSAIC_REPORTS, or reports/ beside the notebooks."""
    return from_environment("MOSAIC_REPORTS") or ROOT / "reports"


def write_json(path, data):
    """Writes JSON beside and renames; numbers that are not finite are refused. Raises OSError that names the file."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


# === Inside a notebook ===


class Run:
    """What a notebook needs of its run: `folder` for its files, `scratch` for what outlives a killed run.

    by_hand: whether nobody else removes the scratch once the run has finished.
    """

    def __init__(self, stage, folder, scratch, by_hand):
        self.stage, self.folder, self.scratch, self.by_hand = stage, Path(folder), Path(scratch), by_hand
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(plain(error)) from None
        if not os.access(self.folder, os.W_OK):  # known before the first step, not after the last
            raise OSError(f"{self.folder} may not be written: name another folder (MOSAIC_REPORTS).")

    def finish(self, result):
        """Writes the numbers of this run, with units in their names, to result.json.

        Raises ValueError where they are not of the form that readers of this stage expect (`results.FORMS`).
        """
        if self.stage in FORMS:
            try:
                FORMS[self.stage].model_validate(result)
            except ValidationError as error:
                raise ValueError(f"No result of the stage {self.stage}: {first_fault(error)}.") from None
        write_json(self.folder / "result.json", result)
        if self.by_hand:
            shutil.rmtree(self.scratch, ignore_errors=True)


_OPEN = []


def current() -> Run | None:
    """The run that this process has started last, or None."""
    return _OPEN[-1] if _OPEN else None


def start(stage, namespace) -> Run:
    """Checks the parameters in a notebook's globals and opens its run.

    Started by `mosaic run`, the run's folder is given; by hand it is reports/by-hand/<stage>, with a scratch folder
    for every choice of parameters. In the notebook's globals a path that begins with ~ is expanded and `data_root` is
    made absolute: a folder of the same name elsewhere is another data set. Raises ValueError for an unknown or mistyped
    parameter, and for one, or a value of the recipe that is named, that is out of range.
    """
    values = parameters.from_namespace(namespace, stage)
    for name, value in values.items():
        if isinstance(value, str) and value.startswith("~/"):
            namespace[name] = values[name] = os.path.expanduser(value)
    if values.get("data_root"):
        namespace["data_root"] = values["data_root"] = os.path.abspath(values["data_root"])
    if values.get("recipe"):
        ranges.check_recipe(values["recipe"])
    if "MOSAIC_RUN_FOLDER" in os.environ:
        _OPEN.append(Run(stage, os.environ["MOSAIC_RUN_FOLDER"], os.environ["MOSAIC_RUN_SCRATCH"], by_hand=False))
        return _OPEN[-1]
    folder = reports_folder() / "by-hand" / stage
    key = hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:12]
    _OPEN.append(Run(stage, folder, folder / "scratch" / key, by_hand=True))
    return _OPEN[-1]


# === Run folders ===


class RunFailed(Exception):
    """A run that did not finish; its reason is one sentence."""


def folder_of(profile_name, run_id) -> Path:
    """The folder of a run: reports/<profile>/runs/<stage>/<row>."""
    return reports_folder() / profile_name / "runs" / run_id


def discard(path):
    """Removes a file, a link or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_json(path):
    """A JSON object from a file. Raises ValueError that names a file which is missing or none."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{Path(path).name} is missing.") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is not valid JSON.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
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


def at_own_size(evaluation) -> bool:
    """Whether the network saw images at their own size, as in the paper: other results compare with none of its."""
    return evaluation.get("input_scale", 1) == 1


def finished(profile_name, stage) -> dict:
    """{run id: its numbers} of the finished runs of a stage in a profile, by name."""
    found = {}
    for folder in sorted(folder_of(profile_name, stage).glob("[!.]*")):
        result = result_of(profile_name, f"{stage}/{folder.name}")
        if result is not None:
            found[f"{stage}/{folder.name}"] = result
    return found

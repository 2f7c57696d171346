"""Run folders as a report sees them: read with suspicion, and a hole with a reason where one cannot be read."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from mosaiclib.reporting.links import page_name
from mosaiclib.reporting.measured import Table


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Epoch(_Result):
    """One line of a learning curve."""

    epoch: int
    loss: float | None = None
    val_miou: float | None = None


class Training(_Result):
    """result.json of the stage train, as far as the index shows it."""

    model: str
    dataset: str
    synthetic: bool
    seed: int | None = None
    best_val_miou: float | None = None
    kept_val_miou: float | None = None
    history: list[Epoch]

    @property
    def val_miou(self):
        """That of the network which the training left: its best epoch's, or its last one's."""
        return self.best_val_miou if self.kept_val_miou is None else self.kept_val_miou


class Evaluation(_Result):
    """result.json of the stage evaluate."""

    model: str
    dataset: str
    synthetic: bool
    split: str
    rule: str
    n_images: int
    input_scale: float = 1.0
    miou: float
    pixel_accuracy: float | None = None
    per_class_iou: dict[str, float | None]


class ExportedFile(_Result):
    """One exported file; agreement is the share of pixels with the float network's class."""

    precision: str
    file: str
    size_mb: float | None = None
    pixel_agreement: float | None = None


class Export(_Result):
    """result.json of the stage export."""

    model: str
    files: list[ExportedFile]


class Measurement(_Result):
    """One timing, in milliseconds."""

    model: str = ""
    file: str = ""
    runtime: str = ""
    version: str | None = None
    kernels: str | int | bool | None = None
    threads: int | None = None
    verdict: str | None = None
    n: int | None = None
    mean_ms: float | None = None
    median_ms: float | None = None
    p90_ms: float | None = None
    std_ms: float | None = None
    peak_memory_mb: float | None = None


class Latency(_Result):
    """result.json of the stage latency."""

    measurements: list[Measurement]


class Shown(_Result):
    """A picture of the first page: file names within the run's folder.

    label_map: the prediction alone, shown in a published report where the photograph may not be.
    """

    title: str
    credit: str = ""
    photo: str
    overlay: str
    label_map: str | None = None
    shareable: bool = False


class LegendEntry(_Result):
    """A class and its colour, 0 to 255."""

    name: str
    rgb: tuple[int, int, int]


class Pictures(_Result):
    """result.json of the stage pictures. skipped: why there is none, or null."""

    skipped: str | bool | None = None
    model: str | None = None
    images: list[Shown] = []
    legend: list[LegendEntry] = []


FORMS = {
    "train": Training,
    "evaluate": Evaluation,
    "export": Export,
    "latency": Latency,
    "pictures": Pictures,
    "tables": Table,
}


class Planned(NamedTuple):
    """A run of a profile. why_not: why it is not made now, where it is not; asked: whether it should be."""

    stage: str
    row: str
    notebook: str
    description: str
    command: str
    why_not: str = ""
    asked: bool = True


@dataclass(frozen=True)
class RunRecord:
    """One run, planned or found.

    status: "done", "failed" (it says so itself), "unreadable" (garbage in its folder), "missing".
    reason: one sentence where the status is not "done". record, raw: run.json and result.json as they are.
    result: result.json in the form of its stage, or None.
    """

    run_id: str
    folder: Path
    status: str
    reason: str = ""
    record: dict = field(default_factory=dict)
    raw: dict | None = None
    result: object = None
    description: str = ""
    command: str = ""
    planned: bool = True

    @property
    def stage(self):
        return self.run_id.split("/")[0]

    @property
    def page(self):
        """The file name of its page; every run that has a folder has one."""
        return page_name(self.run_id)

    @property
    def done(self):
        return self.status == "done"


def read_run(folder, run_id=None, description="", command="", planned=True, why_not="") -> RunRecord:
    """One run folder. Never raises for what is in it: what cannot be read becomes the reason."""
    folder = Path(folder)
    known = {
        "run_id": run_id or f"{folder.parent.name}/{folder.name}",
        "folder": folder,
        "description": description,
        "planned": planned,
    }
    if folder.exists() and not folder.is_dir():
        return RunRecord(
            **known, status="unreadable", reason="A file lies where its folder should be.", command=command
        )
    if not folder.is_dir() or not any(folder.iterdir()):  # Snakemake makes a run's folder before the run
        return RunRecord(**known, status="missing", reason=why_not or "It has not been run.", command=command)
    record, raw, result = {}, None, None
    try:
        record = read_json(folder / "run.json")
        status = record.get("status")
        if status not in ("done", "failed"):
            raise ValueError(f"run.json gives the status {str(status)[:40]!r}: neither done nor failed.")
        reason = "" if status == "done" else str(record.get("reason") or "It gives no reason.")
        if status == "done":
            raw = read_json(folder / "result.json")
            form = FORMS.get(known["run_id"].split("/")[0])
            if form:
                result = form.model_validate(raw)
            if not (folder / "notebook.ipynb").is_file():
                raise ValueError("notebook.ipynb is missing.")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        status, reason = "unreadable", f"result.json: {place + ': ' if place else ''}{first['msg']}."
    except ValueError as error:
        status, reason = "unreadable", str(error)
    command = command or str(record.get("command") or "")
    return RunRecord(**known, status=status, reason=reason, record=record, raw=raw, result=result, command=command)


def read_json(path) -> dict:
    """A JSON object from a file. Raises ValueError that names the file, not its folder."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path.name} is missing.") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{path.name} is not valid JSON.") from None
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}.") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path.name} does not hold a JSON object.")
    return data


def read_runs(profile_folder, planned) -> list[RunRecord]:
    """The planned runs in their order, then those that lie there and are no longer planned.

    planned: a `Planned`, or its first five fields, per run.
    """
    runs = Path(profile_folder) / "runs"
    found = {}
    for plan in (Planned(*fields) for fields in planned):
        run_id = f"{plan.stage}/{plan.row}"
        folder = runs / plan.stage / plan.row
        found[run_id] = read_run(folder, run_id, plan.description, plan.command, plan.asked, plan.why_not)
    for folder in sorted(runs.glob("*/*")):
        run_id = f"{folder.parent.name}/{folder.name}"
        hidden = folder.name.startswith(".") or folder.parent.name.startswith(".")
        if run_id not in found and folder.is_dir() and not hidden:
            found[run_id] = read_run(folder, run_id, "No longer in the profile.", planned=False)
    return list(found.values())

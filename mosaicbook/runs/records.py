"""Run folders as a report sees them: read with suspicion, and a hole with a reason where one cannot be read."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from mosaicbook.runs import inventory
from mosaicbook.runs.results import FORMS
from mosaicbook.runs.run import read_json
from mosaiclib.files import first_fault
from mosaiclib.wording import shortened

_TAKEN = ("index", "numbers", "runs", "about")  # pages of a report that are of no run


def page_name(run_id) -> str:
    """The page of a run "stage/row": `stage-row.html`, or `claims.html` of claims/claims.

    Other characters than letters, digits, ".", "_" and "-" become "-", and a hash tells names apart.
    """
    stage, _, row = run_id.partition("/")
    plain = row if stage == row else run_id.replace("/", "-")
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-") or "run"
    if safe != plain or len(safe) > 100 or safe.lower() in _TAKEN:
        safe = f"{safe[:90]}-{hashlib.sha256(run_id.encode()).hexdigest()[:6]}"
    return f"{safe}.html"


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
            raise ValueError(f"run.json gives the status {shortened(status, 40)!r}: neither done nor failed.")
        reason = "" if status == "done" else str(record.get("reason") or "It gives no reason.")
        if status == "done":
            raw = read_json(folder / "result.json")
            form = FORMS.get(known["run_id"].split("/")[0])
            if form:
                result = form.model_validate(raw)
            if not (folder / "notebook.ipynb").is_file():
                raise ValueError("notebook.ipynb is missing.")
            if fault := inventory.fault(folder, record):
                raise ValueError(fault)
    except ValidationError as error:
        status, reason = "unreadable", f"result.json: {first_fault(error)}."
    except ValueError as error:
        status, reason = "unreadable", str(error).removeprefix(f"{folder}/")
    command = command or str(record.get("command") or "")
    return RunRecord(**known, status=status, reason=reason, record=record, raw=raw, result=result, command=command)


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

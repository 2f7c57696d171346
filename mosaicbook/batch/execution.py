"""Executing a run: its notebook, in a folder that is put in place when it is whole and has its record."""

import hashlib
import os
import shlex
import shutil
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from mosaicbook.batch import dependencies, gpus, markers, profiles
from mosaicbook.batch.notebook import reason, run_notebook
from mosaicbook.runs import inventory, parameters, provenance, run_folder
from mosaicbook.runs.masking import without_secrets
from mosaicbook.runs.provenance import ROOT
from mosaicbook.runs.run import RunFailed, discard, folder_of, read_json, reports_folder, result_of, write_json
from mosaiclib.latency.host import machine

TRAINS = ("pretrain", "train", "heads", "labels")
_TEXTS = ("notebook.ipynb", "kernel.log", "result.json")
_RSS_UNITS_PER_MB = 2**20 if sys.platform == "darwin" else 2**10


def execute(profile, run_id) -> Path:
    """Runs one planned notebook and puts its folder in place, also when it failed.

    Raises RunFailed with the reason after run.json has been written.
    """
    if run_id not in profile.runs:
        raise ValueError(f"The profile {profile.name} has no run '{run_id}': choose one of {', '.join(profile.runs)}.")
    profiles.claim(profile)
    final = folder_of(profile.name, run_id)
    with run_folder.held(final):
        run_folder.recover(final)
        if markers.done_since_planned(profile, run_id):
            markers.mark(profile, run_id, read_json(final / "run.json"))
            return final
        partial = run_folder.new_folder(final)
        try:
            record = _attempt(profile, run_id, partial)
            record = _write_record(partial, record)
            run_folder.put_in_place(partial, final)
        finally:
            if not (partial / "run.json").is_file():  # a whole one waits for `recover`: it may hold what was finished
                shutil.rmtree(partial, ignore_errors=True)
        markers.mark(profile, run_id, record)
    if record["reason"]:
        raise RunFailed(record["reason"])
    # Only now, since whatever is killed before this goes on from here; `markers.settle` removes what a kill has left.
    shutil.rmtree(_scratch_folder(profile, run_id) / record["scratch"], ignore_errors=True)
    return final


def _attempt(profile, run_id, folder) -> dict:
    """Runs the notebook in `folder`; returns its record, with a `reason` where it failed."""
    plan, (stage, row) = profile.runs[run_id], run_id.split("/")
    started, clock, error = datetime.now(UTC), time.perf_counter(), None
    code = _code(profile, run_id)
    values, defaults, key = dict(plan.parameters), {}, None
    try:
        values |= resolved(profile, plan)
        defaults = _checked(plan, values, stage)
        key = _scratch(profile, run_id, code["code_fingerprint"], values)
        alone = gpus.own(reports_folder(), values.get("devices") == "all") if stage in TRAINS else nullcontext()
        with alone:
            run_notebook(run_id, plan.notebook, values, folder, _scratch_folder(profile, run_id) / key)
    except Exception as raised:
        error = raised
    for name in _TEXTS:
        _scrub(folder / name)
    return {
        "status": "failed" if error else "done",
        "reason": without_secrets(reason(error)) if error else None,
        # It would diverge again: it is no reason to try another time.
        **({"diverged": True} if getattr(error, "ename", "") == "Diverged" else {}),
        "stage": stage,
        "row": row,
        "profile": profile.name,
        "notebook": plan.notebook,
        "parameters": defaults | values,
        "started": started.isoformat(timespec="seconds"),
        "wall_s": round(time.perf_counter() - clock, 1),
        "peak_memory_mb": _peak_memory_mb(),
        **code,  # as it was when the run began
        "scratch": key,
        "data_fingerprint": None if error else read_json(folder / "result.json").get("data_fingerprint"),
        "versions": provenance.versions(),
        "machine": machine.machine(),
        "command": _command(plan, values),
    }


def _code(profile, run_id):
    """The commit, and the two fingerprints of what a run depends on."""
    files = [ROOT / profile.runs[run_id].notebook, *dependencies.sources(profile, run_id)]
    fingerprints = {"code_fingerprint": provenance.fingerprint(files), "depends_on": markers.identity(profile, run_id)}
    return provenance.commit() | fingerprints


def _checked(plan, values, stage):
    """The notebook's defaults. Raises ValueError where one of the values is none of its parameters."""
    declared = parameters.declared(ROOT / plan.notebook)
    parameters.check(values, declared, stage)
    return {name: default for name, (_, default) in declared.items()}


def _command(plan, values):
    given = (word for name, value in values.items() for word in ("-p", name, str(value)))
    return shlex.join(["papermill", plan.notebook, "out.ipynb", *given])


def _write_record(folder, record) -> dict:
    """Writes run.json, which makes the folder whole; on a full disk what the run has written makes room for it."""
    try:
        if record["reason"]:
            (folder / "result.json").unlink(missing_ok=True)
        written = record | {"files": {} if record["reason"] else inventory.of(folder)}
        write_json(folder / "run.json", written)
    except OSError as error:
        written = record | {"status": "failed", "reason": record["reason"] or reason(error), "files": {}}
        shutil.rmtree(folder)
        folder.mkdir()
        write_json(folder / "run.json", written)
    return written


def _peak_memory_mb():
    """The most memory that a notebook has had, in MB; None on Windows, which does not count it."""
    try:
        import resource
    except ImportError:
        return None
    return round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _RSS_UNITS_PER_MB)


def _scratch(profile, run_id, code_fingerprint, values) -> str:
    """The name of a run's scratch folder, which outlives a killed run.

    It is kept as long as neither code nor parameters nor images change, and no longer: others are removed.
    """
    pictures = dependencies.own_pictures(values)
    key = hashlib.sha256(f"{code_fingerprint}{sorted(values.items())}{pictures}".encode()).hexdigest()[:12]
    for other in _scratch_folder(profile, run_id).glob("*"):
        if other.name != key:
            discard(other)
    return key


def _scratch_folder(profile, run_id):
    return reports_folder() / profile.name / "scratch" / run_id


def resolved(profile, plan):
    """{parameter: path} of the parameters that stand for other runs of the profile; for many, a pattern of paths."""
    found = {}
    for name, (pattern, path) in plan.references().items():
        used = [run_id for run_id in profile.runs if fnmatchcase(run_id, pattern)]
        if plan.parameters[name].startswith("best:"):
            pattern = _best(profile, used, pattern)
            used = [pattern]
        for run_id in used:
            if fault := inventory.fault(folder_of(profile.name, run_id)):
                raise RunFailed(f"The run {run_id} is not whole: {fault} `mosaic report` makes it again.")
        found[name] = os.path.relpath(folder_of(profile.name, pattern) / path, ROOT)
    return found


def _best(profile, candidates, pattern):
    """The run with the highest mIoU on the val split; the only one without it, too."""
    results = {run_id: result_of(profile.name, run_id) or {} for run_id in candidates}
    scores = {name: result.get("kept_val_miou", result.get("best_val_miou")) for name, result in results.items()}
    known = [run_id for run_id in candidates if scores[run_id] is not None]
    if len(candidates) > 1 and not known:
        raise RunFailed(f"None of the {len(candidates)} runs {pattern} has a score: {_why(profile, candidates[0])}")
    return max(known, key=scores.get) if known else candidates[0]


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

"""What runs there are, and in what two of them differ."""

from pathlib import Path

from mosaicbook import runs
from mosaiclib.evaluation.iou import over_classes

ABOUT = ("notebook", "parameters", "commit", "dirty", "code_fingerprint", "data_fingerprint", "versions", "machine",
         "wall_s", "peak_memory_mb")  # fmt: skip


def listed(profile) -> list[dict]:
    """The planned runs of a profile with status, reason, wall time, commit, and their first number, if any."""
    rows = []
    for run_id in profile.runs:
        record, number = {}, None
        try:
            record = runs.read_json(runs.folder_of(profile.name, run_id) / "run.json")
            number = _first_number(runs.result_of(profile.name, run_id) or {})
        except (ValueError, OSError) as error:
            missing = not runs.folder_of(profile.name, run_id).exists()
            record = {"status": "not run"} if missing else {"status": "unreadable", "reason": str(error)}
        keys = ("status", "reason", "wall_s", "started", "commit", "dirty", "code_fingerprint", "data_fingerprint")
        rows.append({"run": run_id, **{key: record.get(key) for key in keys}, "number": number})
    return rows


def differences(a, b) -> list[dict]:
    """[{"field", "a", "b", "change"}] of all in which two runs differ, but for when they ran.

    a, b: "profile/stage/row", or a run's folder. Fields of results are called "result.<name>"; change is b - a of
    two numbers, or None. Raises ValueError where one is not a run.
    """
    sides = [_flat(_read(name)) for name in (a, b)]
    found = []
    for field in dict.fromkeys([*sides[0], *sides[1]]):
        left, right = (side.get(field) for side in sides)
        if left != right or type(left) is not type(right):
            numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (left, right))
            found.append({"field": field, "a": left, "b": right, "change": right - left if numbers else None})
    return found


def folder_of(name) -> Path:
    """The folder of a run, "profile/stage/row" or the folder itself. Raises ValueError where there is no run."""
    folder = Path(name)
    if not (folder / "run.json").is_file():
        profile, stage, row = f"//{name}".rsplit("/", 2)  # a profile has slashes of its own: published/camvid
        folder = runs.folder_of(profile.lstrip("/"), f"{stage}/{row}")
    if not (folder / "run.json").is_file():
        raise ValueError(f"There is no run '{name}': write profile/stage/row (`mosaic runs` lists them), or a folder.")
    return folder


def _read(name):
    folder = folder_of(name)
    record = runs.read_json(folder / "run.json")
    about = {key: record.get(key) for key in ("status", "reason", *ABOUT)}
    done = record.get("status") == "done"
    return about | ({"result": runs.read_json(folder / "result.json")} if done else {})


def _flat(value, name=""):
    """{"a.b.0": leaf} of nested JSON data."""
    if not isinstance(value, (dict, list)) or not value:
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: leaf for key, part in items for k, leaf in _flat(part, f"{name}.{key}" if name else str(key)).items()}


def _first_number(result):
    for name in ("miou", "kept_val_miou", "best_val_miou"):
        if isinstance(result.get(name), float):
            by_class = result.get("per_class_iou")
            over = over_classes(result.get("rule"), list(by_class.values())) if isinstance(by_class, dict) else ""
            return f"{name} {100 * result[name]:.2f} %{over}"
    return None

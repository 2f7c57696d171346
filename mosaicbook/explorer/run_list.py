"""What runs have found, as the panel "Compare" lists it: read from reports/, never from a notebook's output."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import mean

from mosaicbook import paper, runs
from mosaicbook.paper import latency_columns
from mosaicbook.runs import evaluations
from mosaicbook.runs.records import RunRecord, read_runs
from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.models.spec import MosaicHead

STAGES = ("train", "evaluate", "heads", "export", "latency", "pictures", "data")
SCORED = ("evaluate", "heads")
PAPER = {"cityscapes": (2, 3, 4, 5, 6), "ade20k_top31": (7, 8)}
TITLES = {"cityscapes": "Cityscapes", "ade20k_top31": "ADE20K-Top31"}
AXES = {"madds": "MAdds, billions", "latency": "CPU latency, ms"}


@dataclass(frozen=True)
class Row:
    """One run: key is "profile/stage/row". madds_b, latency_ms: None where not known."""

    key: str
    profile: str
    record: RunRecord
    miou_percent: float | None = None
    madds_b: float | None = None
    latency_ms: float | None = None

    @property
    def data(self) -> str:
        """The data set and split, and whether it is synthetic."""
        raw = {**raw_scores(self.record)[0], **(self.record.raw or {})}
        name = " ".join(str(raw[part]) for part in ("dataset", "split") if raw.get(part))
        return f"{name} (synthetic)" if raw.get("synthetic") and name else name


def profiles() -> list[str]:
    """The profiles with runs under reports/, published ones too, in the order of their names."""
    folder = runs.reports_folder()
    found = {path.parent.relative_to(folder) for path in (*folder.glob("*/runs"), *folder.glob("published/*/runs"))}
    return sorted(map(str, found))


def rows(profile) -> list[Row]:
    """The runs of a profile that have numbers or failed, by stage."""
    timed = latency_columns.fastest(profile)
    records = [r for r in read_runs(runs.reports_folder() / profile, []) if r.stage in STAGES]
    records.sort(key=lambda record: (STAGES.index(record.stage), record.run_id))
    return [_row(profile, record, timed) for record in records]


def _row(profile, record, timed):
    raw, miou, madds = record.raw or {}, None, None
    result, scored = record.result, scores(record)
    if scored:
        miou = 100 * mean(score.miou for score in scored)
        first = raw_scores(record)[0]
        madds = madds_b(_spec(first), first.get("image_size"), len(scored[0].per_class_iou))
    elif record.stage == "train" and result and result.val_miou is not None:
        miou = 100 * result.val_miou
    latency = timed.get(raw.get("model")) if scored else None
    return Row(f"{profile}/{record.run_id}", profile, record, miou, madds, latency and latency[1]["mean_ms"])


def scores(record) -> list:
    """The `results.Evaluation`s of a run, one per seed; [] of one that evaluated nothing, or only chose a rate."""
    if record.result is None or record.stage not in SCORED or evaluations.choosing(raw_scores(record)):
        return []
    return getattr(record.result, "evaluations", [record.result])


def raw_scores(record) -> list[dict]:
    """The same as they stand in result.json, with what the form does not name."""
    return (record.raw or {}).get("evaluations") or [record.raw or {}]


def _spec(evaluation):
    """The network's spec: as the result keeps it, else by its name in the catalogue; None where neither is known."""
    try:
        return evaluations.spec_of(evaluation)
    except (ValueError, KeyError, TypeError):
        return None


def madds_b(spec, image_size, classes):
    """The MAdds of a network in billions; None where its spec or the size is not known, or where it cannot be built."""
    try:
        return _madds(spec, tuple(image_size), classes) if spec and image_size else None
    except (ValueError, TypeError):
        return None


@lru_cache(maxsize=256)
def _madds(spec, image_size, classes):
    return models.cost(spec, image_size, classes).tflite_madds / 1e9


def points(found, axis, dataset) -> list[dict]:
    """The points of the scatter: the paper's rows for a data set, and every evaluation found that has both numbers.

    axis: "madds" or "latency" (the paper's are those of a Pixel 4's CPU, ours of this machine's).
    """
    of_paper = {}
    for record in (record for table in PAPER[dataset] for record in paper.records(table)):
        x = record.madds_b if axis == "madds" else record.latency_ms["cpu"]
        if x is not None:
            mosaic = isinstance(catalogue.get(record.spec).head, MosaicHead)
            place = {"x": x, "miou_percent": record.miou_percent, "kind": "mosaic" if mosaic else "other"}
            where = f"{TITLES[record.dataset]}, Table {record.table}, row {record.row} of the paper"
            of_paper[(record.spec, x, record.miou_percent)] = place | {"label": f"{record.spec}: {where}", "pick": ""}
    ours = [
        {"x": x, "miou_percent": row.miou_percent, "kind": "ours", "label": f"{row.record.raw['model']} on {row.data}",
         "pick": row.key}
        for row in found
        if row.record.stage in SCORED and row.miou_percent is not None
        and (x := row.madds_b if axis == "madds" else row.latency_ms) is not None
    ]  # fmt: skip
    return [*of_paper.values(), *ours]


def inside(folder, name) -> Path | None:
    """A file that a result names, where it lies in the run's own folder and is there."""
    path = (Path(folder) / str(name)).resolve()
    return path if path.is_relative_to(Path(folder).resolve()) and path.is_file() else None

"""What the result of a run depends on: files of this library, and the networks that it builds.

A change elsewhere (a page's looks, a command, another head) reruns nothing.
"""

import hashlib
import re
from functools import cache
from pathlib import Path

from mosaiclib import paper, specs
from mosaiclib.provenance import ROOT

_LIBRARY = ROOT / "mosaiclib"
_MODELS = _LIBRARY / "models"
_NETWORK_STAGES = ("pictures", "pretrain", "train", "evaluate", "export", "tables", "figures")
_NETWORK_PAGES = ("beyond/cost_by_stage", "beyond/edges")
_NAMES = frozenset(specs.names())
_TABLES = tuple(
    f"reporting/{name}.py" for name in ("measured", "paper_table", "backbone_table", "latency_columns", "claims")
)
_DRAWING = (
    "paper_table",
    "latency_columns",
    "trade_offs",
    "claims",
    "plots",
    "graphs",
    "placing",
    "drawings",
    "funnels",
)

_BEYOND = ("data/datasets.py", "data/images.py", "data/pipeline.py", "evaluation.py", "boundary.py", "ablation.py")
_BEYOND_PAGES = ("class_browser", "edges", "extremes", "quantised", "stage_costs", "study", "plots")
_PICTURES = tuple(f"data/{name}.py" for name in ("augment", "classes", "images", "palettes", "pipeline"))
_TRAINING = tuple(
    f"{name}.py"
    for name in (
        "training", "distribution", "recipes", "optimization", "batch_norms", "checkpoints", "losses", "evaluation",
    )
)  # fmt: skip

# Beside the networks: what else of the library each stage computes with.
CODE = {
    "data": ("data/**/*.py",),
    "pictures": ("models/pretrained/*.py", *_PICTURES, "pictures.py", "tflite.py"),
    "pretrain": ("data/**/*.py", *_TRAINING, "pretraining.py", "models/classifier.py"),
    "train": ("data/**/*.py", *_TRAINING),
    "evaluate": ("data/**/*.py", "evaluation.py", "boundary.py", "tflite.py"),
    "export": ("data/**/*.py", "export/*.py", "evaluation.py", "pictures.py", "tflite.py"),
    "latency": ("latency/*.py", "export/*.py"),
    "tables": ("paper.py", "paper/*.csv", "madds.py", *_TABLES),
    "figures": ("paper.py", "paper/*.csv", *(f"reporting/{name}.py" for name in _DRAWING)),
    "explore": ("explore/*", "paper.py", "paper/*.csv", "specs.py", "models/**/*.py", "pictures.py", "latency/host.py"),
    "beyond": (*_BEYOND, "paper.py", "paper/*.csv", *(f"reporting/{name}.py" for name in _BEYOND_PAGES)),
}
_DATA_SETS = {
    "minicity": ("minicity_files.py", "minicity/*.py"),
    "camvid": ("camvid.py",),
    "cityscapes": ("cityscapes.py",),
    "ade20k": ("ade20k.py",),
    "folder": ("folder.py",),
}
# Pages are drawn last, from the finished runs of these stages.
DRAWN_FROM = {
    "tables": ("evaluate", "latency"),
    "figures": ("evaluate", "export", "latency"),
    "explore": ("train", "evaluate", "export", "latency"),
    "beyond": ("evaluate", "export", "latency"),
}


def networks_of(profile, run_id) -> tuple[str, ...]:
    """The networks that a run builds, by name; () where it may be any."""
    stage, row = run_id.split("/")
    plan = profile.runs[run_id]
    if stage == "pictures":
        return specs.RELEASED
    if stage == "tables" and re.fullmatch(r"table_[2-8]", row):
        records, added = paper.records(int(row[-1])), specs.YOURS.get(int(row[-1]), ())
        names = [name for record in records for name in (record.spec, record.madds_spec)]
        return tuple(dict.fromkeys([*names, *(spec.name for spec in added)]))
    if run_id == "beyond/cost_by_stage":
        tables = map(int, plan.all_parameters["tables"].split())
        return tuple(dict.fromkeys(record.spec for table in tables for record in paper.records(table)))
    if run_id == "beyond/edges":
        evaluated = [networks_of(profile, other) for other in profile.runs if other.startswith("evaluate/")]
        return tuple(dict.fromkeys(name for names in evaluated for name in names))
    if timed := _timed_networks(plan, stage):
        return () if timed == "all" else tuple(timed.split())
    named = [value for value in plan.all_parameters.values() if value in _NAMES]
    if named:
        return tuple(named)
    upstream = [networks_of(profile, needed) for needed in plan.upstream(profile.runs)]
    return tuple(dict.fromkeys(name for names in upstream for name in names))


def sources(profile, run_id) -> list:
    """The files of the library that a run's result depends on, sorted."""
    stage = run_id.split("/")[0]
    found = {path for pattern in CODE[stage] for path in _LIBRARY.glob(pattern)}
    found -= _other_data_sets(profile.runs[run_id].all_parameters.get("dataset"))
    recipe = ROOT / "recipes" / f"{profile.runs[run_id].all_parameters.get('recipe')}.yaml"
    found |= {recipe} if recipe.is_file() else set()
    if _builds(run_id) or _timed_networks(profile.runs[run_id], stage):
        found |= {_MODELS / name for name in ("__init__.py", "build.py", "weights.py", "blocks.py", "batch_norm.py")}
        found |= _network_files(run_id, networks_of(profile, run_id))
    if stage in ("tables", "figures") or run_id == "beyond/cost_by_stage":
        found.add(_MODELS / "cost.py")
    if stage == "tables":
        row = run_id.split("/")[1]
        found -= {path for path in found if path.suffix == ".csv" and path.stem != row}
    return sorted(found)


def settings(profile, run_id) -> str:
    """What else than code a run's result depends on: its parameters, the specs of its networks, your own pictures."""
    names = networks_of(profile, run_id) if _builds(run_id) else ()
    pictures = own_pictures(profile.runs[run_id].all_parameters)
    parts = [sorted(profile.runs[run_id].parameters.items()), [specs.get(name).to_json() for name in names]]
    return str([*parts, pictures] if pictures else parts)


def own_pictures(values) -> str:
    """A text that changes with the files of the data set `folder`, where a run's parameters name one; else "".

    A picture that is added or relabelled reruns what has seen it. The published data sets do not change.
    """
    return _state_of(ROOT / Path(values["data_root"]).expanduser()) if values.get("dataset") == "folder" else ""


@cache
def _state_of(root):
    found = [root / "classes.yaml", *(path for part in ("images", "labels") for path in (root / part).rglob("*"))]
    stats = [(str(path), path.stat()) for path in sorted(found) if path.is_file()]
    return hashlib.sha256(str([(name, s.st_size, s.st_mtime_ns) for name, s in stats]).encode()).hexdigest()


def _builds(run_id):
    return run_id.split("/")[0] in _NETWORK_STAGES or run_id in _NETWORK_PAGES


def _timed_networks(plan, stage):
    """The networks that a latency run builds besides the files it is given, as one text."""
    return plan.all_parameters.get("networks", "") if stage == "latency" else ""


def drawn_from(profile, run_id) -> list[str]:
    """The runs of a profile that a page is drawn from, where they are finished."""
    stage = run_id.split("/")[0]
    if "profile" not in profile.runs[run_id].all_parameters:
        return []
    return [other for other in profile.runs if other.split("/")[0] in DRAWN_FROM.get(stage, ())]


def _other_data_sets(dataset):
    """The files that read data sets other than the one of this name; none where no data set is named."""
    if dataset is None:
        return set()
    kinds = [kind for kind in _DATA_SETS if not dataset.startswith(kind)]
    return {path for kind in kinds for pattern in _DATA_SETS[kind] for path in _LIBRARY.glob(f"data/{pattern}")}


def _network_files(run_id, names):
    if run_id == "tables/table_1":  # the backbone alone
        return _closure(_MODELS / "backbones" / "mnmh.py")
    return set().union(*(_modules(specs.get(name)) for name in names)) if names else set(_MODELS.rglob("*.py"))


def _modules(spec):
    """The files of a network's parts, and those that they import."""
    if spec.backbone is None:
        return _closure(_MODELS / "segmenters" / f"{spec.head.kind}.py")
    parts = [path for path in (_MODELS / "backbones").glob("*.py") if spec.backbone.startswith(path.stem)]
    backbones = [max(parts, key=lambda path: len(path.stem))] if parts else (_MODELS / "backbones").glob("*.py")
    return set().union(_closure(_MODELS / "heads" / f"{spec.head.kind}.py"), *map(_closure, backbones))


@cache
def _closure(path):
    found = {path}
    for module, names in re.findall(r"^from (mosaiclib\.models[\w.]*) import (.*)$", path.read_text(), re.MULTILINE):
        for name in (module, *(f"{module}.{part.strip()}" for part in names.split(","))):
            imported = ROOT / f"{name.replace('.', '/')}.py"
            if imported.is_file():
                found |= _closure(imported)
    return found

"""What the result of a run depends on, computed from the imports of its notebook.

The closure of the imports is narrowed in two places, where one file chooses among many: `models.build` among the
parts of networks, `data.datasets` among data sets. Modules that change only how a page looks are left out for runs
that compute; the pages themselves depend on them and are drawn again.
"""

import ast
import hashlib
import json
import re
from functools import cache
from pathlib import Path

from mosaicbook import paper
from mosaicbook.runs.provenance import ROOT, at_root, fingerprint
from mosaiclib.models import catalogue

# Modules that make no number: the looks of pages; a run's book-keeping; names of networks, whose specs are settings.
LOOKS = ("mosaicbook.show", "mosaicbook.site", "mosaiclib.number_text")
BOOKKEEPING = (
    "mosaiclib.files",
    *(f"mosaicbook.runs.{name}" for name in ("run", "parameters", "provenance", "masking")),
)
NAMES = ("mosaiclib.models.catalogue", "mosaiclib.models.spec")
# Modules that choose among the modules of these packages by the name of a network or a data set.
CHOOSERS = {
    "mosaiclib.models.building": tuple(f"mosaiclib.models.{part}" for part in ("backbones", "heads", "baselines")),
    "mosaiclib.data.datasets": ("mosaiclib.data.sets",),
}
STAGES = (
    "data", "pictures", "pretrain", "train", "evaluate", "heads", "search", "labels", "export", "latency",
    "tables", "figures", "explore", "beyond", "claims",
)  # fmt: skip
# Pages are drawn last, from the finished runs of these stages.
DRAWN_FROM = {
    "tables": ("evaluate", "heads", "latency"),
    "figures": ("evaluate", "export", "latency"),
    "explore": ("train", "evaluate", "export", "latency"),
    "beyond": ("evaluate", "heads", "export", "latency"),
    "claims": ("evaluate", "heads", "export", "tables", "figures", "beyond"),
}
_NETWORK_STAGES = ("pictures", "pretrain", "train", "evaluate", "export", "tables", "figures")
_NETWORK_PAGES = ("beyond/cost_by_stage", "beyond/edges")
_NAMES = frozenset(catalogue.names())


def networks_of(profile, run_id) -> tuple[str, ...]:
    """The networks that a run builds, by name; () where it may be any."""
    stage, row = run_id.split("/")
    plan = profile.runs[run_id]
    if stage == "pictures":
        return catalogue.RELEASED
    if stage == "tables" and row in {f"table_{number}" for number in paper.TABLES}:
        records, added = paper.records(int(row[-1])), catalogue.YOURS.get(int(row[-1]), ())
        names = [name for record in records for name in (record.spec, record.madds_spec)]
        return tuple(dict.fromkeys([*names, *(spec.name for spec in added)]))
    if run_id == "beyond/cost_by_stage":
        tables = map(int, plan.all_parameters["tables"].split())
        return tuple(dict.fromkeys(record.spec for table in tables for record in paper.records(table)))
    if run_id == "beyond/edges":
        evaluated = [networks_of(profile, other) for other in profile.runs if other.startswith("evaluate/")]
        return tuple(dict.fromkeys(name for names in evaluated for name in names))
    if stage == "latency" and (timed := plan.all_parameters.get("networks")):  # besides the files that it is given
        return () if timed == "all" else tuple(timed.split())
    named = [value for value in plan.all_parameters.values() if value in _NAMES]
    if named:
        return tuple(named)
    upstream = [networks_of(profile, needed) for needed in plan.upstream(profile.runs)]
    return tuple(dict.fromkeys(name for names in upstream for name in names))


def sources(profile, run_id) -> list[Path]:
    """The files of both packages, recipes and printed tables that a run's result depends on, sorted."""
    plan = profile.runs[run_id]
    stage, row = run_id.split("/")
    left_out = BOOKKEEPING + NAMES + (() if stage in DRAWN_FROM else LOOKS)
    modules, chosen = closure(ROOT / plan.notebook, left_out=left_out), []
    if "mosaiclib.models.building" in modules:
        chosen += _parts(run_id, networks_of(profile, run_id))
    if "mosaiclib.data.datasets" in modules:
        chosen += _data_set_files(plan.all_parameters.get("dataset"))
    modules |= closure(*chosen, left_out=left_out)
    files = {_file(module) for module in modules}
    files |= set((ROOT / "recipes").glob(f"{plan.all_parameters.get('recipe')}.yaml"))
    if "mosaicbook.paper.records" in modules:
        printed = (ROOT / "mosaicbook" / "paper").glob("*.csv")
        files |= {path for path in printed if stage != "tables" or path.stem == row}
    if stage == "explore":
        files |= {path for path in (ROOT / "mosaicbook" / "explorer").iterdir() if path.suffix in (".css", ".js")}
    return sorted(files)


def training_code(module="loop") -> str:
    """A fingerprint of the code that trains any network, whichever its parts and data set, with that module."""
    modules = closure(ROOT / "mosaiclib" / "training" / f"{module}.py", left_out=NAMES)
    return fingerprint(_file(module) for module in modules)


def closure(*paths, left_out=()) -> set[str]:
    """The names of the modules of both packages that notebooks or modules import, directly or not, and their own.

    left_out: prefixes of modules that are not followed. What a chooser chooses among is not followed either.
    """
    modules, waiting = {_name(path) for path in paths} - {""}, [*paths]
    while waiting:
        path = waiting.pop()
        skipped = left_out + CHOOSERS.get(_name(path), ())
        for module in imports(path):
            if module not in modules and not any(_within(module, prefix) for prefix in skipped):
                modules.add(module)
                waiting.append(_file(module))
    return modules


@cache
def imports(path) -> frozenset[str]:
    """The modules of both packages that one Python file or notebook imports.

    Of a package whose __init__ only hands on names (a face), just the modules that define the names in use.
    """
    nodes, modules, faces = [*ast.walk(ast.parse(_code(path)))], set(), {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and re.match(r"mosaic(lib|book)\b", node.module or ""):
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                if _file(whole) is None:
                    modules.add(_defined_in(node.module, name.name))
                elif _face(whole):
                    faces[name.asname or name.name] = whole
                else:
                    modules.add(whole)
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in faces:
            face, inner = faces[node.value.id], f"{faces[node.value.id]}.{node.attr}"
            is_module = _file(inner) is not None and node.attr not in _face(face)
            modules.add(inner if is_module else _defined_in(face, node.attr))
    return frozenset(modules)


def _code(path):
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code")
    return re.sub(r"^%", "#%", code, flags=re.MULTILINE)


@cache
def _face(package):
    """{name: module it comes from} of a package whose __init__, or the stub beside it, only hands on names; else {}."""
    path = _file(package)
    if path is None or path.name != "__init__.py":
        return {}
    stub = path.with_suffix(".pyi")
    body = ast.parse((stub if stub.is_file() else path).read_text(encoding="utf-8")).body
    if any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body):
        return {}
    imported = [node for node in body if isinstance(node, ast.ImportFrom)]
    return {
        name.asname or name.name: f"{package}.{node.module}" if node.level else node.module
        for node in imported
        for name in node.names
    }


def _defined_in(module, name):
    """The module that defines what `from module import name` gives."""
    source = _face(module).get(name)
    return _defined_in(source, name) if source else module


@cache
def _file(module):
    path = ROOT / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _name(path):
    if path.suffix != ".py":
        return ""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _within(module, prefix):
    return module == prefix or module.startswith(f"{prefix}.")


def settings(profile, run_id) -> str:
    """What else than code a run's result depends on: its parameters, the specs of its networks, your own images."""
    plan, builds = profile.runs[run_id], run_id.split("/")[0] in _NETWORK_STAGES or run_id in _NETWORK_PAGES
    names = networks_of(profile, run_id) if builds else ()
    pictures = own_pictures(plan.all_parameters)
    parts = [sorted(plan.parameters.items()), [catalogue.get(name).to_json() for name in names]]
    return str([*parts, pictures] if pictures else parts)


def own_pictures(values) -> str:
    """A text that changes with the files of the data set `folder`, where a run's parameters name one; else "".

    An image that is added or relabelled reruns what has seen it. The published data sets do not change.
    """
    root = at_root(values.get("data_root")) if values.get("dataset") == "folder" else None
    return _state_of(root) if root else ""


@cache
def _state_of(root):
    files = [root / "classes.yaml", *(path for part in ("images", "labels") for path in (root / part).rglob("*"))]
    stats = [(str(path), path.stat()) for path in sorted(files) if path.is_file()]
    return hashlib.sha256(str([(name, s.st_size, s.st_mtime_ns) for name, s in stats]).encode()).hexdigest()


ROUNDS = ("stages", "pages", "summaries")


def round_of(run_id) -> str:
    """In which of `ROUNDS` a run is made: what computes, the pages drawn from that, the pages drawn from pages."""
    sources = DRAWN_FROM.get(run_id.split("/")[0])
    return "stages" if sources is None else "summaries" if set(sources) & set(DRAWN_FROM) else "pages"


def drawn_from(profile, run_id) -> list[str]:
    """The runs of a profile that a page is drawn from, where they are finished."""
    stage = run_id.split("/")[0]
    if "profile" not in profile.runs[run_id].all_parameters:
        return []
    return [other for other in profile.runs if other.split("/")[0] in DRAWN_FROM.get(stage, ())]


def _data_set_files(dataset):
    """The files that read the data set of this name; those of all data sets where none is named."""
    entries = [path for path in (ROOT / "mosaiclib" / "data" / "sets").iterdir() if not path.name.startswith("_")]
    chosen = [path for path in entries if dataset is None or dataset.startswith(path.stem)]
    return [path for entry in chosen for path in ([entry] if entry.suffix == ".py" else sorted(entry.glob("*.py")))]


def _parts(run_id, names):
    """The files of the parts of these networks; of every network where none is named."""
    folder = ROOT / "mosaiclib" / "models"
    if run_id == "tables/table_1":  # the backbone alone
        return [folder / "backbones" / "mnmh.py"]
    if not names or run_id.startswith("tables/"):  # a table's claims count the costs of other tables' networks, too
        return [path for part in ("backbones", "heads", "baselines") for path in (folder / part).glob("*.py")]
    return [path for name in names for path in parts_of(catalogue.get(name))]


def parts_of(spec):
    """The files of one network's backbone and head, or of the whole network."""
    folder = ROOT / "mosaiclib" / "models"
    if spec.backbone is None:
        return [folder / "baselines" / f"{spec.head.kind}.py"]
    fitting = [path for path in (folder / "backbones").glob("*.py") if spec.backbone.startswith(path.stem)]
    backbone = [max(fitting, key=lambda path: len(path.stem))] if fitting else (folder / "backbones").glob("*.py")
    return [folder / "heads" / f"{spec.head.kind}.py", *backbone]

"""Profiles: small YAML files that say which notebooks run with which parameters.

A parameter value "run:train/minicity/weights" stands for the path `weights` in the folder of the run
`train/minicity` of the same profile, and makes the one depend on the other. "best:train/minicity-lr*/weights"
stands for that of the run, among those that the pattern names, with the highest mIoU on the val split, and
"run:evaluate/minicity-seed*" for the folders of all runs that it names, as a pattern of paths.
"""

import json
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from mosaicbook.batch.dependencies import STAGES, networks_of
from mosaicbook.batch.sweeps import HeadSweep, Sweep
from mosaicbook.runs import parameters
from mosaicbook.runs.provenance import ROOT, at_root
from mosaicbook.runs.run import reports_folder
from mosaiclib import yaml_text
from mosaiclib.files import first_fault

FOLDER = ROOT / "profiles"
TAKEN = ("by-hand", "bench", "published")  # other things lie in these folders of reports/
_declared = cache(parameters.declared)


class PlannedRun(BaseModel):
    """One run of a notebook. about_s: how long it takes on the profile's machine, in seconds, to tell the user."""

    model_config = ConfigDict(extra="forbid")
    notebook: str
    description: str
    parameters: dict[str, bool | int | float | str] = Field(default_factory=dict)
    about_s: int = Field(30, ge=0)

    @field_validator("notebook")
    @classmethod
    def _exists(cls, value):
        if not re.fullmatch(r"notebooks/[\w/]+\.ipynb", value) or not (ROOT / value).is_file():
            raise ValueError(f"there is no notebook '{value}'")
        return value

    @property
    def all_parameters(self):
        """The parameters with the notebook's defaults for those that are not given."""
        return {name: default for name, (_, default) in _declared(ROOT / self.notebook).items()} | self.parameters

    def references(self):
        """{parameter: (pattern of run ids, path within their folders)} of those that stand for other runs."""
        found = {}
        for name, value in self.parameters.items():
            if isinstance(value, str) and value.startswith(("run:", "best:")):
                stage, row, *rest = [*value.partition(":")[2].split("/"), ""]
                found[name] = (f"{stage}/{row}", "/".join(rest).rstrip("/"))
        return found

    def rivals(self, run_id, run_ids):
        """Those of `run_ids` among which this run chooses by their score, where `run_id` is one of them; else ()."""
        for name, (pattern, _) in self.references().items():
            if self.parameters[name].startswith("best:") and fnmatchcase(run_id, pattern):
                return tuple(other for other in run_ids if fnmatchcase(other, pattern))
        return ()

    def upstream(self, run_ids):
        """Those of `run_ids` that this run needs."""
        patterns = [pattern for pattern, _ in self.references().values()]
        return [run_id for run_id in run_ids if any(fnmatchcase(run_id, pattern) for pattern in patterns)]


class Profile(BaseModel):
    """A named plan: its runs by id ("stage/row"), in an order in which they can be run.

    machine: what the runs' times are told for. device: "gpu" where a CPU would take far longer. train_macs_per_s: how
    many conv MACs it trains in a second, for the times of a plan. parameters: given to runs whose notebook declares
    them and that does not set them itself. sweeps: rows of the paper's tables by one recipe, a few lines for many runs;
    head_sweeps: heads on frozen backbones. pages: "tables", "figures" and "beyond" stand for every notebook in that
    folder, "claims" for the one of all claims.
    """

    model_config = ConfigDict(extra="forbid")
    name: str
    title: str
    description: str
    machine: str = "2 cores"
    device: Literal["cpu", "gpu"] = "cpu"
    train_macs_per_s: float = Field(0, ge=0)
    parameters: dict[str, bool | int | float | str] = Field(default_factory=dict)
    runs: dict[str, PlannedRun] = Field(default_factory=dict)
    sweeps: list[Sweep] = Field(default_factory=list)
    head_sweeps: list[HeadSweep] = Field(default_factory=list)
    pages: list[Literal["tables", "figures", "beyond", "claims"]] = Field(default_factory=list)
    _source: str = PrivateAttr("")

    @property
    def source(self):
        """What loads it again from any folder: its name, or for one that is not in profiles/ its whole path."""
        return self._source or self.name

    @model_validator(mode="after")
    def _expand(self):
        added = {run_id: run for sweep in [*self.sweeps, *self.head_sweeps] for run_id, run in sweep.runs().items()}
        behind = [run_id for run_id, run in self.runs.items() if run.upstream(added)]  # what sums up a sweep follows it
        added |= {run_id: self.runs.pop(run_id) for run_id in behind}
        for folder in self.pages:
            alone = [ROOT / "notebooks" / f"{folder}.ipynb"]
            for path in sorted((ROOT / "notebooks" / folder).glob("*.ipynb")) or alone:
                added[f"{folder}/{path.stem}"] = _page(path)
        for run_id, run in added.items():
            if run_id not in self.runs:
                self.runs[run_id] = PlannedRun.model_validate(run)
        used = {name for run in self.runs.values() for name in _declared(ROOT / run.notebook)}
        if unused := [name for name in self.parameters if self.runs and name not in used]:
            raise ValueError(f"no run has a parameter '{unused[0]}', which `parameters` gives to all")
        for run_id, run in self.runs.items():
            known = _declared(ROOT / run.notebook)
            common = {name: value for name, value in self.parameters.items() if name in known}
            if "profile" in known:
                common["profile"] = self.name
            run.parameters = common | run.parameters
            try:
                parameters.check(run.parameters, known, run_id.partition("/")[0])
            except ValueError as error:
                raise ValueError(f"'{run_id}': {str(error).rstrip('.')}") from None
        self._check_order()
        return self

    def _check_order(self):
        before = []
        for run_id, run in self.runs.items():
            if not re.fullmatch(
                rf"({'|'.join(STAGES)})/[a-z0-9][a-z0-9_.-]{{0,199}}", run_id
            ):  # not "..": a folder is named so
                raise ValueError(
                    f"'{run_id}' is not a run: write stage/row with a stage of {', '.join(STAGES)} and a row that "
                    "begins with a letter or a digit"
                )
            for needed, _ in run.references().values():
                if not any(fnmatchcase(other, needed) for other in before):
                    raise ValueError(f"'{run_id}' needs '{needed}', which does not stand before it")
                if any(fnmatchcase(other, needed) for other in [*self.runs][len(before) :]):
                    raise ValueError(f"'{run_id}' needs '{needed}', which names itself or a run behind it")
            before.append(run_id)

    def rivals(self, run_id) -> tuple[str, ...]:
        """The runs of which the best is used, `run_id` among them. One that fails has no score; the others go on."""
        found = (run.rivals(run_id, self.runs) for run in self.runs.values())
        return next((rivals for rivals in found if len(rivals) > 1), ())

    def narrowed(self, tables=(), rows=()) -> list[str]:
        """The ids of the runs for these tables of the paper, and of them for these networks only, with what they need.

        tables: numbers; rows: names of networks. Where neither is given, all runs. Raises ValueError for a table
        or a network that this profile does not have.
        """
        pages = [f"tables/table_{number}" for number in tables]
        for page in pages:
            if page not in self.runs:
                raise ValueError(f"The profile {self.name} has no run '{page}'.")
        if not tables and not rows:
            return list(self.runs)
        of_tables = {name for page in pages for name in networks_of(self, page)}
        built = {run_id: set(networks_of(self, run_id)) for run_id in self.runs if not run_id.startswith("figures/")}
        self._check_rows(rows, tables, of_tables, built)
        wanted = set(rows) or of_tables
        of_wanted = {run_id for run_id in built if built[run_id] & wanted}
        kept = {r for r in of_wanted if not r.startswith(("tables/", "pictures/"))}
        kept |= set(pages) or {r for r in of_wanted if r.startswith("tables/")}
        kept = self._with_upstream(kept)
        return [run_id for run_id in self.runs if run_id in kept | self._data_of(kept)]

    def _check_rows(self, rows, tables, of_tables, built):
        for row in rows:
            if not any(row in names for names in built.values()):
                near = sorted({name for names in built.values() for name in names})
                raise ValueError(f"No run of the profile {self.name} is of the network '{row}': choose of {near}.")
            if tables and row not in of_tables:
                raise ValueError(f"'{row}' is not a row of Table {' or '.join(map(str, tables))}.")

    def _with_upstream(self, run_ids):
        """These runs and all that they need."""
        kept = set(run_ids)
        for run_id in reversed(self.runs):
            if run_id in kept:
                kept.update(self.runs[run_id].upstream(self.runs))
        return kept

    def _data_of(self, run_ids):
        """The runs that show the data sets of these."""
        used = {self.runs[run_id].parameters.get("dataset") for run_id in run_ids} - {None}
        return {r for r in self.runs if r.startswith("data/") and self.runs[r].parameters.get("dataset") in used}


def load(name_or_path) -> Profile:
    """The profile of that name, or in that YAML file. Raises ValueError that says what is wrong with it."""
    path = Path(name_or_path).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.yaml")))
        raise ValueError(f"There is no profile '{name_or_path}': choose one of {known}, or name a YAML file.")
    if path.stem in TAKEN or not path.stem.isprintable() or path.stem[0] in ".-" or len(path.stem.encode()) > 100:
        raise ValueError(f"{path} cannot give reports/ a folder of its name, '{path.stem}': rename the file.")
    try:
        fields = yaml_text.load(path.read_text(encoding="utf-8"))
        if not isinstance(fields, dict):
            raise ValueError(f"{path} holds no profile: write fields such as title, description and runs.")
        profile = Profile(name=path.stem, **fields)
        json.dumps(profile.model_dump(), ensure_ascii=False).encode()
        profile._source = "" if path.parent.resolve() == FOLDER.resolve() else str(path.absolute())
        return profile
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not written in UTF-8: save it so.") from None
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{path} holds {error.object[error.start]!r}, half a character: no file can hold it."
        ) from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    except (ValidationError, TypeError) as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else error
        raise ValueError(f"{path}: {fault}.") from None


def claim(profile):
    """Notes which file a report's folder is of. Raises ValueError where it is of another profile of the same name."""
    note = reports_folder() / profile.name / ".profile"
    try:
        other = note.read_text(encoding="utf-8")
        if other != profile.source and (other == profile.name or Path(other).is_file()):
            raise ValueError(
                f"{profile.source} and the profile {other} have one name, and {note.parent} holds the runs of the "
                "latter: rename the file, or name another folder (MOSAIC_REPORTS)."
            )
    except FileNotFoundError:
        other = ""
    if other != profile.source:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(profile.source, encoding="utf-8")


def outside_files(plan):
    """Fetched files and weights that a run reads where they are there: it is run again once they have come."""
    from mosaiclib.data import fetch

    keys = [value for value in plan.all_parameters.values() if value in fetch.FILES]
    folder = at_root(plan.all_parameters.get("initial_weights"))
    weights = folder and folder / "model.weights.h5"
    return [path for path in [*map(fetch.find, keys), weights] if path and path.is_file()]


def _page(path):
    """The plan of a table's or figure's notebook; it is described by its own first line."""
    notebook = str(path.relative_to(ROOT))
    return {"notebook": notebook, "description": parameters.title(path), "about_s": 20}

"""Profiles: small YAML files that say which notebooks run with which parameters.

A parameter value "run:train/minicity/weights" stands for the path `weights` in the folder of the run
`train/minicity` of the same profile, and makes the one depend on the other.
"""

import re
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mosaiclib import parameters
from mosaiclib.provenance import ROOT

FOLDER = ROOT / "profiles"
_LIBRARY = ROOT / "mosaiclib"
_NETWORK = ("specs.py", "models/*.py", "models/backbones/*.py", "models/heads/*.py", "models/segmenters/*.py")
_TABLES = tuple(
    f"reporting/{name}.py" for name in ("measured", "paper_table", "backbone_table", "latency_columns", "claims")
)
_DRAWING = ("paper_table", "latency_columns", "plots", "graphs", "placing", "drawings", "funnels")

# What a stage's results depend on. A change elsewhere (a page's looks, a command) reruns nothing.
CODE = {
    "data": ("data/**/*.py",),
    "pictures": (*_NETWORK, "models/pretrained/*.py", "data/**/*.py", "pictures.py", "tflite.py"),
    "train": (*_NETWORK, "data/**/*.py", "training.py", "losses.py", "evaluation.py"),
    "evaluate": (*_NETWORK, "data/**/*.py", "evaluation.py", "tflite.py"),
    "export": (*_NETWORK, "data/**/*.py", "export.py", "tflite.py"),
    "latency": ("latency/*.py", "tflite.py"),
    "tables": ("paper.py", "paper/*.csv", "madds.py", *_NETWORK, *_TABLES),
    "figures": ("paper.py", "paper/*.csv", *_NETWORK, *(f"reporting/{name}.py" for name in _DRAWING)),
}


class PlannedRun(BaseModel):
    """One run of a notebook. about_s: how long it takes on 2 cores, in seconds, to tell the user."""

    model_config = ConfigDict(extra="forbid")
    notebook: str
    description: str
    parameters: dict[str, bool | int | float | str] = Field(default_factory=dict)
    about_s: int = 30

    @field_validator("notebook")
    @classmethod
    def _exists(cls, value):
        if not re.fullmatch(r"notebooks/[\w/]+\.ipynb", value) or not (ROOT / value).is_file():
            raise ValueError(f"there is no notebook '{value}'")
        return value

    def references(self):
        """{parameter: (run id, path within its folder)} of the parameters that stand for other runs."""
        found = {}
        for name, value in self.parameters.items():
            if isinstance(value, str) and value.startswith("run:"):
                stage, row, *rest = value.removeprefix("run:").split("/")
                found[name] = (f"{stage}/{row}", "/".join(rest))
        return found

    def sources(self, stage):
        """The files of the library that this run's result depends on."""
        return sorted(path for pattern in CODE[stage] for path in _LIBRARY.glob(pattern))


class Profile(BaseModel):
    """A named plan: its runs by id ("stage/row"), in an order in which they can be run."""

    model_config = ConfigDict(extra="forbid")
    name: str
    title: str
    description: str
    runs: dict[str, PlannedRun]

    @field_validator("runs")
    @classmethod
    def _ordered(cls, runs):
        for position, (run_id, run) in enumerate(runs.items()):
            if not re.fullmatch(rf"({'|'.join(CODE)})/[a-z0-9_.-]+", run_id):
                raise ValueError(f"'{run_id}' is no run: write stage/row with a stage of {', '.join(CODE)}")
            for needed, _ in run.references().values():
                if needed not in list(runs)[:position]:
                    raise ValueError(f"'{run_id}' needs '{needed}', which does not stand before it")
        return runs


def load(name_or_path) -> Profile:
    """The profile of that name, or in that YAML file. Raises ValueError that says what is wrong with it."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.yaml")))
        raise ValueError(f"There is no profile '{name_or_path}': choose one of {known}, or name a YAML file.")
    try:
        return Profile(name=path.stem, **yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        raise ValueError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


def outside_files(plan):
    """Fetched files that a run reads where they are there: it is run again once they have come."""
    from mosaiclib.data import fetch

    defaults = {name: default for name, (_, default) in parameters.declared(ROOT / plan.notebook).items()}
    keys = [value for value in (defaults | plan.parameters).values() if value in fetch.FILES]
    return [path for path in map(fetch.find, keys) if path]

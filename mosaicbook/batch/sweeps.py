"""A sweep: rows of the paper's tables, each trained by one recipe at several learning rates, in a few lines of YAML.

    sweeps:
      - dataset: cityscapes
        tables: [2, 3]                      # every network of these tables, once
        learning_rates: [0.0005, 0.001]     # one training each; the best on the val split is evaluated
        pretrained: {mnmh: data/pretrained/mnmh, whole: random}  # what backbones start from, see docs/reproduce.md
        train: {epochs: 100, batch_size: 8, crop_height: 769, crop_width: 769}
        evaluate: {split: val}
        export: {height: 1024, width: 2048} # where there is one: TFLite files ...
        latency: {runtimes: ai_edge_litert} # ... and their timing on the machine

is, for a network N, the runs train/cityscapes-N-lr0.0005, train/cityscapes-N-lr0.001, evaluate/cityscapes-N,
export/cityscapes-N and latency/cityscapes-N. Exported and timed are the networks whose latency the paper prints in
one of the tables, and those named in `rows`.
"""

from itertools import product
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mosaicbook import paper
from mosaiclib.models import catalogue

_Parameters = dict[str, bool | int | float | str]
_Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _backbone(network):
    return catalogue.get(network).backbone or "whole"


def _digits(rate):
    """A learning rate as a run's name can hold it, all of its digits and no exponent: 0.00001."""
    return np.format_float_positional(rate, trim="-")


class Sweep(BaseModel):
    """One entry of `sweeps`.

    rows: networks by name, beside those of `tables`. designs: {name: JSON file of a spec}, such as "run:..." for
    what a search has chosen; they have the one backbone that `pretrained` names. data_root: the data set's folder,
    where it is not in its usual place. pretrained: {backbone: what it starts from}, a weights folder, "run:..." for
    that of another run, or "random"; "whole" stands for networks without a backbone, and {} starts all from random
    weights. seeds: a training and an evaluation each; several go with one learning rate. evaluate: None where a
    sweep only chooses a rate, by the val split that trainings are validated on. about_train_s, about_s: how long a
    training, and any other run, takes on the profile's machine.
    """

    model_config = ConfigDict(extra="forbid")
    dataset: str
    data_root: str = ""
    tables: list[int] = Field(default_factory=list)
    rows: list[str] = Field(default_factory=list)
    designs: dict[str, str] = Field(default_factory=dict)
    learning_rates: list[_Rate] = Field(default_factory=list)
    pretrained: dict[str, str] = Field(default_factory=dict)
    seeds: list[int] = Field(default=[0], min_length=1)
    train: _Parameters = Field(default_factory=dict)
    evaluate: _Parameters | None = Field(default_factory=dict)
    export: _Parameters | None = None
    latency: _Parameters | None = None
    about_train_s: int = 3600
    about_s: int = 300

    @model_validator(mode="after")
    def _known(self):
        if self.latency is not None and self.export is None:
            raise ValueError("a sweep times the files that it exports: add export")
        if self.export is not None and (self.evaluate is None or len(self.seeds) > 1):
            raise ValueError("a sweep exports the network that it evaluates, of one seed")
        if len(self.seeds) > 1 and len(self.learning_rates) > 1:
            raise ValueError("several seeds go with one learning rate: choose it in a sweep before")
        for table in self.tables:
            paper.records(table)
        for name in self.rows:
            catalogue.get(name)
        if self.designs and (self.rows or self.tables or len(self.pretrained) != 1):
            raise ValueError("designs stand alone in a sweep, and pretrained names their one backbone")
        if self.pretrained and not self.designs:
            used = {_backbone(name) for name in self.networks()}
            if missing := used - set(self.pretrained):
                raise ValueError(
                    f"pretrained says nothing of {', '.join(sorted(missing))}: a weights folder, or random"
                )
            if unused := set(self.pretrained) - used:
                raise ValueError(f"pretrained names {', '.join(sorted(unused))}, which no network of the sweep has")
        return self

    def starts_from(self, network) -> dict:
        """The parameters of a training that say what the network's backbone starts from."""
        backbone = next(iter(self.pretrained)) if network in self.designs else _backbone(network)
        weights = self.pretrained.get(backbone, "random")
        return {} if weights == "random" else {"initial_weights": weights, "initial_part": f"{backbone}."}

    def networks(self) -> list[str]:
        """The names of the sweep's networks, each once, in the order of the tables."""
        in_tables = [record.spec for table in self.tables for record in paper.records(table)]
        return list(dict.fromkeys(in_tables + self.rows + [*self.designs]))

    def timed(self) -> set[str]:
        """The networks that are exported and timed."""
        records = [record for table in self.tables for record in paper.records(table)]
        return {record.spec for record in records if any(record.latency_ms.values())} | set(self.rows)

    def runs(self) -> dict[str, dict]:
        """{run id: the fields of its `PlannedRun`}."""
        found = {}
        for network, seed in product(self.networks(), self.seeds):
            found |= self._runs_of(network, seed)
        return found

    def _start(self, network):
        start = self.starts_from(network)
        return f"from {start['initial_weights']}" if start else "from random weights"

    def _runs_of(self, network, seed):
        row = f"{self.dataset}-{network}" + (f"-seed{seed}" if len(self.seeds) > 1 else "")
        data = {"dataset": self.dataset}
        if self.data_root:
            data["data_root"] = self.data_root
        seeded = {"seed": seed} if self.seeds != [0] else {}
        rates = {f"{row}-lr{_digits(rate)}": {"learning_rate": rate} for rate in self.learning_rates} or {row: {}}
        found = {}
        for name, rate in rates.items():
            at = "".join(f", learning rate {_digits(value)}" for value in rate.values())
            found[f"train/{name}"] = {
                "notebook": "notebooks/20_train.ipynb",
                "description": f"{network} on {self.dataset}{at}, {self._start(network)}",
                "parameters": {
                    "model": self.designs.get(network, network),
                    **data,
                    **self.starts_from(network),
                    **self.train,
                    **rate,
                    **seeded,
                },
                "about_s": self.about_train_s,
            }
        if self.evaluate is None:
            return found
        chosen = f"best:train/{row}-lr*/weights" if self.learning_rates else f"run:train/{row}/weights"
        found[f"evaluate/{row}"] = {
            "notebook": "notebooks/30_evaluate.ipynb",
            "description": f"{network} on {self.dataset}" + (", the best learning rate" if len(rates) > 1 else ""),
            "parameters": {"weights": chosen, **data, **self.evaluate},
            "about_s": self.about_s,
        }
        if self.export is not None and network in self.timed():
            found[f"export/{row}"] = {
                "notebook": "notebooks/40_export.ipynb",
                "description": f"{network} as TFLite files",
                "parameters": {"weights": chosen, **data, **self.export},
                "about_s": self.about_s,
            }
        if self.latency is not None and network in self.timed():
            found[f"latency/{row}"] = {
                "notebook": "notebooks/50_latency.ipynb",
                "description": f"{network}, timed on this machine",
                "parameters": {"files": f"run:export/{row}/files", "released": "", **self.latency},
                "about_s": self.about_s,
            }
        return found


class HeadSweep(BaseModel):
    """One entry of `head_sweeps`: heads trained on frozen backbones by notebook 25, one run a head and backbone.

    backbones: {name in the run's id: the weights whose backbone is taken}. rows: networks by name, whose heads are
    taken. suffix: of the runs' ids, where a later sweep adds seeds. about_s: how long a run takes.
    """

    model_config = ConfigDict(extra="forbid")
    backbones: dict[str, str]
    rows: list[str]
    parameters: _Parameters = Field(default_factory=dict)
    suffix: str = ""
    about_s: int = 300

    @model_validator(mode="after")
    def _known(self):
        for name in self.rows:
            catalogue.get(name)
        return self

    def runs(self) -> dict[str, dict]:
        """{run id: the fields of its `PlannedRun`}."""
        found = {}
        for backbone, weights in self.backbones.items():
            for row in self.rows:
                found[f"heads/{backbone}-{row.partition('-')[2]}{self.suffix}"] = {
                    "notebook": "notebooks/25_heads.ipynb",
                    "description": f"The head of {row} on the frozen backbone {backbone}",
                    "parameters": {"model": row, "weights": weights, **self.parameters},
                    "about_s": self.about_s,
                }
        return found

"""Milliseconds of a design on a CPU, predicted by `layer_rates` from networks that runs timed there."""

import re
from dataclasses import dataclass
from functools import cache

from mosaicbook import runs
from mosaicbook.runs.provenance import ROOT
from mosaiclib.latency import layer_rates
from mosaiclib.latency.layer_rates import LayerRates
from mosaiclib.models import catalogue
from mosaiclib.models.costs import cost

RELEASED = {"mosaic_r4_uint8": ("mnmh448-mosaic-f64-d64", (512, 512), "uint8")}  # graphs that are named otherwise
CLASSES = 32
PRECISIONS = ("float32", "int8")
_FILE = re.compile(r"(.+)_(\d+)x(\d+)_\w+_(float32|int8)")


@dataclass(frozen=True)
class Rates:
    """What layers take on one thread of a machine's CPU: {precision: rates}.

    by_layer: the precisions in which each layer was timed. Of the others the time of each kind of layer in a network
    is known, and its layers share it by their work.
    """

    machine: str
    of: dict[str, LayerRates]
    by_layer: frozenset[str]

    def milliseconds(self, counted, precision) -> float | None:
        """The predicted time of one inference. counted: the network's `costs.Cost`; None without a timing to go by."""
        try:
            return self.of[precision].milliseconds(counted) if precision in self.of else None
        except ValueError:  # a kind of layer that no timed network had
            return None

    @property
    def basis(self) -> str:
        """What the milliseconds are predicted from, as a sentence."""
        ways = {"timed layers": self.by_layer, "the time of each kind of layer": self.of.keys() - self.by_layer}
        said = "; ".join(f"{' and '.join(sorted(named))} from {way}" for way, named in ways.items() if named)
        return f"Milliseconds are predicted for one thread of {self.machine}: {said}."


@cache
def rates() -> Rates | None:
    """Those of the machine on which most precisions were timed here, else in the published reports; None without.

    Of several machines the last one counts, and of one machine layers that were timed themselves, else the last run.
    """
    for root in (runs.reports_folder(), ROOT / "reports/published"):
        machines = {}
        folders = [*root.glob("*/runs/latency/*"), *root.glob("*/runs/search/*")]
        for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime):
            try:
                found = _of_result(runs.read_json(folder / "result.json"))
            except (ValueError, OSError, KeyError, TypeError):
                continue
            known = machines.pop(found.machine, found)
            ours = {p: r for p, r in found.of.items() if p in found.by_layer or p not in known.by_layer}
            machines[found.machine] = Rates(found.machine, known.of | ours, known.by_layer | found.by_layer)
        if machines:
            return max(reversed(machines.values()), key=lambda found: len(found.of))
    return None


def _of_result(result) -> Rates:
    """Of the layers that a search timed, or of the files that notebook 50 timed and profiled."""
    if "layer_rates" in result:
        timed = LayerRates.from_json(result["layer_rates"])
        return Rates(str(result["machine"]["cpu"]), {"float32": timed}, frozenset(["float32"]))
    profiled, timed = ({precision: [] for precision in (*PRECISIONS, "uint8")} for _ in range(2))
    for file, kinds in result["op_profiles_ms"].items():
        if known := _network(file):
            profiled[known[1]] += layer_rates.spread(known[0], kinds)
    for row in result["measurements"]:
        if (row["kernels"], row["threads"]) == ("xnnpack", 1) and row["mean_ms"] and (known := _network(row["model"])):
            timed[known[1]].append((known[0], row["mean_ms"]))
    anywhere = [layer for layers in profiled.values() for layer in layers]
    of = {p: layer_rates.scaled(profiled[p] or anywhere, timed[p]) for p in PRECISIONS if timed[p] and anywhere}
    if not of:
        raise ValueError("No network of ours was timed and profiled.")
    return Rates(str(result["machine"]["cpu"]), of, frozenset())


@cache
def _network(file):
    """(cost, precision) of the network in a file of that name, None where it is none of ours."""
    if named := _FILE.fullmatch(file):
        name, size, precision = named[1], (int(named[2]), int(named[3])), named[4]
    else:
        name, size, precision = RELEASED.get(file, ("", (), ""))
    return (cost(catalogue.get(name), size, CLASSES), precision) if name in catalogue.names() else None

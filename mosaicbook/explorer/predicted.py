"""Milliseconds of a design on a CPU, predicted from its operations by networks that were timed."""

import re
from dataclasses import dataclass
from functools import cache
from math import prod
from statistics import median

from keras.layers import Conv2D, DepthwiseConv2D

from mosaicbook import runs
from mosaicbook.runs.provenance import ROOT
from mosaiclib.models import catalogue
from mosaiclib.models.costs import cost

PROFILED, NETWORK = "mosaic_r4_uint8", "mnmh448-mosaic-f64-d64"  # the released graph, and what it is here
PROFILED_SIZE, PROFILED_CLASSES = (512, 512), 32
PRECISIONS = ("float32", "int8")
_FILE = re.compile(r"(.+)_(\d+)x(\d+)_\w+_(float32|int8)")


@dataclass(frozen=True)
class Rates:
    """How long work takes on one thread of a CPU.

    shares: ms of one multiply-add of a convolution, of one of a depthwise convolution, and of one output of any other
    layer, in the released graph. scales: {precision: by what these are multiplied}, from files that were timed whole.
    """

    shares: tuple[float, float, float]
    scales: dict[str, float]
    machine: str

    def milliseconds(self, counted, precision) -> float | None:
        """The predicted time of one inference. counted: the network's `costs.Cost`; None without a timing to go by."""
        if precision not in self.scales:
            return None
        return self.scales[precision] * self._before_scaling(counted)

    def _before_scaling(self, counted):
        return sum(share * work for share, work in zip(self.shares, _work(counted), strict=True))


@cache
def rates() -> Rates | None:
    """Those of the last machine that timed and profiled networks here, else of the published report; None without."""
    folders = [
        sorted(root.glob("*/runs/latency/*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for root in (runs.reports_folder(), ROOT / "reports/published")
    ]
    for folder in (folder for group in folders for folder in group):
        try:
            return _of_result(runs.read_json(folder / "result.json"))
        except (ValueError, OSError, KeyError, TypeError):
            continue
    return None


def _of_result(result):
    kinds = result["op_profiles_ms"][PROFILED]
    works = _work(cost(catalogue.get(NETWORK), PROFILED_SIZE, PROFILED_CLASSES))
    convolution, depthwise = kinds["convolution"], kinds["depthwise convolution"]
    times = (convolution, depthwise, sum(kinds.values()) - convolution - depthwise)
    unscaled = Rates(tuple(ms / work for ms, work in zip(times, works, strict=True)), {}, str(result["machine"]["cpu"]))
    found = {precision: [] for precision in PRECISIONS}
    for row in result["measurements"]:
        named = _FILE.fullmatch(row["model"])
        if named and named[1] in catalogue.names() and (row["kernels"], row["threads"]) == ("xnnpack", 1):
            counted = cost(catalogue.get(named[1]), (int(named[2]), int(named[3])), PROFILED_CLASSES)
            found[named[4]].append(row["mean_ms"] / unscaled._before_scaling(counted))
    scales = {precision: median(ratios) for precision, ratios in found.items() if ratios}
    return Rates(unscaled.shares, scales, unscaled.machine)


def _work(counted):
    """MAdds of convolutions, MAdds of depthwise ones, and outputs of all other layers."""
    of = {Conv2D.__name__: 0.0, DepthwiseConv2D.__name__: 0.0, "": 0.0}
    for layer in counted.layers:
        kind = layer.kind if layer.kind in of else ""
        of[kind] += layer.tflite_madds if kind else prod(layer.output_shape)
    return tuple(of.values())

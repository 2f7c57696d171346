"""Predicted against measured milliseconds of networks that the prediction has not seen.

    python benchmarks/predicted_latency.py [--profiled 6] [--unseen 20] [--size 360x480] [--out DIR]

Random designs of the search (`mosaicbook/beyond/search_space.py`): the layers of some are timed by LiteRT's profiler
(`mosaiclib/latency/host/layer_times.py`); others are predicted from these (`mosaiclib/latency/layer_rates.py`) and
timed by turns, one thread, the least time counts. It needs a quiet machine: beside other work layers of several
milliseconds are interrupted in every round, and their least time is no measure.
"""

import argparse
import statistics
from itertools import islice
from pathlib import Path

import psutil

from mosaicbook.beyond import search_space
from mosaiclib import models
from mosaiclib.latency.host import layer_times
from mosaiclib.models import catalogue


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiled", type=int, default=6)
    parser.add_argument("--unseen", type=int, default=20)
    parser.add_argument("--size", default="360x480")
    parser.add_argument("--classes", type=int, default=11)
    parser.add_argument("--out", default="predicted-latency", help="folder of the exported files and the rates")
    options = parser.parse_args()
    size, folder = tuple(map(int, options.size.split("x"))), Path(options.out)
    base = catalogue.get("mnmh448-mosaic")
    rates = layer_times.rates(
        search_space.random_designs(base, 0), size, options.classes, folder / "profiled", options.profiled
    )
    unseen = list(islice(search_space.random_designs(base, 1), options.unseen))
    before = psutil.getloadavg()[0]
    times = layer_times.times(unseen, size, options.classes, folder / "unseen")
    print(f"load {before:.1f} before and {psutil.getloadavg()[0]:.1f} after, on {psutil.cpu_count()} cores")
    print("design | predicted, ms | measured, ms | error, % | time of layers that were measured, %")
    errors = []
    for spec, ms in zip(unseen, times, strict=True):
        counted = models.cost(spec, size, options.classes)
        predicted, known = rates.milliseconds(counted), 100 * rates.known(counted)
        errors.append(100 * (predicted / ms - 1))
        print(f"{search_space.describe(spec.head)} | {predicted:.1f} | {ms:.1f} | {errors[-1]:+.1f} | {known:.0f}")
    sizes = [abs(error) for error in errors]
    print(f"mean error {statistics.mean(sizes):.1f} %, worst {max(sizes):.1f} %")


if __name__ == "__main__":
    main()

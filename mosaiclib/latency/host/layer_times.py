"""Layers timed on this machine's CPU, float32 and one thread, so that networks that were not timed can be predicted."""

import json
import time
from itertools import islice
from pathlib import Path

import numpy as np

from mosaiclib import files
from mosaiclib.latency import layer_rates, untrained
from mosaiclib.latency.host import op_profile
from mosaiclib.models.counting import cost_of
from mosaiclib.tflite.graph import TFLiteGraph

PROFILES, INFERENCES = 5, 4  # processes that profile a graph, and inferences in each
MOST_TRIED = 3  # networks that are tried for each one that is wanted
ROUNDS = 30  # inferences of a graph that is timed whole


def operations(path, processes=PROFILES) -> list[dict]:
    """The operations of a file as `op_profile.profile` gives them, each with its least time over so many processes.

    A process each, because the profiler frees what it holds only when its process ends.
    """
    profiles = [op_profile.in_a_process(path, runs=INFERENCES)["operations"] for _ in range(processes)]
    return [same[0] | {"ms": min(operation["ms"] for operation in same)} for same in zip(*profiles, strict=True)]


def by_turns(paths) -> list[float]:
    """The least milliseconds of one inference of each file, all files in turn in an order drawn anew each round."""
    from ai_edge_litert.interpreter import Interpreter

    graphs = []
    for path in paths:
        graph = Interpreter(model_path=str(path), num_threads=1)
        graph.allocate_tensors()
        tensor = graph.get_input_details()[0]
        graph.set_tensor(tensor["index"], np.random.default_rng(0).uniform(-1, 1, tensor["shape"]).astype(np.float32))
        graph.invoke()
        graphs.append(graph)
    least, generator = np.full(len(graphs), np.inf), np.random.default_rng(1)
    for _ in range(ROUNDS):
        for i in generator.permutation(len(graphs)):
            graphs[i].invoke()  # so that what another graph left in the caches is gone
            start = time.perf_counter()
            graphs[i].invoke()
            least[i] = min(least[i], 1000 * (time.perf_counter() - start))
    return least.tolist()


def times(specs, input_size, classes, folder) -> list[float]:
    """The milliseconds of untrained networks, written into a folder and timed by turns."""
    paths = [Path(folder) / f"{number}.tflite" for number in range(len(specs))]
    for spec, path in zip(specs, paths, strict=True):
        untrained.write_spec(spec, input_size, classes, path)
    return by_turns(paths)


def in_one_piece(path) -> bool:
    """Whether the profiler tells each operation of a file apart: of a graph in several pieces it adds some up."""
    try:
        layer_rates.measured(TFLiteGraph(path), operations(path, processes=1))
    except ValueError:
        return False
    return True


def rates(specs, input_size, classes, folder, wanted=6) -> layer_rates.LayerRates:
    """The rates of this machine from the first `wanted` networks that the profiler takes in one piece.

    specs: networks that can be built at that size, of which random designs are good ones; they may be endless.
    folder: keeps the files and `rates.json`, which is read where it is there, so that a search that goes on predicts
    what it predicted. Raises ValueError where no network is in one piece.
    """
    kept = Path(folder) / "rates.json"
    if kept.is_file():
        return layer_rates.LayerRates.from_json(json.loads(kept.read_text(encoding="utf-8")))
    chosen = []
    for number, spec in enumerate(islice(specs, MOST_TRIED * wanted)):
        path = Path(folder) / f"{number}.tflite"
        network = untrained.write_spec(spec, input_size, classes, path)
        if in_one_piece(path):
            chosen.append((path, cost_of(network)))
        if len(chosen) == wanted:
            break
    if not chosen:
        raise ValueError("LiteRT's profiler tells the layers of none of these networks apart: no time is predicted.")
    whole = by_turns([path for path, _ in chosen])
    fitted = layer_rates.fitted(
        (layer_rates.measured(TFLiteGraph(path), operations(path)), counted, ms)
        for (path, counted), ms in zip(chosen, whole, strict=True)
    )
    with files.replacing(kept) as part:
        Path(part).write_text(json.dumps(fitted.to_json()), encoding="utf-8")
    return fitted

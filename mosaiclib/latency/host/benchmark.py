"""Latency on this machine, as the paper measures it: separate benchmark runs, averaged (section 6.2).

Each benchmark run is a process of its own, and the configurations take turns round by round, so that a
machine that drifts does not favour one. This is a computer, not a phone: its milliseconds compare runtimes
and networks with each other and say little about a Pixel 4.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np

from mosaiclib.latency import bench_log, verdicts
from mosaiclib.latency.host.machine import timed_machine
from mosaiclib.latency.host.worker import COMPILED, KERNELS, RUNTIMES
from mosaiclib.latency.measurement import Measurement, as_rows
from mosaiclib.wording import shortened

__all__ = ["Measurement", "as_rows", "bench", "installed_runtimes", "resume", "timed_machine"]

TIMEOUT_S = 600
DELEGATES = {"xnnpack": verdicts.XNNPACK, "gpu": verdicts.GPU}


def installed_runtimes():
    """The names of the runtimes that are installed here."""
    return [name for name, (module, _) in RUNTIMES.items() if importlib.util.find_spec(module.split(".")[0])]


def bench(files, runtimes, kernels=("xnnpack", "builtin"), threads=(1,), processes=10, runs=10, warmup=2,
          log=None, progress=None, cancelled=None, delegates=()):  # fmt: skip
    """Times .tflite files in every combination of runtime, kernels and threads; returns [Measurement].

    kernels: of `worker.KERNELS`; "gpu" is CompiledModel's only. delegates: paths of external delegates'
    libraries, each run in the interpreters beside the kernels. processes: benchmark runs per combination,
    each of `warmup` + `runs` inferences. log: a file to which each process's answer is appended as a line of
    JSON when it comes, so that a killed bench keeps what it has (see `resume`). progress: wraps the iterable
    of benchmark runs (tqdm). cancelled: a function that is asked several times a second whether to stop;
    then the benchmark run under way ends and what has been measured is returned.
    Raises ValueError for an unknown runtime or kind of kernels, and where none of the runtimes has what is
    asked for; a file that cannot be run is "failed".
    """
    asked = {"files": [str(file) for file in files], "runtimes": [*runtimes], "kernels": [*kernels],
             "threads": [*threads], "processes": processes, "runs": runs, "warmup": warmup,
             "delegates": [str(delegate) for delegate in delegates]}  # fmt: skip
    setups, graphs = _setups(asked), inspected(asked["files"], cancelled)
    if graphs is None:
        return []
    errors = {file: graph["error"] for file, graph in graphs.items() if "error" in graph}
    header = {"bench": asked, "setups": setups, "machine": _machine_text(), "errors": errors, "graphs": graphs}
    if log:
        bench_log.append(log, header)
    return _take(header, [], log, progress, cancelled)


def resume(log, progress=None, cancelled=None):
    """Goes on with the bench that wrote this log, where it ended; returns what `bench` would have.

    Raises ValueError where a file has changed since.
    """
    header, *lines = bench_log.read(log)
    graphs = inspected(header["bench"]["files"], cancelled)
    for file in graphs or ():
        if graphs[file] != header["graphs"][file]:
            raise ValueError(f"{file} is not the file that {log} began with: start a new bench.")
    bench_log.mend(log)
    return _take(header, lines, log, progress, cancelled)


def _machine_text():
    on = timed_machine()
    return f"{on['cpu']}, {on['cores']} cores, {on['os']}, governor {on['governor']}"


def inspected(files, cancelled=None):
    """{file: what `worker.inspect` finds, or {"error": sentence}}, in a process each; None where cancelled."""
    graphs = {file: _child({"file": file}, cancelled) for file in files}
    return None if None in graphs.values() else graphs


def _setups(asked):
    """What is timed, as dicts of the fields that say it, in the order of a round."""
    for name, known in (*((r, RUNTIMES) for r in asked["runtimes"]), *((k, KERNELS[:-1]) for k in asked["kernels"])):
        if name not in known:
            raise ValueError(f"Unknown '{name}': choose from {', '.join(known)}.")
    ways = [(kind, DELEGATES.get(kind)) for kind in asked["kernels"]]
    ways += [("external", library) for library in asked["delegates"]]
    setups = [
        {"file": file, "runtime": runtime, "kernels": kind, "delegate": delegate, "threads": count}
        for file, runtime, (kind, delegate), count in product(asked["files"], asked["runtimes"], ways, asked["threads"])
        if (kind != "external" or runtime != COMPILED)
        and (kind != "gpu" or (runtime == COMPILED and count == asked["threads"][0]))  # CPU threads are nothing to it
    ]
    if not setups:
        raise ValueError("There is nothing to time: gpu needs compiled_model, external delegates an interpreter.")
    return setups


def _take(header, lines, log, progress, cancelled):
    asked = header["bench"]
    with tempfile.TemporaryDirectory() as folder:
        outputs = {}

        def run(setup, first):
            output = str(Path(folder) / f"{len(outputs)}.npy")
            library = setup["delegate"] if setup["kernels"] == "external" else None
            task = setup | {"delegate": library, "warmup": asked["warmup"], "runs": asked["runs"]}
            answer = _child(task | ({"output": output} if first else {}), cancelled)
            if answer is None or "error" in answer:
                return answer
            if first:
                reference = outputs.setdefault(setup["file"], output)
                answer["agreement_percent"] = _agreement(np.load(reference), np.load(output))
                outputs[output] = output
            graph = header["graphs"][setup["file"]]
            found = {"verdict": _verdict(setup, graph, answer), "software": _software(answer), "note": _note(answer)}
            return answer | found

        return bench_log.take(header, run, lines, log, progress)


def _agreement(one, other):
    """How many percent of two outputs' pixels have the same class; logits [1, H, W, C] by their largest."""
    one, other = (a.argmax(-1) if a.ndim == 4 and a.shape[-1] > 1 else a for a in (one, other))
    return 100 * float(np.mean(one == other)) if one.shape == other.shape else 0.0


def _child(task, cancelled=None):
    """The worker's answer; {"error": sentence} where it died; None where it was cancelled."""
    command = [sys.executable, "-m", "mosaiclib.latency.host.worker", json.dumps(task)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    deadline = time.monotonic() + TIMEOUT_S
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=environment
    ) as worker:
        try:
            while True:
                if cancelled and cancelled():
                    return None
                try:
                    stdout, stderr = worker.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() > deadline:
                        return {"error": f"It took more than {TIMEOUT_S} s."}
        finally:
            worker.kill()  # does nothing to one that has ended
    if worker.returncode < 0:
        return {"error": f"The runtime crashed (signal {-worker.returncode}) on {task['file']}."}
    try:
        answer = json.loads(stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return {"error": f"The runtime ended without an answer: {shortened(stderr, 400)}"}
    if "runtime" in task and "error" not in answer:
        answer |= _said(stderr)
    return answer


def _said(stderr):
    """What a runtime says of itself: the delegates it created, and the GPU's adapter."""
    created = re.findall(r"Created TensorFlow Lite (\S+) delegate", stderr)
    adapter = re.search(r"Selected adapter: (.*)", stderr)
    return {"created": sorted(set(created)), "adapter": adapter[1] if adapter else None}


def _verdict(setup, graph, answer):
    """From the file's own operations, and those found delegated or found running in the interpreter."""
    if "fully_accelerated" in answer:
        return "full" if answer["fully_accelerated"] and answer["adapter"] else "unknown"
    delegated = answer.get("delegated_ops", graph["ops"] - answer.get("own_ops", 0))
    if answer.get("ops", graph["ops"]) != graph["ops"]:
        return "unknown"
    if delegated and setup["kernels"] != "external" and not answer["created"]:
        return "unknown"  # operations are gone, and the runtime does not say that it made a delegate
    return verdicts.of_counts(setup["delegate"], graph["ops"], delegated)


def _software(answer):
    """Whether what was taken for a GPU is a program on the CPU."""
    return bool(re.search("software|swiftshader|llvmpipe|lavapipe", answer["adapter"] or "", re.IGNORECASE))


def _note(answer):
    if _software(answer):
        return f"a GPU in software ({answer['adapter'].split(',')[0]}): its result counts, its time does not"
    return answer["adapter"] or ""

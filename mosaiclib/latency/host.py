"""Latency on this machine's CPU, as the paper measures it: separate benchmark runs, averaged (section 6.2).

Each benchmark run is a process of its own, and the configurations take turns round by round, so that a
machine that drifts does not favour one. This is a computer, not a phone: its milliseconds compare runtimes
and networks with each other and say little about a Pixel 4.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from mosaiclib.latency.worker import RESOLVERS, RUNTIMES

WIDE_SPREAD = 0.15  # standard deviation over mean of the processes' means
TIMEOUT_S = 300


@dataclass(frozen=True)
class Measurement:
    """One file on one runtime. Times are of the processes' means: mean, median, p90 and standard deviation.

    kernels: "reference", "builtin" (optimised, no delegate) or "xnnpack" (the runtime's default, which
    applies XNNPACK where it can). verdict: "full", "partial r/t", "none" or "failed", from the operations
    found delegated and never from what was asked for. n: processes that answered. note: one sentence where
    something is to be said.
    """

    model: str
    file: str
    runtime: str
    version: str | None
    kernels: str
    threads: int
    verdict: str
    n: int
    mean_ms: float | None = None
    median_ms: float | None = None
    p90_ms: float | None = None
    std_ms: float | None = None
    init_ms: float | None = None
    first_ms: float | None = None
    peak_memory_mb: float | None = None
    note: str = ""


def installed_runtimes():
    """The names of the runtimes that are installed here."""
    return [name for name, (module, _) in RUNTIMES.items() if importlib.util.find_spec(module.split(".")[0])]


def bench(files, runtimes, kernels=("xnnpack", "builtin"), threads=(1,), processes=10, runs=10, warmup=2,
          log=None, progress=None, cancelled=None):  # fmt: skip
    """Times .tflite files in every combination of runtime, kernels and threads; returns [Measurement].

    processes: benchmark runs per combination, each of `warmup` + `runs` inferences. log: a file to which
    each process's answer is appended as a line of JSON when it comes, so that a killed bench keeps what it
    has. progress: wraps the iterable of benchmark runs (tqdm). cancelled: a function that is asked several
    times a second whether to stop; then the benchmark run under way ends and what has been measured is returned.
    Raises ValueError for an unknown runtime or kind of kernels; a file that cannot be run is "failed".
    """
    for name, known in (*((r, RUNTIMES) for r in runtimes), *((k, RESOLVERS) for k in kernels)):
        if name not in known:
            raise ValueError(f"Unknown '{name}': choose from {', '.join(known)}.")
    setups = [
        {"file": str(file), "runtime": runtime, "kernels": kind, "threads": count}
        for file, runtime, kind, count in product(files, runtimes, kernels, threads)
    ]
    answers = {index: [] for index in range(len(setups))}
    turns = [(turn, index) for turn in range(processes) for index in answers]
    for turn, index in progress(turns) if progress else turns:
        if any("error" in answer for answer in answers[index]):
            continue
        answer = _one_process(setups[index] | {"warmup": warmup, "runs": runs}, cancelled)
        if answer is None:
            break
        answers[index].append(answer)
        if log:
            with open(log, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"turn": turn, **setups[index], **answer}) + "\n")
    return [_summary(setup, answers[index]) for index, setup in enumerate(setups) if answers[index]]


def _one_process(task, cancelled=None):
    """The worker's answer; {"error": sentence} where it died; None where it was cancelled."""
    command = [sys.executable, "-m", "mosaiclib.latency.worker", json.dumps(task)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    deadline = time.monotonic() + TIMEOUT_S
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
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
            worker.kill()  # no news to one that has ended
    if worker.returncode < 0:
        return {"error": f"The runtime crashed (signal {-worker.returncode}) on {task['file']}."}
    try:
        return json.loads(stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return {"error": f"The runtime ended without an answer: {' '.join(stderr.split())[-200:]}"}


def _summary(setup, answers):
    model = Path(setup["file"]).stem
    errors = [answer["error"] for answer in answers if "error" in answer]
    if errors:
        return Measurement(model, verdict="failed", n=0, version=None, note=errors[0], **setup)
    means = sorted(statistics.fmean(answer["times_ms"]) for answer in answers)
    mean, std = statistics.fmean(means), statistics.stdev(means) if len(means) > 1 else 0.0
    return Measurement(
        model,
        version=answers[0]["version"],
        verdict=verdict(answers[0]),
        n=len(answers),
        mean_ms=mean,
        median_ms=statistics.median(means),
        p90_ms=means[min(len(means) - 1, int(0.9 * len(means)))],
        std_ms=std,
        init_ms=statistics.median(answer["init_ms"] for answer in answers),
        first_ms=statistics.median(answer["first_ms"] for answer in answers),
        peak_memory_mb=max(answer["peak_memory_mb"] for answer in answers),
        note="the spread is too wide to compare closely" if std > WIDE_SPREAD * mean else "",
        **setup,
    )


def verdict(answer):
    """full, partial r/t or none: how many operations of the graph a delegate ran."""
    if not answer["delegated_ops"]:
        return "none"
    if answer["delegated_ops"] == answer["ops"]:
        return "full"
    return f"partial {answer['delegated_ops']}/{answer['ops']}"


def as_rows(measurements):
    """The measurements as plain dicts, for JSON and tables."""
    return [asdict(measurement) for measurement in measurements]

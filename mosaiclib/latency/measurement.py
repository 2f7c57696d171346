"""One measurement, and what it is made of."""

import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

WIDE_SPREAD = 0.15  # standard deviation over mean of the benchmark runs' means


@dataclass(frozen=True)
class Measurement:
    """One file on one runtime, as several benchmark runs found it, each a process of its own.

    mean_ms, std_ms: of the runs' mean latencies, as the paper averages them. median_ms, p90_ms: of all
    inferences where each is known, else of the runs' means. init_ms, first_ms, warmup_ms: medians over runs
    of the time to load the graph, the first inference, and the mean of those to warm up. memory_mb: by how
    much the process grew at its peak since before the graph was loaded; peak_memory_mb: the whole process.
    n: benchmark runs that answered. kernels: what was asked for: "reference", "builtin" (no delegate),
    "xnnpack", "gpu", "external"; on a phone the name of a configuration. delegate: the delegate asked for.
    verdict: what ran it, see `delegates`, and unknown where the runs differ. agreement_percent: how many of
    the output's pixels have the class that the file's first configuration found. machine: CPU or phone.
    conditions: {name: [lowest, highest]} of what may have disturbed it: load, temperatures, thermal status.
    software: the GPU was a program on the CPU, whose times say nothing. input_size: [height, width] of the
    images that the file takes. note: a sentence if one is due.
    """

    model: str
    file: str
    runtime: str
    version: str | None
    kernels: str
    delegate: str | None
    threads: int
    verdict: str
    n: int
    mean_ms: float | None = None
    median_ms: float | None = None
    p90_ms: float | None = None
    std_ms: float | None = None
    init_ms: float | None = None
    first_ms: float | None = None
    warmup_ms: float | None = None
    memory_mb: float | None = None
    peak_memory_mb: float | None = None
    agreement_percent: float | None = None
    machine: str = ""
    conditions: dict = field(default_factory=dict)
    software: bool = False
    input_size: list[int] | None = None
    note: str = ""


def summary(setup, answers, machine) -> Measurement:
    """The measurement that benchmark runs' answers make; `failed` where one of them has an error.

    setup: the fields that say what was timed. answers: [{"verdict", "times_ms": [...] or "mean_ms", ...}].
    """
    errors = [answer["error"] for answer in answers if "error" in answer]
    model = setup.get("model", Path(setup["file"]).stem)
    setup = {name: value for name, value in setup.items() if name != "model"}
    conditions = _ranges([answer.get("conditions", {}) for answer in answers])
    known = {"machine": machine, "conditions": conditions, **setup}
    if errors:
        return Measurement(model, version=None, verdict="failed", n=0, note=errors[0], **known)
    means = [answer.get("mean_ms") or statistics.fmean(answer["times_ms"]) for answer in answers]
    each = [ms for answer in answers for ms in answer.get("times_ms", ())] or means
    mean, std = statistics.fmean(means), statistics.stdev(means) if len(means) > 1 else 0.0
    notes = list(dict.fromkeys(answer["note"] for answer in answers if answer.get("note")))
    if std > WIDE_SPREAD * mean:
        notes.append(f"wide spread, {std / mean:.0%} of the mean")
    verdicts = {answer["verdict"] for answer in answers}
    return Measurement(
        model,
        version=answers[0].get("version"),
        verdict=verdicts.pop() if len(verdicts) == 1 else "unknown",
        n=len(answers),
        mean_ms=mean,
        median_ms=float(np.median(each)),
        p90_ms=float(np.percentile(each, 90)),
        std_ms=std,
        **{name: _middle(answers, name) for name in ("init_ms", "first_ms", "warmup_ms", "memory_mb")},
        peak_memory_mb=max((a["peak_memory_mb"] for a in answers if a.get("peak_memory_mb")), default=None),
        agreement_percent=answers[0].get("agreement_percent"),
        software=any(answer.get("software") for answer in answers),
        note="; ".join(notes),
        **known,
    )


def _ranges(conditions):
    """{name: [lowest, highest]} over benchmark runs."""
    values = {}
    for name, value in (item for one in conditions for item in one.items() if item[1] is not None):
        values.setdefault(name, []).append(value)
    return {name: [min(found), max(found)] for name, found in values.items()}


def _middle(answers, name):
    known = [answer[name] for answer in answers if answer.get(name) is not None]
    return statistics.median(known) if known else None


def as_rows(measurements):
    """The measurements as plain dicts, for JSON and tables."""
    return [asdict(measurement) for measurement in measurements]

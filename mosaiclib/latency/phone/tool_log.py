"""The log of a benchmark_model, TFLite's or LiteRT's, read as a grammar of their own format strings.

Sources: LiteRT's tflite/tools/benchmark (benchmark_model.cc, benchmark_tflite_model.cc), tflite/core/subgraph.cc,
delegates/gpu/common/model_builder.cc, litert/tools/benchmark_litert_model.h, and the wording of their older releases.
The tools print microseconds, LiteRT's also ms with two decimals; here all is ms and MB. Lines that are none of these
are left alone.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

HARMLESS = ("--report_peak_memory_footprint",)  # an older tool may not know it without measuring something else


@dataclass
class Stats:
    """Latencies of one series of inferences, in ms. What the tool did not print is None."""

    count: int | None = None
    mean_ms: float | None = None
    std_ms: float | None = None


@dataclass
class Applied:
    """The tool's word on a delegate: extent is "completely", "partially" (in so many kernels) or "not"."""

    name: str
    extent: str
    kernels: int | None = None


@dataclass
class Replaced:
    """The runtime's word: so many of a subgraph's operations went to a delegate."""

    delegate: str
    replaced: int
    total: int


@dataclass
class Log:
    """One run of a benchmark tool. failure: why there is no result, as one sentence, or None.

    replaced: what the interpreter says; claimed: what delegates say of themselves. gpu_split: operations on
    the GPU and on the CPU. created: delegates that the runtime made, asked for or not. lacking: those that the tool
    could not make and went on without. taken_back: a delegate failed after it was applied, and plain kernels ran.
    backend: of the GPU delegate, the last one that it tried.
    """

    inference: Stats | None = None
    warmup: Stats | None = None
    init_ms: float | None = None
    first_ms: float | None = None
    memory_mb: float | None = None
    peak_memory_mb: float | None = None
    applied: list[Applied] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    claimed: list[Replaced] = field(default_factory=list)
    gpu_split: tuple[int, int] | None = None
    created: list[str] = field(default_factory=list)
    backend: str | None = None
    taken_back: bool = False
    lacking: list[str] = field(default_factory=list)
    unknown_flags: list[str] = field(default_factory=list)
    failure: str | None = None


def parse(text) -> Log:
    """Reads the merged output of one run: plain, as logcat shows it, or pasted into a list or a quotation."""
    log, series, complaint = Log(), [], ""
    begun = Counter()
    for line in _COLOUR.sub("", text.replace("\xa0", " ")).splitlines():
        said = _PREFIX.sub("", line).rstrip(" \t`|\\")
        begun.update(filter(said.startswith, _ONCE))
        for pattern, take in _GRAMMAR:
            if match := pattern.search(said):
                take(log, series, match)
                break
        else:
            complaint = said if said and _COMPLAINT.search(line) else complaint
    if series:
        log.warmup = series[0]
    if len(series) > 1:
        log.inference = series[1]
    runs = max(begun.values(), default=1)
    if runs > 1:
        log.failure = f"This log holds {runs} runs of the benchmark tool: read each by itself."
    elif harmful := [flag for flag in log.unknown_flags if flag.partition("=")[0] not in HARMLESS]:
        log.failure = f"The benchmark tool does not know {' '.join(harmful)}: it measured something else."
    elif re.search(r"(?im)^.*unknown command line flag.*$", text):
        log.failure = (
            "The benchmark tool knows other flags: it is no benchmark_model of Google's (see --tool download)."
        )
    elif log.failure is None and (log.inference is None or log.inference.mean_ms is None):
        log.failure = "The benchmark tool ended without a result."
    if log.failure and complaint and runs == 1:
        log.failure += f" It printed: {complaint}"
    return log


# === Lines ===

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# What stands before a line: marks of Markdown, quotes and grep, a clock, logcat's process, severity and tag (of its own
# formats and Android Studio's two), the severity that the tool prints, and the place in the source.
_PREFIX = re.compile(
    r"^(?:\s+"
    r"|\[?(?:(?:\d{4}[-/])?\d\d[-/]\d\d[T ]|[A-Z][a-z]{2} +\d+ )?\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?[+-]\d{4}|Z)?\]?\s"
    r"|\[ [\d-]+ [\d:.]+ +\d+: *\d+ [VDIWEFA]/\S+ *\]"
    r"|\[ *\d+\.\d+\]\s|\d{9,}\.\d+\s"
    r"|(?:\w+\s+)?\d+\s+\d+\s+[VDIWEFA]\s+\S+\s*:\s|[VDIWEFA]\(\s*\d+:\s*\d+\)\s"
    r"|(?:\d+-\d+/\S+ )?[VDIWEFA]/[^(:]+(?:\(\s*\d+\))?:\s|\d+-\d+\s+\S+\s+\S+\s+[VDIWEFA]\s+"
    r"|(?:INFO|VERBOSE|WARN|WARNING|ERROR|FATAL): "
    r"|\[[\w./]+:\d+\] |[IWEF]\d{4} \S+ +\d+ [\w./]+:\d+\] "
    r"|[>|`•]|[-*+]\s|\d+[.)]\s|\d+:(?=\D))*"
)
_COLOUR = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
_ONCE = ("STARTING!", "Initialized session in", "Inference timings in us", "Model initialization:")  # in a run
# An error by its severity, or in the words of runtimes and delegates that print none.
_COMPLAINT = re.compile(
    r"\b(?:ERROR|FATAL)\b|\b[EF](?:/| )\s*tflite\b"
    r"|NN API returned error|Could not find the specified NNAPI accelerator|NNAPI delegate requested but"
    r"|TfLiteGpuDelegate \w+: |Unable to load external delegate|only supports static-sized|Hint fully delegated"
    r"|[Ii]ncompatible versions between interface library|\bnot found\b|[Pp]ermission denied|No such file"
)


def _stats(log, series, match):
    values = {key: float(value) for key, value in re.findall(rf"(\w+)=({_NUMBER})", match[0])}
    mean = values.get("avg", values.get("curr") if values["count"] == 1 else None)
    series.append(Stats(int(values["count"]), *(None if v is None else v / 1e3 for v in (mean, values.get("std")))))


def _timings(log, series, match):
    found = {name: float(value) / 1e3 for name, value in match.groupdict().items() if value is not None}
    log.init_ms, log.first_ms = found["init"], found.get("first", log.first_ms)
    while len(series) < 2:
        series.append(Stats())
    for stats, mean in zip(series, (found["warmup"], found["inference"]), strict=False):
        stats.mean_ms = mean if stats.mean_ms is None else stats.mean_ms


def _result(log, series, match):
    """A line of LiteRT's summary, which counts where the finer lines above it are missing (a log cut by logcat)."""
    while len(series) < 2:
        series.append(Stats())
    stats, value = series[match["series"] == "Inference"], float(match["value"])
    if match["what"] == "first":
        log.first_ms = value if log.first_ms is None else log.first_ms
    elif match["what"] == "avg" and stats.mean_ms is None:
        stats.mean_ms, stats.count = value, int(match["count"] or 0) or None
    elif match["what"] == "std" and stats.std_ms is None:
        stats.std_ms = value


def _applied(log, series, match):
    kernels = match["kernels"]
    log.applied.append(Applied(match["name"], match["extent"], int(kernels) if kernels else None))


def _replaced(log, series, match):
    log.replaced.append(Replaced(match["name"], int(match["r"]), int(match["t"])))


def _claimed(log, series, match):
    log.claimed.append(Replaced(match["name"].removesuffix(" delegate"), int(match["r"]), int(match["t"])))


def _not_created(log, series, match):
    """The tool goes on without the delegate and exits with 0."""
    known = {"nnapi_library": "NNAPI", "external_library": "EXTERNAL", "hexagon": "Hexagon"}
    named = match.groupdict()
    log.lacking.append(next(known.get(group, value) for group, value in named.items() if value))


def _split(log, series, match):
    log.gpu_split = int(match["gpu"]), int(match["cpu"])


def _failed(log, series, match):
    reason = match[0].rstrip(".")
    log.failure = f"{reason}." if log.failure is None else log.failure  # the first says most


def _set(name):
    return lambda log, series, match: setattr(log, name, float(match["value"]))


def _initialized(log, series, match):
    if match["value"] or log.init_ms is None:
        log.init_ms = float(match["value"] or match["rounded"])


_GRAMMAR = [(re.compile(pattern.replace("NUMBER", _NUMBER)), take) for pattern, take in (
    (r"^count=NUMBER(?: \w+=NUMBER)*$", _stats),
    (r"^Inference timings in us: Init: (?P<init>NUMBER), First inference: (?P<first>NUMBER), "
     r"Warmup \(avg\): (?P<warmup>NUMBER), Inference \(avg\): (?P<inference>NUMBER)", _timings),
    (r"^Average inference timings in us: Warmup: (?P<warmup>NUMBER), Init: (?P<init>NUMBER), "
     r"(?:Inference|no stats): (?P<inference>NUMBER)", _timings),
    (r"^Initialized session in (?P<value>NUMBER)ms|^Model initialization: +(?P<rounded>NUMBER) ms", _initialized),
    (r"^(?P<series>Warmup|Inference) \((?P<what>first|avg|std)\): +(?P<value>NUMBER)(?: ms)?"
     r"(?: \((?P<count>\d+) runs\))?$", _result),
    (r"^Memory footprint delta from the start of the tool \(MB\): init=NUMBER overall=(?P<value>NUMBER)",
     _set("memory_mb")),
    (r"^Peak memory footprint \(MB\): init=NUMBER overall=(?P<value>NUMBER)", _set("memory_mb")),
    (r"^Overall peak memory footprint \(MB\) via periodic monitoring: (?P<value>NUMBER)", _set("peak_memory_mb")),
    (r"^Overall footprint: +(?P<value>NUMBER) MB", _set("memory_mb")),
    (r"^Peak memory: +(?P<value>NUMBER) MB", _set("peak_memory_mb")),
    (r"^Explicitly applied (?P<name>.+) delegate, and the model graph will be (?P<extent>completely|partially) "
     r"executed by the delegate(?: w/ (?P<kernels>\d+) delegate kernels)?", _applied),
    (r"^Applied (?P<name>.+) delegate, and the model graph will be (?P<extent>completely|partially) "
     r"executed w/ the delegate(?P<kernels>)", _applied),
    (r"^Though (?P<name>.+) delegate is explicitly applied, the model graph will (?P<extent>not) be "
     r"executed by the delegate(?P<kernels>)", _applied),
    (r"Replacing (?P<r>\d+) out of (?P<t>\d+) node\(s\) with delegate \((?P<name>[^)]*)\) node",
     _replaced),
    (r"(?<![\w .-])(?P<name>[\w .-]*?[\w.-]): (?P<r>\d+) nodes delegated out of (?P<t>\d+) nodes", _claimed),
    (r"^(?:First )?(?P<gpu>\d+) operations will run on the GPU, and the remaining (?P<cpu>\d+)", _split),
    (r"^No operations will run on the GPU, and all (\d+)",
     lambda log, series, match: setattr(log, "gpu_split", (0, int(match[1])))),
    (r"Created TensorFlow Lite (?:(\S+) delegate|delegate for ([^.]+))",
     lambda log, series, match: log.created.append(match[1] or match[2])),
    (r"^(\S+) delegate created\.|^Successfully applied the (default) TensorFlow Lite delegate",
     lambda log, series, match: log.created.append(match[1] or match[2])),
    (r"Initialized (OpenCL|OpenGL)-based API", lambda log, series, match: setattr(log, "backend", match[1])),
    (r"Falling back to (OpenGL)", lambda log, series, match: setattr(log, "backend", match[1])),
    # The runtime takes every delegate back, the one that was asked for, too.
    (r"^Restored original execution plan after delegate application failure"
     r"|resetting to original execution plan|all previously applied delegates are reverted",
     lambda log, series, match: setattr(log, "taken_back", True)),
    (r"^Could not create (?P<name>.+?) delegate|^(?P<other>\S+) acceleration is unsupported on this platform"
     r"|^(?P<nnapi_library>Couldn't load NNAPI support library)"
     r"|^(?P<external_library>Unable to load external delegate)|^(?P<hexagon>Hexagon Delegate is not supported)",
     _not_created),
    (r"^Unconsumed cmdline flags: (.+)", lambda log, series, match: log.unknown_flags.extend(match[1].split())),
    (r"^(?:Failed to (?:apply .+ delegate|load model|initialize (?:the interpreter|model loader)|allocate tensors"
     r"|set thread number|parse flag|compile model|create litert environment|create (?:in|out)put buffer).*"
     r"|Run failed.*|Disallowed CPU fallback detected.*|CANNOT LINK EXECUTABLE.*"
     r"|(?:Segmentation fault|Aborted|Killed|Illegal instruction)\b.*)", _failed),
    (r"^Benchmarking failed.*", _failed),
)]  # fmt: skip

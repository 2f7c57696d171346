"""The benchmark tools' logs, written from the tools' own format strings in every form that releases print."""

import random

import pytest

from mosaiclib.latency.phone import tool_log
from mosaiclib.latency.verdicts import of_log

FULL = "Explicitly applied {} delegate, and the model graph will be completely executed by the delegate."
PARTLY = (
    "Explicitly applied {} delegate, and the model graph will be partially executed by the delegate "
    "w/ {} delegate kernels."
)
NOT = "Though {} delegate is explicitly applied, the model graph will not be executed by the delegate."
REPLACING = "Replacing {} out of {} node(s) with delegate ({}) node, yielding {} partitions for subgraph 0 (main)."
GPU_OPS = "{} operations will run on the GPU, and the remaining {} operations will run on the CPU."
NO_GPU_OPS = "No operations will run on the GPU, and all {} operations will run on the CPU."

PREFIXES = {
    "plain": lambda severity, text: f"{severity}: {text}",
    "old": lambda severity, text: text,
    "threadtime": lambda severity, text: f"11-24 18:27:09.123  4321  4567 {severity[0]} tflite  : {severity}: {text}",
    "brief": lambda severity, text: f"{severity[0]}/tflite  ( 4321): {text}",
    "time": lambda severity, text: f"11-24 18:27:09.123 {severity[0]}/tflite(4321): {severity}: {text}",
    "long": lambda severity, text: f"[ 11-24 18:27:09.123  4321: 4567 {severity[0]}/tflite   ]\r\n{text}\r\n",
    "thread": lambda severity, text: f"{severity[0]}( 4321: 4567) {text}",
    "year, zone and user": lambda severity, text:
        f"2024-11-24 18:27:09.123 +0100 shell  4321  4567 {severity[0]} tflite: {text}",
    "epoch": lambda severity, text: f"1732471629.123  4321  4567 {severity[0]} tflite  : {text}",
    "studio": lambda severity, text:
        f"2024-11-24 18:27:09.123  4321-4567  tflite       org.example     {severity[0]}  {severity}: {text}",
    "old studio": lambda severity, text: f"11-24 18:27:09.123 4321-4567/org.example {severity[0]}/tflite: {text}",
    "list": lambda severity, text: f"  - {severity}: {text}  ",
    "stars in a quotation": lambda severity, text: f"> > * {severity}: {text}\r",
    "numbers": lambda severity, text: f"12. `{severity}: {text}`",
    "table": lambda severity, text: f"| {severity}: {text} |",
    "grep": lambda severity, text: f"12:{severity}: {text}",
    "action": lambda severity, text: f"2024-11-24T18:27:09.1234567Z \x1b[36;1m{severity}: {text}\x1b[0m",
    "clock": lambda severity, text: f"[18:27:09] {severity}:\xa0{text}",
    "kernel": lambda severity, text: f"[   12.345678] {severity}: {text}",
    "colour": lambda severity, text: f"\x1b[32m11-24 18:27:09.123  4321  4567 {severity[0]} tflite  : {text}",
}  # fmt: skip


def run(*said, us=(92113, 90111.5, 88000.25), counts=(3, 50), percentiles=True, memory=True):
    """The (severity, text) lines of a run whose first, warm-up and mean times are `us`, around what delegates say."""
    first, warm, mean = us
    more = f" p5={int(mean) - 9} median={int(mean) + 2} p95={int(mean) + 99}" if percentiles else ""
    lines = [
        "STARTING!", "Log parameter values verbosely: [0]", f"Min num runs: [{counts[1]}]", "Loaded model m.tflite",
        "INFO: Initialized TensorFlow Lite runtime.", *said, "The input model file size (MB): 1.978",
        "Initialized session in 12.5ms.",
        f"count={counts[0]} first={first} curr=9 min=8 max={first} avg={warm:g} std=3{more}",
        "Running benchmark for at least 50 iterations and at least 0 seconds but terminate if exceeding 150 seconds.",
        f"count={counts[1]} first={int(mean)} curr=7 min=87000 max=99000 avg={mean:g} std=250{more}",
        f"Inference timings in us: Init: 12500, First inference: {first}, Warmup (avg): {warm:g}, "
        f"Inference (avg): {mean:g}",
        "Timings (microseconds): count=99 first=1 curr=1 min=1 max=1 avg=1 std=1",
    ]  # fmt: skip
    if memory:
        lines += [
            "Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE",
            "Memory footprint delta from the start of the tool (MB): init=1.5 overall=33.25",
            "Overall peak memory footprint (MB) via periodic monitoring: 41.5",
        ]
    return [line if isinstance(line, tuple) else ("INFO", line) for line in lines]


def written(lines, prefix="plain"):
    return "\n".join(PREFIXES[prefix](*line) for line in lines)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_gives_the_same_numbers(prefix):
    lines = run(FULL.format("GPU"), ("VERBOSE", REPLACING.format(100, 100, "TfLiteGpuDelegateV2", 1)))
    noise = "11-24 18:27:09.130  900   911 W ActivityManager: count=7 avg=1 Slow operation"
    log = tool_log.parse(f"{noise}\n{written(lines, prefix)}\n{noise}")
    assert (log.init_ms, log.first_ms, log.warmup.mean_ms) == (12.5, 92.113, pytest.approx(90.1115))
    assert log.inference == tool_log.Stats(50, pytest.approx(88.0, rel=1e-4), 0.25)
    assert (log.memory_mb, log.peak_memory_mb, log.failure) == (33.25, 41.5, None)
    assert of_log(log, "GPU") == "full"
    fenced = tool_log.parse(f"Here it is:\r\n```text\r\n{written(lines, prefix)}\r\n```\r\n")
    assert fenced == log


@pytest.mark.parametrize("prefix", PREFIXES)
def test_two_runs_in_one_log_are_not_read_as_one(prefix):
    lines = written(run(FULL.format("GPU")), prefix)
    log = tool_log.parse(f"{lines}\n{written(run(NOT.format('GPU')), prefix)}")
    assert of_log(log, "GPU") == "failed" and log.failure.startswith("This log holds 2 runs")
    summaries = "Model initialization: 12 ms\nInference (avg):  88.0 ms (50 runs)\n" * 3  # LiteRT's
    assert tool_log.parse(summaries).failure.startswith("This log holds 3 runs")


def test_numbers_in_scientific_notation_and_a_single_run():
    log = tool_log.parse(written(run(us=(1500000, 1.3e6, 1240270.0), percentiles=False, memory=False)))
    assert log.inference.mean_ms == pytest.approx(1240.27)
    log = tool_log.parse("count=1 curr=1.24027e+06\ncount=1 curr=98765 p5=98765 median=98765 p95=98765")
    assert (log.warmup.mean_ms, log.inference.mean_ms, log.inference.count) == (1240.27, 98.765, 1)
    assert tool_log.parse("count=0\ncount=50 avg=7e3").inference.mean_ms == 7
    assert of_log(tool_log.parse("count=50 first=1 curr=1 min=1 max=1 avg=1 std=0"), None) == "failed"  # warm-up


@pytest.mark.parametrize("word", ["Inference", "no stats"])
def test_the_wording_of_2019(word):
    log = tool_log.parse(
        "Applied GPU delegate, and the model graph will be partially executed w/ the delegate.\n"
        "First 60 operations will run on the GPU, and the remaining 40 on the CPU.\nNext operations are not supported\n"
        f"Average inference timings in us: Warmup: 1.5e+06, Init: 2500, {word}: 1.25e+06\n"
        "Peak memory footprint (MB): init=2 overall=9.5"
    )
    assert (log.init_ms, log.warmup.mean_ms, log.inference.mean_ms, log.memory_mb) == (2.5, 1500, 1250, 9.5)
    assert of_log(log, "GPU") == "partial 60/100"


CREATED = "Created TensorFlow Lite XNNPACK delegate for CPU."


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        (None, (), "none"),
        (None, (CREATED,), "implicit"),
        (None, (REPLACING.format(96, 100, "TfLiteXNNPackDelegate", 4),), "implicit"),
        ("XNNPACK", (CREATED,), "unknown"),
        ("XNNPACK", (PARTLY.format("XNNPACK", 2), REPLACING.format(96, 100, "TfLiteXNNPackDelegate", 4)),
         "partial 96/100"),
        # A graph cut into two pieces of one delegate has no operation on the CPU, whatever "partially" says.
        ("NNAPI", (PARTLY.format("NNAPI", 2), REPLACING.format(100, 100, "TfLiteNnapiDelegate", 2)), "full"),
        ("GPU", (PARTLY.format("GPU", 3),), "partial"),
        ("GPU", (NOT.format("GPU"), ("ERROR", NO_GPU_OPS.format(100))), "none"),
        ("GPU", (NOT.format("GPU"),), "none"),
        # The more sceptical line counts.
        ("GPU", (FULL.format("GPU"), ("ERROR", GPU_OPS.format(97, 3))), "partial 97/100"),
        ("GPU", (NOT.format("GPU"), REPLACING.format(9, 10, "TfLiteGpuDelegateV2", 1)), "unknown"),
        # Two delegates: what the other one took does not count for the one that was asked for.
        ("GPU", ("Going to apply 2 delegates one after another.", PARTLY.format("GPU", 1),
                 REPLACING.format(60, 100, "TfLiteGpuDelegateV2", 2), PARTLY.format("XNNPACK", 1),
                 REPLACING.format(41, 41, "TfLiteXNNPackDelegate", 1)), "partial 60/100"),
        ("GPU", (NOT.format("GPU"), CREATED, REPLACING.format(100, 100, "TfLiteXNNPackDelegate", 1)), "none"),
        ("EXTERNAL", (PARTLY.format("EXTERNAL", 1),
                      "TfLiteQnnDelegate delegate: 98 nodes delegated out of 100 nodes with 2 partitions."),
         "partial 98/100"),
        # What takes a delegate back takes the verdict back.
        ("Hexagon", (("WARN", "Could not create Hexagon delegate: platform may not support delegate or required "
                      "libraries are missing"),), "none"),
        ("GPU", (("WARN", "GPU acceleration is unsupported on this platform."),), "none"),
        ("NNAPI", (("WARN", "NNAPI acceleration is unsupported on this platform."), CREATED), "none"),
        ("GPU", (("WARN", "NNAPI acceleration is unsupported on this platform."), FULL.format("GPU")), "full"),
        ("GPU", (FULL.format("GPU"), ("ERROR", "Restored original execution plan after delegate application failure.")),
         "none"),
        ("XNNPACK", (FULL.format("XNNPACK"), ("ERROR", "Cannot allow dynamic tensors due to previous delegation, "
                     "resetting to original execution plan.")), "none"),
        ("GPU", (PARTLY.format("GPU", 1), REPLACING.format(60, 100, "TfLiteGpuDelegateV2", 2),
                 "Error in applying the default TensorFlow Lite delegate indexed at 0, and all previously applied "
                 "delegates are reverted."), "none"),
        (None, ("Successfully applied the default TensorFlow Lite delegate indexed at 0.",), "implicit"),
        (None, ("XNNPACK delegate created.",), "implicit"),
        ("NNAPI", (("WARN", "Couldn't load NNAPI support library from path: /x.so"),), "none"),
        ("EXTERNAL", ("Unable to load external delegate from : /x.so (dlopen failed: library not found)",), "none"),
        # LiteRT's own names.
        ("GPU", (PARTLY.format("GPU", 2), REPLACING.format(96, 100, "LITERT_CL", 2)), "partial 96/100"),
        ("GPU", (FULL.format("GPU"), REPLACING.format(100, 100, "LITERT_WEBGPU", 1)), "full"),
        ("EXTERNAL", (PARTLY.format("EXTERNAL", 1), REPLACING.format(7, 9, "DispatchDelegate", 1),
                      REPLACING.format(2, 2, "YNNPackDelegate", 1)), "partial 7/9"),
        ("XNNPACK", (REPLACING.format(9, 9, "YNNPackDelegate", 1),), "unknown"),
        ("Hexagon", ("Created TensorFlow Lite delegate for Hexagon.",
                     "Hexagon delegate: 125 nodes delegated out of 125 nodes with 1 partitions.",
                     FULL.format("Hexagon")), "full"),
    ],
)  # fmt: skip
def test_verdicts_come_from_what_the_log_says(asked, said, expected):
    for prefix in PREFIXES:
        assert of_log(tool_log.parse(written(run(*said), prefix)), asked) == expected, prefix


def test_a_hard_failure_after_all_nodes_were_delegated():
    log = tool_log.parse(written([
        ("INFO", "Hexagon delegate: 125 nodes delegated out of 125 nodes with 1 partitions."),
        ("ERROR", "Failed to apply Hexagon delegate."), ("ERROR", "Benchmarking failed."),
    ]))  # fmt: skip
    assert of_log(log, "Hexagon") == "failed" and log.failure == "Failed to apply Hexagon delegate."


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_the_phone_printed_is_in_the_reason(prefix):
    why = "Could not find the specified NNAPI accelerator: google-edgetpu. Must be one of: {nnapi-reference}."
    lines = [("ERROR", why), ("ERROR", "Restored original execution plan after delegate application failure."),
             ("ERROR", "Failed to apply NNAPI delegate."), ("ERROR", "Benchmarking failed.")]  # fmt: skip
    log = tool_log.parse(written(lines, prefix))
    assert log.failure == f"Failed to apply NNAPI delegate. It printed: {why}"
    log = tool_log.parse("sh: /data/local/tmp/x/0-benchmark_model: not found")
    assert log.failure.endswith("without a result. It printed: sh: /data/local/tmp/x/0-benchmark_model: not found")


def test_opencl_to_opengl_and_flags_that_the_tool_does_not_know():
    said = (FULL.format("GPU"), "Initialized OpenCL-based API.", ("ERROR", "Falling back to OpenGL"))
    assert tool_log.parse(written(run(*said))).backend == "OpenGL"
    log = tool_log.parse(written(run(("WARN", "Unconsumed cmdline flags: --use_hexagon=true"), *said)))
    assert of_log(log, "Hexagon") == "failed" and "does not know --use_hexagon=true" in log.failure
    log = tool_log.parse(written(run(("WARN", "Unconsumed cmdline flags: --report_peak_memory_footprint=true"), *said)))
    assert log.failure is None and of_log(log, "GPU") == "full"


def test_any_text_is_read_without_an_error():
    generator = random.Random(0)
    lines = written(run(FULL.format("GPU"))).encode()
    for _ in range(300):
        broken = bytearray(lines)
        for _ in range(30):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        tool_log.parse(broken.decode(errors="replace"))

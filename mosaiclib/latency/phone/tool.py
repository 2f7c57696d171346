"""The benchmark tools that run on a phone: where to get one, and its flags for a configuration.

Google has two programs called benchmark_model. TFLite's runs the interpreter and knows every delegate by a flag;
LiteRT's runs CompiledModel (litert/tools/benchmark_litert_model.h) and knows accelerators: CPU with XNNPACK, and GPU.
"""

import re
from pathlib import Path

# TFLite's own, which has a way for every configuration.
TOOL = (
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest/"
    "android_aarch64_benchmark_model"
)

# What a configuration asks for: (the delegate as the tool names it, threads, flags of TFLite's tool). The order of
# the flags is the order in which delegates are applied. Without --use_xnnpack the tool would apply it by itself.
CONFIGURATIONS = {
    "cpu1": (None, 1, ("--use_xnnpack=false",)),
    "cpu4": (None, 4, ("--use_xnnpack=false",)),
    "xnnpack1": ("XNNPACK", 1, ("--use_xnnpack=true",)),
    "xnnpack4": ("XNNPACK", 4, ("--use_xnnpack=true",)),
    "gpu": ("GPU", 1, ("--use_gpu=true", "--use_xnnpack=false")),
    "nnapi": ("NNAPI", 1, ("--use_nnapi=true", "--use_xnnpack=false")),
    "hexagon": ("Hexagon", 1, ("--use_hexagon=true", "--use_xnnpack=false")),
    "edgetpu": ("NNAPI", 1, ("--use_nnapi=true", "--nnapi_accelerator_name=google-edgetpu", "--use_xnnpack=false")),
}
# The same for LiteRT's tool, where it has the configuration. Operations that the GPU does not take run on the CPU,
# and the log says so: its own word for "fully accelerated" also holds where the GPU has given one back.
ACCELERATORS = {
    "xnnpack1": ("--use_cpu=true",),
    "xnnpack4": ("--use_cpu=true",),
    "gpu": ("--use_gpu=true", "--use_cpu=false"),
}


def find_tool(path, folder):
    """The benchmark_model binary: a path, or "download" for TFLite's, kept in `folder`.

    There is no checksum to hold that one against; the log of a bench has the one it had.
    Raises ValueError where there is neither.
    """
    if path == "download":
        import pooch

        try:
            return pooch.retrieve(TOOL, known_hash=None, fname=Path(TOOL).name, path=folder)
        except OSError as error:
            raise ValueError(f"{TOOL} could not be downloaded: {' '.join(str(error).split())}.") from None
    if not path:
        raise ValueError(f"The phone needs TFLite's benchmark_model: give --tool its path (from {TOOL}), or download.")
    return path


def known_flags(help_text) -> set[str]:
    """The names of the flags that a tool's --help lists."""
    return set(re.findall(r"--(?:\[no\])?([a-z]\w*)", help_text))


def flags(setup, runs, pushed, known=frozenset()):
    """The flags for a setup of `bench_log`: just so many inferences, on one file, in one way.

    pushed: {file here: file on the phone}. known: the flags that the tool lists; TFLite's are taken where it lists
    none. Raises ValueError where the tool has no way to run the configuration.
    """
    way = _way(setup, pushed, known)
    return [
        f"--graph={pushed[setup['file']]}",
        f"--num_threads={setup['threads']}",
        f"--num_runs={runs}",
        "--min_secs=0",  # else runs is only the least
        "--warmup_runs=3",
        "--report_peak_memory_footprint=true",
        *way,
    ]


def _way(setup, pushed, known):
    configuration = setup["kernels"]
    if "use_cpu" in known and "use_xnnpack" not in known:
        if configuration not in ACCELERATORS:
            raise ValueError(
                f"This benchmark_model is LiteRT's, which has no way to run '{configuration}' (it has "
                f"{', '.join(ACCELERATORS)}): take TFLite's, with --tool download."
            )
        return ACCELERATORS[configuration]
    if configuration == "external":
        return f"--external_delegate_path={pushed[setup['delegate']]}", "--use_xnnpack=false"
    return CONFIGURATIONS[configuration][2]

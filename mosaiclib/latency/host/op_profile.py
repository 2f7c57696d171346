"""How long each operation takes, and which were left to the interpreter: LiteRT's own profiler.

The Python package does not offer it; its library's C interface does (litert_profiler.h). Called in a
process of its own: `python -m mosaiclib.latency.host.op_profile '{"file": ...}'` prints one JSON object.
"""

import ctypes
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from mosaiclib.wording import shortened

KERNEL_MODES = {"xnnpack": 0, "reference": 1, "builtin": 2}  # litert_cpu_options.h

# Kinds of layers by the names of TFLite's operations and of XNNPACK's kernels; the first that matches.
KINDS = (
    ("depthwise convolution", "DEPTHWISE|DWConv"),
    ("convolution", "CONV_2D|Convolution|Fully Connected|FULLY_CONNECTED|Deconvolution"),
    ("resize", "RESIZE|Resize"),
    ("argmax", "ARG_MAX|ArgMax"),
    ("pooling, mean", "POOL|Pool|MEAN|Mean|Reduce"),
    ("concatenation, copy", "CONCAT|Concat|Copy|PACK|PAD|Pad|SLICE|Slice|RESHAPE|TRANSPOSE|Transpose"),
    ("quantise, dequantise", "QUANTIZE|Convert"),
    ("add, multiply", "ADD|Add|MUL|Mul|SUB|Subtract"),
)
_ROW = re.compile(
    r"^\s*(?P<kind>\S.*?)\s{2,}[\d.]+\s+[\d.]+\s+(?P<mean>[\d.]+)\s+[\d.]+%\s+[\d.]+%\s+[\d.]+\s+(?P<calls>\d+)\s+"
    r"\[(?P<who>Builtin|Delegate)\]:(?P<node>\d+)\s*$",
    re.MULTILINE,
)


def profile(file, kernels="xnnpack", threads=1, runs=3):
    """Runs a .tflite on LiteRT's CPU with its profiler on.

    Returns {"operations": [{"name", "kind", "delegated", "ms"}], "own_ops": how many of the graph's
    operations no delegate took}; ms: per inference. Raises RuntimeError where the library refuses.
    """
    lib = ctypes.CDLL(str(Path(find_spec("ai_edge_litert").origin).parent / "libLiteRt.so"))
    graph = _Graph(lib, file, {"kernel_mode": KERNEL_MODES[kernels], "num_threads": threads})
    rows = list(_ROW.finditer(graph.profiled(runs).partition("Top by Computation Time")[0]))
    if not rows:
        raise RuntimeError("LiteRT's profiler said nothing.")
    operations = {}
    for row in rows:
        key = row["kind"].removeprefix("Delegate/"), row["who"] == "Delegate", row["node"]
        operations[key] = float(row["mean"]) * int(row["calls"]) / runs
    return {
        "operations": [
            {"name": name, "kind": kind_of(name), "delegated": delegated, "ms": ms}
            for (name, delegated, _), ms in operations.items()
        ],
        "own_ops": len({node for _, delegated, node in operations if not delegated}),
    }


def in_a_process(file, kernels="xnnpack", threads=1, runs=3):
    """What `profile` finds, in a process of its own, which a file may crash. Raises ValueError where it fails."""
    task = json.dumps({"file": str(file), "kernels": kernels, "threads": threads, "runs": runs})
    done = subprocess.run(
        [sys.executable, "-m", "mosaiclib.latency.host.op_profile", task],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise ValueError(f"{file} could not be profiled: {shortened(done.stderr, 400)}")
    return json.loads(done.stdout.splitlines()[-1])


def kind_of(name):
    """The kind of layer that a kernel's name stands for."""
    return next((kind for kind, pattern in KINDS if re.search(pattern, name)), "other")


class _TensorType(ctypes.Structure):
    """LiteRtRankedTensorType: element type, rank and flags in one word, dimensions, strides."""

    _fields_ = (
        ("element", ctypes.c_int),
        ("rank", ctypes.c_uint),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class _Graph:
    """A graph compiled for the CPU with profiling on. What it holds is freed when its process ends."""

    def __init__(self, lib, file, cpu_options):
        self.lib = lib
        self.environment = self._make("CreateEnvironment", 0, None)
        self.model = self._make("CreateModelFromFile", self.environment, os.fsencode(file))
        options = self._make("CreateOptions")
        self._call("SetOptionsHardwareAccelerators", options, 1)  # the CPU's bit
        for name, values in (("runtime_options_string", {"enable_profiling": "true"}), ("xnnpack", cpu_options)):
            self._add(options, name, "".join(f"{key} = {value}\n" for key, value in values.items()))
        self.compiled = self._make("CreateCompiledModel", self.environment, self.model, options)

    def profiled(self, runs):
        """The profiler's summary of that many inferences, as text."""
        profiler = self._make("CompiledModelGetProfiler", self.compiled)
        signature = self._make("GetModelSignature", self.model, ctypes.c_size_t(0))
        buffers = [argument for kind in ("Input", "Output") for argument in self._buffers(kind, signature)]
        self._call("StartProfiler", profiler)
        for _ in range(runs):
            self._call("RunCompiledModel", self.compiled, ctypes.c_size_t(0), *buffers)
        self._call("StopProfiler", profiler)
        summary = ctypes.c_char_p()
        self._call("GetProfileSummary", profiler, self.compiled, ctypes.byref(summary))
        return (summary.value or b"").decode(errors="replace")

    def _buffers(self, kind, signature):
        count = ctypes.c_size_t()
        self._call(f"GetNumSignature{kind}s", signature, ctypes.byref(count))
        buffers = (ctypes.c_void_p * count.value)()
        for i in map(ctypes.c_size_t, range(count.value)):
            tensor = self._make(f"GetSignature{kind}TensorByIndex", signature, i)
            described = _TensorType()
            self._call("GetRankedTensorType", tensor, ctypes.byref(described))
            needs = self._make(f"GetCompiledModel{kind}BufferRequirements", self.compiled, ctypes.c_size_t(0), i)
            buffers[i.value] = self._make(
                "CreateManagedTensorBufferFromRequirements", self.environment, ctypes.byref(described), needs
            )
        return count, buffers

    def _add(self, options, name, text):
        """Attaches options as the library takes them: a name, and a TOML text that it frees."""
        libc = ctypes.CDLL(None)
        libc.strdup.restype = ctypes.c_void_p
        text, free = ctypes.c_void_p(libc.strdup(text.encode())), ctypes.cast(libc.free, ctypes.c_void_p)
        self._call("AddOpaqueOptions", options, self._make("CreateOpaqueOptions", name.encode(), text, free))

    def _make(self, function, *arguments):
        made = ctypes.c_void_p()
        self._call(function, *arguments, ctypes.byref(made))
        return made

    def _call(self, function, *arguments):
        status = getattr(self.lib, f"LiteRt{function}")(*arguments)
        if status:
            raise RuntimeError(f"LiteRt{function} failed with status {status}.")


if __name__ == "__main__":
    print("\n" + json.dumps(profile(**json.loads(sys.argv[1]))))

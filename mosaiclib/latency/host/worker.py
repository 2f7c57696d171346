"""One benchmark run in a process of its own: `python -m mosaiclib.latency.host.worker '{"file": ..., ...}'`.

Prints one JSON object. A crash of a runtime ends this process and not its caller. What the runtime itself
says goes to stderr.
"""

import importlib
import json
import re
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import psutil

from mosaiclib.files import sha256
from mosaiclib.tflite import refusals
from mosaiclib.tflite.graph import TFLiteGraph

COMPILED = "compiled_model"
RUNTIMES = {
    "tflite_runtime": ("tflite_runtime.interpreter", "tflite-runtime"),
    "ai_edge_litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
    COMPILED: ("ai_edge_litert.compiled_model", "ai-edge-litert"),
    "tf.lite": ("tensorflow.lite.python.interpreter", "tensorflow-cpu"),
}
RESOLVERS = {"reference": "BUILTIN_REF", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "AUTO"}
KERNELS = (*RESOLVERS, "gpu", "external")


def inspect(file):
    """A .tflite file read without running it: {"sha256", "ops": how many operations, "input_size": [H, W] or None}.

    Raises ValueError for a file that is none, is damaged, or takes an input of any size.
    """
    if not Path(file).is_file():
        raise ValueError(f"There is no file {file}.")
    graph = TFLiteGraph(file)
    if not graph.inputs:
        raise ValueError(f"{file} takes no input.")
    shape, signature = graph.shape(graph.inputs[0]), graph.signature(graph.inputs[0])
    if any(side < 1 for side in signature[1:]):
        raise ValueError(f"{file} takes an input of any size, {list(signature)}: convert it again with a fixed one.")
    return {
        "sha256": sha256(file),
        "ops": len(graph.operations),
        "input_size": list(shape[1:3]) if len(shape) == 4 else None,
    }


def measure(file, runtime, kernels, threads, warmup, runs, delegate=None, output=None):
    """Runs a .tflite on a photograph: its times in ms, and how many operations a delegate took.

    delegate: the library of an external delegate. output: a file for the last output, as .npy.
    """
    load = psutil.getloadavg()[0]
    module = importlib.import_module(RUNTIMES[runtime][0])
    photograph = _photograph()
    before = psutil.Process().memory_info().rss
    content = Path(file).read_bytes()
    started = time.perf_counter()
    if runtime == COMPILED:
        graph = _Compiled(module, content, kernels, threads)
    else:
        graph = _Interpreter(module, content, kernels, threads, delegate)
    initialised = time.perf_counter()
    graph.write(_pixels(photograph, graph.shape, graph.dtype))
    times = []
    for _ in range(warmup + runs):
        start = time.perf_counter()
        graph.run()
        times.append(1000 * (time.perf_counter() - start))
    peak = _peak_memory()
    if output:
        np.save(output, graph.read())
    return {
        "version": _version(RUNTIMES[runtime][1]),
        "init_ms": 1000 * (initialised - started),
        "first_ms": times[0],
        "warmup_ms": float(np.mean(times[:warmup])) if warmup else None,
        "times_ms": times[warmup:],
        "memory_mb": max(0, peak - before) / 2**20,
        "peak_memory_mb": peak / 2**20,
        "conditions": {"load_1min": round(load, 2)},
        **graph.delegation(file),
    }


class _Interpreter:
    """A graph in one of the three interpreters."""

    def __init__(self, module, content, kernels, threads, delegate):
        plain = kernels == "external"  # no other delegate may take what the library leaves
        self._interpreter = module.Interpreter(
            model_content=content,
            num_threads=threads,
            experimental_op_resolver_type=getattr(module.OpResolverType, RESOLVERS["builtin" if plain else kernels]),
            experimental_delegates=[_load(module, delegate)] if delegate else None,
        )
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details()[0]
        self._index, self.shape, self.dtype = details["index"], details["shape"], details["dtype"]
        self.run = self._interpreter.invoke

    def write(self, pixels):
        self._interpreter.set_tensor(self._index, pixels)

    def read(self):
        return self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])

    def delegation(self, file):
        return delegation(self._interpreter._get_ops_details())


class _Compiled:
    """A graph in LiteRT's CompiledModel, on the CPU or on the GPU alone."""

    def __init__(self, module, content, kernels, threads):
        self._kernels, self._threads = kernels, threads
        if kernels == "gpu":
            chosen = {"hardware_accelerators": module.HardwareAccelerator.GPU}
        else:
            mode = module.CpuKernelMode[kernels.upper()]
            chosen = {
                "hardware_accelerators": module.HardwareAccelerator.CPU,
                "cpu_options": module.CpuOptions(num_threads=threads, kernel_mode=mode),
            }
        try:
            self._model = module.CompiledModel.from_buffer(content, options=module.Options(**chosen))
        except RuntimeError as error:
            if kernels != "gpu":
                raise
            reason = f" ({said})" if (said := refusals.reason(error)) else ""
            raise ValueError(
                f"LiteRT's GPU accelerator could not take the whole graph{reason}: there is no GPU with Vulkan "
                "here, or the graph has an operation that it lacks."
            ) from None
        self._inputs, self._outputs = self._model.create_input_buffers(0), self._model.create_output_buffers(0)
        details = self._inputs[0].get_tensor_details()
        self.shape, self.dtype = details["shape"], np.dtype(details["dtype"])

    def write(self, pixels):
        self._inputs[0].write(pixels)

    def run(self):
        self._model.run_by_index(0, self._inputs, self._outputs)
        if self._kernels == "gpu":
            self.read()  # a GPU returns before its work is done

    def read(self):
        details = self._outputs[0].get_tensor_details()
        return self._outputs[0].read(int(np.prod(details["shape"])), details["dtype"]).reshape(details["shape"])

    def delegation(self, file):
        if self._kernels == "gpu":
            return {"fully_accelerated": self._model.is_fully_accelerated()}
        from mosaiclib.latency.host import op_profile

        return {"own_ops": op_profile.profile(file, self._kernels, self._threads, runs=1)["own_ops"]}


def _photograph():
    """uint8 [H, W, 3] that ships with scikit-image. In noise a trained network finds one class everywhere."""
    import skimage.data

    return skimage.data.astronaut()


def _pixels(photograph, shape, kind):
    """What a graph is given: the photograph, or noise where its input is not an image; floats in [-1, 1]."""
    if len(shape) == 4 and shape[0] == 1 and shape[3] == 3:
        import cv2

        pixels = cv2.resize(photograph, (int(shape[2]), int(shape[1])), interpolation=cv2.INTER_AREA)[None]
    else:
        pixels = np.random.default_rng(0).integers(0, 256, shape)
    if np.issubdtype(kind, np.floating):
        return (pixels / 127.5 - 1).astype(kind)
    return (pixels - 128 if kind == np.int8 else pixels).astype(kind)


def _load(module, library):
    """An external delegate. Raises ValueError that says why it is none."""
    try:
        return module.load_delegate(library)
    except OSError as error:
        missing = re.search(r"(\S+): cannot open shared object file", str(error))
        if not missing:
            raise ValueError(f"{library} cannot be loaded as a delegate: {refusals.reason(error)}.") from None
        others = f"{library} needs {missing[1]}, which" if missing[1] != library else f"The delegate {library}"
        raise ValueError(f"{others} was not found: install the delegate's runtime, or give a path to it.") from None
    except AttributeError:
        raise ValueError(
            f"{library} is not a TFLite delegate: it has no function tflite_plugin_create_delegate."
        ) from None
    except ValueError as error:
        raise ValueError(
            f"The delegate {library} could not start: {refusals.reason(error) or 'it gave no reason'}."
        ) from None


def delegation(operations):
    """How many of the graph's own operations a delegate took over, and in how many pieces.

    Once a delegate is applied, the list ends in a DELEGATE entry per piece; what it replaced are the
    operations that lead from the piece's inputs to its outputs.
    """
    own = [operation for operation in operations if "delegate" not in operation["op_name"].lower()]
    pieces = [operation for operation in operations if "delegate" in operation["op_name"].lower()]
    producer = {tensor: i for i, operation in enumerate(own) for tensor in operation["outputs"]}
    replaced = set()
    for piece in pieces:
        known, open_tensors = set(piece["inputs"]), list(piece["outputs"])
        while open_tensors:
            tensor = open_tensors.pop()
            if tensor in known or tensor not in producer:
                continue
            known.add(tensor)
            replaced.add(producer[tensor])
            open_tensors.extend(own[producer[tensor]]["inputs"])
    return {"ops": len(own), "delegated_ops": len(replaced), "delegate_pieces": len(pieces)}


def _peak_memory():
    """The most memory that this process has had, in bytes.

    Linux's own count: that of getrusage begins with the memory of the process that started this one.
    """
    try:
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
    except OSError:
        if sys.platform == "win32":
            return psutil.Process().memory_info().peak_wset
        import resource  # Windows has none

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # plain tensorflow, outside Linux on x86-64
        return metadata.version("tensorflow")


if __name__ == "__main__":
    try:
        task = json.loads(sys.argv[1])
        answer = measure(**task) if "runtime" in task else inspect(**task)
    except Exception as error:  # whatever a runtime raises is an answer, in one sentence
        answer = {"error": f"{refusals.reason(error) or type(error).__name__}."}
    print("\n" + json.dumps(answer))

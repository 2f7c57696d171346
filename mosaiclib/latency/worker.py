"""One measurement in a process of its own: `python -m mosaiclib.latency.worker '{"file": ..., ...}'`.

Prints one JSON object. A crash of a runtime ends this process and not its caller.
"""

import importlib
import json
import resource
import sys
import time
from importlib import metadata

import numpy as np

RUNTIMES = {
    "tflite_runtime": ("tflite_runtime.interpreter", "tflite-runtime"),
    "ai_edge_litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
    "tf.lite": ("tensorflow.lite.python.interpreter", "tensorflow-cpu"),
}
RESOLVERS = {"reference": "BUILTIN_REF", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "AUTO"}


def measure(file, runtime, kernels, threads, warmup, runs):
    """Loads a .tflite, runs it on random pixels and returns its times in ms and what was delegated."""
    module = importlib.import_module(RUNTIMES[runtime][0])
    with open(file, "rb") as stream:
        content = stream.read()
    if len(content) < 16 or content[4:8] != b"TFL3":
        raise ValueError(f"{file} is not a TFLite model: it does not begin as one.")
    started = time.perf_counter()
    interpreter = module.Interpreter(
        model_content=content,
        num_threads=threads,
        experimental_op_resolver_type=getattr(module.OpResolverType, RESOLVERS[kernels]),
    )
    interpreter.allocate_tensors()
    initialised = time.perf_counter()
    inputs = interpreter.get_input_details()[0]
    pixels = np.random.default_rng(0).integers(0, 256, inputs["shape"])
    if np.issubdtype(inputs["dtype"], np.floating):
        pixels = pixels / 127.5 - 1
    interpreter.set_tensor(inputs["index"], pixels.astype(inputs["dtype"]))
    times = []
    for _ in range(warmup + runs):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(1000 * (time.perf_counter() - start))
    return {
        "version": metadata.version(RUNTIMES[runtime][1]),
        "init_ms": 1000 * (initialised - started),
        "first_ms": times[0],
        "times_ms": times[warmup:],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (2**20 if sys.platform == "darwin" else 2**10),
        **delegation(interpreter._get_ops_details()),
    }


def delegation(operations):
    """How many of the graph's own operations a delegate took over, and in how many pieces.

    Once a delegate is applied, the list ends in a DELEGATE entry per piece; what it replaced are the
    operations that lead from the piece's inputs to its outputs.
    """
    own = [operation for operation in operations if operation["op_name"] != "DELEGATE"]
    pieces = [operation for operation in operations if operation["op_name"] == "DELEGATE"]
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


if __name__ == "__main__":
    try:
        answer = measure(**json.loads(sys.argv[1]))
    except Exception as error:  # whatever a runtime raises is an answer, in one sentence
        answer = {"error": " ".join(str(error).split()) or type(error).__name__}
    print("\n" + json.dumps(answer))

"""The result file of TFLite's benchmark_model (--result_file_path): a protocol buffer, read field by field.

tflite/tools/benchmark/proto/benchmark_result.proto. Preferred to the log, which prints six digits.
"""

import struct

_LATENCY = dict(enumerate(("avg_ms", "min_ms", "max_ms", "stddev_ms", "median_ms", "p5_ms", "p95_ms", "init_ms",
                           "first_inference_ms", "average_warm_up_ms"), 1))  # fmt: skip
_MEMORY = {1: "init_footprint_kb", 2: "overall_footprint_kb", 3: "peak_mem_mb"}
_MISC = {1: "model_size_mb", 2: "num_runs", 3: "num_warmup_runs"}
_MESSAGES = {2: _LATENCY, 3: _MEMORY, 4: _MISC}


def read(content) -> dict:
    """{field name: number} of a BenchmarkResult's bytes. Raises ValueError where they are none."""
    found = {}
    for number, value in _fields(content):
        names = _MESSAGES.get(number)
        if names and isinstance(value, bytes):
            found |= {names[n]: v for n, v in _fields(value, floats=True) if n in names and not isinstance(v, bytes)}
    if "avg_ms" not in found:
        raise ValueError("The result file of the benchmark tool holds no latency.")
    return found


def _fields(content, floats=False):
    """(number, value) of a message's fields in the wire format; 32-bit ones as floats."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, position = _varint(content, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, position = content[position : position + size], position + size
        elif kind == 2:
            size, position = _varint(content, position)
            value, position = content[position : position + size], position + size
        else:
            raise ValueError("The result file of the benchmark tool is damaged.")
        if position > len(content):
            raise ValueError("The result file of the benchmark tool is cut short.")
        yield number, struct.unpack("<f", value)[0] if floats and kind == 5 else value


def _varint(content, position):
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            raise ValueError("The result file of the benchmark tool is cut short.")
        byte = content[position]
        value, position = value | (byte & 127) << shift, position + 1
        if byte < 128:
            return value, position
    raise ValueError("The result file of the benchmark tool is damaged.")

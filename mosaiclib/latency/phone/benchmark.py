"""Latency on an Android phone: TFLite's benchmark_model, driven through adb.

Each benchmark run is a process on the phone. The configurations take turns, and the phone cools down before
each. What was pushed is removed at the end; what has been measured is kept if the phone goes away.
"""

import re
import shlex
import time
from pathlib import Path
from uuid import uuid4

from mosaiclib.files import sha256
from mosaiclib.latency import bench_log, host, verdicts
from mosaiclib.latency.phone import tool, tool_log
from mosaiclib.latency.phone.adb import PhoneGone, find_phone
from mosaiclib.latency.phone.tool import CONFIGURATIONS

PLACE = "/data/local/tmp"
WARMER_BY, LONGEST_WAIT_S = 2.0, 300  # degrees above the start, seconds

THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


def bench(files, program, configurations=tuple(CONFIGURATIONS), processes=10, runs=50, serial=None, delegates=(),
          log=None, progress=None, pause_s=10):  # fmt: skip
    """Times .tflite files on a phone in every configuration; returns [Measurement].

    program: the path of a benchmark_model binary for the phone (`find_tool`). delegates: libraries of external
    delegates for the phone, each a configuration. processes: benchmark runs per
    configuration, each of `runs` inferences. pause_s: the least pause before each. log: see `host.bench`.
    Raises ValueError where there is no phone or no tool; PhoneGone after the runs that finished are in the
    log, which `resume` goes on with.
    """
    asked = {"android": True, "files": [str(f) for f in files], "tool": str(program), "processes": processes,
             "runs": runs, "delegates": [str(d) for d in delegates], "pause_s": pause_s}  # fmt: skip
    for name in configurations:
        if name not in CONFIGURATIONS:
            raise ValueError(f"Unknown configuration '{name}': choose from {', '.join(CONFIGURATIONS)}.")
    ways = [(name, *CONFIGURATIONS[name][:2]) for name in configurations]
    ways += [("external", str(library), 1) for library in delegates]
    setups = [
        {"file": file, "runtime": "benchmark_model", "kernels": way, "delegate": delegate, "threads": threads}
        for file in asked["files"]
        for way, delegate, threads in ways
    ]
    hashes = {path: _sha256(path) for path in _pushed(asked)}
    found = host.inspected(asked["files"])
    graphs = {path: {"sha256": sha256} | found.get(path, {}) for path, sha256 in hashes.items()}
    errors = {path: graph["error"] for path, graph in graphs.items() if "error" in graph}
    phone = find_phone(serial)
    machine = "{model}, {soc}, Android {android}, {abi}".format_map(phone.describe())
    header = {"bench": asked, "setups": setups, "machine": machine, "errors": errors, "graphs": graphs}
    if log:
        bench_log.append(log, header)
    return _take(phone, header, [], log, progress)


def resume(log, serial=None, progress=None):
    """Goes on with the bench that wrote this log, once the phone is back."""
    header, *lines = bench_log.read(log)
    if changed := [path for path, graph in header["graphs"].items() if _sha256(path) != graph["sha256"]]:
        raise ValueError(f"{changed[0]} is not the file that {log} began with: start a new bench.")
    phone = find_phone(serial)
    if phone.describe()["model"] not in header["machine"]:
        raise ValueError(f"{log} began on another phone, {header['machine']}.")
    bench_log.mend(log)
    return _take(phone, header, lines, log, progress)


def _take(phone, header, lines, log, progress):
    asked, folder = header["bench"], f"{PLACE}/mosaic-bench-{uuid4().hex[:8]}"
    gone, pushed = [], {}

    def run(setup, first):
        try:
            return _one_run(phone, setup, asked, folder, pushed, known, start)
        except PhoneGone as error:
            gone.append(error)
            return None

    try:
        phone.shell(f"mkdir {folder}")
        for number, path in enumerate(_pushed(asked)):
            pushed[path] = f"{folder}/{number}-{re.sub(r'[^A-Za-z0-9._-]', '_', Path(path).name)[-60:]}"
            phone.adb("push", path, pushed[path])
        phone.shell(f"chmod 755 {pushed[asked['tool']]}")
        known = tool.known_flags(phone.shell(f"LD_LIBRARY_PATH={folder} {pushed[asked['tool']]} --help")[0])
        start = phone.heat()
        measured = bench_log.take(header, run, lines, log, progress)
    finally:
        try:
            phone.shell(f"rm -rf {folder}")
        except ValueError as error:
            gone.append(PhoneGone(f"{error} What was pushed is still in {folder} on it."))
    if gone:
        kept = f" The {len(bench_log.read(log)) - 1} runs that finished are in {log}." if log else ""
        raise PhoneGone(f"{gone[-1]}{kept}")
    return measured


def _one_run(phone, setup, asked, folder, pushed, known, start):
    try:
        command = [pushed[asked["tool"]], *tool.flags(setup, asked["runs"], pushed, known)]
    except ValueError as error:
        return {"error": str(error)}
    before = _cool(phone, start, asked["pause_s"])
    output, status = phone.shell(f"LD_LIBRARY_PATH={folder} {shlex.join(command)}")
    log = tool_log.parse(output)
    if status and log.failure is None:
        log.failure = f"The benchmark tool ended with status {status}."
    if log.failure:
        return {"error": log.failure}
    after, wanted = phone.heat(), "EXTERNAL" if setup["kernels"] == "external" else setup["delegate"]
    verdict = verdicts.of_log(log, wanted)
    hot = before["thermal_status"]
    notes = [f"the GPU delegate used {log.backend}" if log.backend else "",
             f"began at thermal status {hot} ({THERMAL[min(hot, 6)]})" if hot else ""]  # fmt: skip
    conditions = {**{f"{name}_before": value for name, value in before.items()},
                  **{f"{name}_after": value for name, value in after.items()}}  # fmt: skip
    answer = {"verdict": verdict, "note": "; ".join(filter(None, notes)), "conditions": conditions, "output": output}
    return answer | _numbers(log)


def _numbers(log):
    """An answer's numbers."""
    numbers = {
        "mean_ms": log.inference.mean_ms,
        "init_ms": log.init_ms,
        "first_ms": log.first_ms,
        "warmup_ms": log.warmup.mean_ms,
        "memory_mb": log.memory_mb,
        "peak_memory_mb": log.peak_memory_mb,
        "inferences": log.inference.count,
        "std_of_inferences_ms": log.inference.std_ms,
    }
    return {name: value for name, value in numbers.items() if value is not None}


def _cool(phone, start, pause_s):
    """Waits until the phone is about as warm as at the start and Android does not throttle; its heat then."""
    time.sleep(pause_s)
    waited, heat = 0, phone.heat()
    while waited < LONGEST_WAIT_S and (
        heat["thermal_status"] or (heat["battery_c"] or 0) > (start["battery_c"] or 99) + WARMER_BY
    ):
        time.sleep(min(10, pause_s))
        waited += max(1, min(10, pause_s))
        heat = phone.heat()
    return heat


def _pushed(asked):
    return dict.fromkeys([asked["tool"], *asked["files"], *asked["delegates"]])


def _sha256(path):
    if not Path(path).is_file():
        raise ValueError(f"There is no file {path}.")
    return sha256(path)

"""Benchmark runs in turns, and the log that keeps each when it has ended.

A log's first line says what was asked for, the header: {"bench": arguments, "setups": [what is timed],
"machine": text, "errors": {file: why it is not a graph}, "graphs": {file: what is known of it}}. Each further
line is one benchmark run: its turn, its setup and its answer.
"""

import json
from pathlib import Path
from types import NoneType

from mosaiclib.latency import measurement

SETUP = ("file", "runtime", "kernels", "delegate", "threads")


def take(header, run, lines=(), log=None, progress=None):
    """Runs each setup bench["processes"] times, round by round, less what `lines` of a log hold already.

    run(setup, first): the answer of one benchmark run, or None to stop; first: whether it is its setup's
    first. A setup with an error in an answer is not run again. Returns [Measurement].
    """
    answers = _by_setup(lines)
    turns = [
        (turn, setup)
        for turn in range(header["bench"]["processes"])
        for setup in header["setups"]
        if setup["file"] not in header["errors"] and turn >= len(answers.get(_key(setup), ()))
    ]
    for turn, setup in progress(turns) if progress else turns:
        found = answers.setdefault(_key(setup), [])
        if any("error" in answer for answer in found):
            continue
        answer = run(setup, not found)
        if answer is None:
            break
        found.append(answer)
        if log:
            append(log, {"turn": turn, **setup, **answer})
    return _measurements(header, answers)


def show(log):
    """What a log holds so far, as [Measurement]; nothing is run."""
    header, *lines = read(log)
    return _measurements(header, _by_setup(lines))


def append(log, line):
    """Adds a line, so that a killed bench keeps what it has."""
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(line, allow_nan=False) + "\n")


def read(log):
    """A log's header, then one dict per benchmark run; a last line that a kill cut short is left out.

    Raises ValueError for a file that is no such log.
    """
    try:
        text = Path(log).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{log} is not the log of a bench.") from None
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True)):
        try:
            lines.append(json.loads(line))
        except RecursionError:
            raise ValueError(f"{log} is not the log of a bench: line {number + 1} is nested too deeply.") from None
        except json.JSONDecodeError:
            if line.endswith("\n"):
                raise ValueError(f"{log} is not the log of a bench: line {number + 1} is not JSON.") from None
    if not lines or not _is_header(lines[0]):
        raise ValueError(f"{log} is not the log of a bench: its first line does not say what was asked for.")
    for number, line in enumerate(lines[1:], 2):
        if not _is_answer(line):
            raise ValueError(f"{log} is not the log of a bench: line {number} is not a benchmark run.")
    return lines


def _is_header(line):
    kinds = {"bench": dict, "setups": list, "errors": dict, "graphs": dict}
    if not isinstance(line, dict) or not all(isinstance(line.get(name, {}), kind) for name, kind in kinds.items()):
        return False
    counted = isinstance(line.get("bench", {}).get("processes"), int)
    return counted and {"setups", "errors"} <= line.keys() and all(map(_is_setup, line["setups"]))


def _is_setup(line):
    return (
        isinstance(line, dict)
        and all(isinstance(line[name], (str, int, NoneType)) if name in line else False for name in SETUP)
        and isinstance(line["file"], str)
    )


def _is_answer(line):
    if not _is_setup(line):
        return False
    if "error" in line:
        return isinstance(line["error"], str)
    times, mean = line.get("times_ms", []), line.get("mean_ms")
    numbers = isinstance(times, list) and all(
        isinstance(ms, (int, float)) for ms in [*times, *([mean] if mean else [])]
    )
    return isinstance(line.get("verdict"), str) and numbers and bool(mean or times)


def mend(log):
    """Cuts off a last line that a kill cut short, so that the log can go on."""
    content = Path(log).read_bytes()
    if not content.endswith(b"\n"):
        Path(log).write_bytes(content[: content.rfind(b"\n") + 1])


def _key(setup):
    return tuple(setup[name] for name in SETUP)


def _by_setup(lines):
    answers = {}
    for line in lines:
        answers.setdefault(_key(line), []).append(line)
    return answers


def _measurements(header, answers):
    found, names = [], _names({setup["file"] for setup in header["setups"]})
    for setup in header["setups"]:
        error = header["errors"].get(setup["file"])
        own = [{"error": error}] if error else answers.get(_key(setup))
        if own:
            file = setup["file"]
            about = setup | {"model": names[file], "input_size": _input_size(header, file)}
            found.append(measurement.summary(about, own, header.get("machine", "")))
    return found


def _names(files):
    """{file: its name without ending}, with as many of its folders as tell it from the others."""
    names = {file: Path(file).with_suffix("").parts for file in files}

    def short(file):
        parts = names[file]
        others = [other for name, other in names.items() if name != file]
        lengths = (n for n in range(1, len(parts)) if all(other[-n:] != parts[-n:] for other in others))
        return "/".join(parts[-next(lengths, len(parts)) :])

    return {file: short(file) for file in files}


def _input_size(header, file):
    graph = header.get("graphs", {}).get(file)
    return graph.get("input_size") if isinstance(graph, dict) else None  # a log of before does not say it

"""Verbs that export and time networks: `mosaic export`, `mosaic bench`."""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from mosaicbook.cli import JsonOption, app, console, table
from mosaicbook.runs.parameters.ranges import RANGES

MOST_PIXELS = 4096 * 4096


def _size(text):
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(re.fullmatch("[0-9]{1,6}", part) and int(part) for part in parts):
        raise ValueError(f"'{text}' is not a size: write HEIGHTxWIDTH, for example 512x512.")
    height, width = map(int, parts)
    if height * width > MOST_PIXELS:  # neither this machine's memory nor a phone's would do
        raise ValueError(f"'{text}' is too large: a network is exported for at most 4096x4096 pixels.")
    return height, width


def within(name):
    """The least and the most of an option that notebooks have as a parameter, too."""
    return {"min": RANGES[name].least, "max": RANGES[name].most}


UNRELATED = (
    "four photographs that have nothing to do with your data, which costs accuracy (docs/int8.md): "
    "--calibration FOLDER with eight images of yours does better."
)


@app.command("export")
def export_network(
    weights: Annotated[Path, typer.Option(help="The weights folder to export.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    input_size: Annotated[str, typer.Option(help="HEIGHTxWIDTH in pixels.")] = "512x512",
    output: Annotated[
        str, typer.Option(help="classes, confidences (for MediaPipe), full_logits or logits.")
    ] = "classes",
    precision: Annotated[list[str] | None, typer.Option(help="float32, float16, dynamic or int8; repeatable.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="A folder of images, for int8: eight or more.")] = None,
    target: Annotated[
        str | None,
        typer.Option("--for", help="android, ios or web: a folder with files, labels and the lines that call them."),
    ] = None,
    as_json: JsonOption = False,
):
    """Writes a network as .tflite files of a fixed size and batch 1, or as a folder for an app."""
    from mosaiclib import inference
    from mosaiclib.data import datasets, images, listing
    from mosaiclib.data.photographs import FREE_PICTURES
    from mosaiclib.export import export

    size = _size(input_size)
    if calibration and not calibration.is_dir():
        raise ValueError(f"{calibration} is not a folder of images.")
    found = sorted(p for p in calibration.iterdir() if p.suffix.lower() in listing.IMAGES) if calibration else []
    if calibration and not found:
        raise ValueError(f"There is no .jpg, .jpeg or .png image in {calibration}.")
    loaded = [inference.letterbox(images.read_image(path), size)[0] for path in datasets.spread(found, 64)]
    loaded = loaded or [inference.letterbox(free.read(), size)[0] for free in FREE_PICTURES]
    if target:
        _for_app(weights, out, target, size, loaded, calibration, as_json)
        return
    precisions = precision or ["float32", "int8"]
    files = export(weights, size, out, precisions, output, loaded)
    if "int8" in precisions and not calibration:
        print(f"mosaic: int8 was calibrated on {UNRELATED}", file=sys.stderr)
    rows = [{"precision": f.precision, "file": str(f.path), "size_mb": f.size_mb, "ops": f.ops} for f in files]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['file']}: {row['size_mb']:.2f} MB, {sum(row['ops'].values())} operations")


def _for_app(weights, out, target, size, images, calibration, as_json):
    from mosaicbook.site import app_folder
    from mosaiclib.latency import host

    def timed(files):
        return {m.file: m.mean_ms for m in host.bench(files, ["ai_edge_litert"], ["xnnpack"], [1], 1, 5)}

    written = app_folder.write(weights, out, target, size, images, timed)
    if not calibration:
        print(f"mosaic: int8 was calibrated on {UNRELATED}", file=sys.stderr)
    rows = [{"file": str(path), "size_mb": round(path.stat().st_size / 1e6, 2)} for path in written]
    print(json.dumps(rows, indent=1) if as_json else "\n".join(f"{r['file']}: {r['size_mb']:.2f} MB" for r in rows))


@app.command()
def bench(
    files: Annotated[list[Path] | None, typer.Argument(help=".tflite files.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All runtimes with xnnpack and builtin; on a phone all configurations.")
    ] = False,
    runtime: Annotated[
        list[str] | None,
        typer.Option(help="ai_edge_litert (default), tflite_runtime, compiled_model or tf.lite; repeatable."),
    ] = None,
    kernels: Annotated[
        list[str] | None,
        typer.Option(help="xnnpack (default), builtin, reference, gpu (compiled_model only); repeatable."),
    ] = None,
    threads: Annotated[list[int] | None, typer.Option(**within("threads"), help="CPU threads; repeatable.")] = None,
    delegate: Annotated[
        list[str] | None, typer.Option(help="An external delegate's library; repeatable. Without --kernels, it alone.")
    ] = None,
    processes: Annotated[int, typer.Option(**within("processes"), help="Separate benchmark runs, averaged.")] = 10,
    runs: Annotated[int, typer.Option(**within("inferences"), help="Inferences per benchmark run.")] = 10,
    log: Annotated[Path | None, typer.Option(help="A new log; without it, one in reports/bench.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the bench that wrote this log.")] = None,
    show: Annotated[Path | None, typer.Option(help="Print what this log holds so far, and run nothing.")] = None,
    android: Annotated[bool, typer.Option("--android", help="On a phone that adb reaches, not here.")] = False,
    serial: Annotated[str | None, typer.Option(help="Which phone, where there are several.")] = None,
    tool: Annotated[str | None, typer.Option(help="benchmark_model for the phone: its path, or download.")] = None,
    configuration: Annotated[
        list[str] | None,
        typer.Option(
            help="On a phone: xnnpack1 (default), cpu1, cpu4, xnnpack4, gpu, nnapi, hexagon, edgetpu; repeatable."
        ),
    ] = None,
    as_json: JsonOption = False,
):
    """Times .tflite files here or on a phone, with a verdict on what ran them. Exit status 1 if one failed.

    Without further options in one way: LiteRT's interpreter with XNNPACK on one thread.
    """
    from mosaiclib.data import fetch
    from mosaiclib.latency import bench_log, host
    from mosaiclib.latency import phone as phones

    if sum(map(bool, (files, resume, show))) != 1:
        raise ValueError("Name .tflite files to time, or a log to --resume or to --show.")
    files = [*map(fetch.located, files or ())]
    if folders := [file for file in files if file.is_dir()]:
        raise ValueError(f"{folders[0]} is a folder: name the .tflite files in it.")
    if show:
        measured = bench_log.show(show)
    elif resume:
        on_phone = bench_log.read(resume)[0]["bench"].get("android")
        try:
            bar = _progress(resume)
            measured = phones.resume(resume, serial, bar) if on_phone else host.resume(resume, progress=bar)
        except KeyError as error:
            raise ValueError(f"{resume} does not say what it needs to go on ({error}): start a new bench.") from None
    elif android:
        usual = list(phones.CONFIGURATIONS) if everything else [] if delegate else ["xnnpack1"]
        log, chosen = _new_log(log), configuration or usual
        binary = phones.find_tool(tool, fetch.data_folder() / "android")
        measured = phones.bench(
            files, binary, chosen, processes, runs, serial, delegate or (), log=log, progress=_progress(log)
        )
    else:
        log = _new_log(log)
        usual = ["xnnpack", "builtin"] if everything else [] if delegate else ["xnnpack"]
        measured = host.bench(
            files, runtime or (host.installed_runtimes() if everything else ["ai_edge_litert"]), kernels or usual,
            threads or [1], processes, runs, log=log, delegates=delegate or (), progress=_progress(log),
        )  # fmt: skip
    _print_measurements(measured, host.timed_machine(), as_json)


def _progress(log):
    """A bar over benchmark runs on a terminal, below lines that say what a kill would leave and how long it takes."""
    from tqdm import tqdm

    from mosaicbook.batch.progress import span

    def begin(turns):
        print(f"mosaic: each finished run is kept in {log}; --resume goes on with it", file=sys.stderr)
        started = time.monotonic()
        for number, turn in enumerate(tqdm(turns, disable=None, unit="run")):
            if number == 1:
                about = span((time.monotonic() - started) * len(turns))
                print(f"mosaic: {len(turns)} benchmark runs, about {about} in all", file=sys.stderr)
            yield turn

    return begin


def _new_log(log):
    from mosaicbook import runs

    if log and log.exists():
        raise ValueError(f"{log} exists: --resume goes on with it, or choose another --log.")
    return log or runs.reports_folder() / "bench" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.jsonl"


def _print_measurements(measured, machine, as_json):
    from mosaiclib.latency import measurement

    if as_json:
        print(json.dumps({"measurements": measurement.as_rows(measured), "machine": machine}, indent=1))
    else:
        numbers = ("threads", "ms", "sd", "n")
        printed = table("file", "runtime", "kernels", *numbers, "verdict", numbers=numbers)
        for m in measured:
            times = ("-", "-") if m.mean_ms is None else (f"{m.mean_ms:.2f}", f"{m.std_ms:.2f}")
            note = f" ({m.note})" if m.note and m.verdict != "failed" else ""
            runtime = " ".join(filter(None, (m.runtime, m.version)))
            printed.add_row(m.model, runtime, m.kernels, str(m.threads), *times, str(m.n), m.verdict + note)
        console().print(printed)
    if failed := [m for m in measured if m.verdict == "failed"]:
        for note in dict.fromkeys(m.note if m.file in m.note else f"{m.file}: {m.note}" for m in failed):
            print(f"mosaic: {note}", file=sys.stderr)
        raise typer.Exit(1)

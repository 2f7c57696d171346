"""Verbs that export and time networks: `mosaic export`, `mosaic bench`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mosaiclib.cli import app


def _size(text):
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
        raise ValueError(f"'{text}' is no size: write HEIGHTxWIDTH, for example 512x512.")
    return int(parts[0]), int(parts[1])


@app.command("export")
def export_network(
    weights: Annotated[Path, typer.Option(help="The weights folder to export.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    input_size: Annotated[str, typer.Option(help="HEIGHTxWIDTH in pixels.")] = "512x512",
    output: Annotated[str, typer.Option(help="classes, full_logits or logits.")] = "classes",
    precision: Annotated[list[str] | None, typer.Option(help="float32, float16, dynamic or int8; repeatable.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="A folder of pictures, for int8.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
):
    """Writes a network as .tflite files of a fixed size and batch 1."""
    from mosaiclib import pictures
    from mosaiclib.data import images
    from mosaiclib.export import export

    size = _size(input_size)
    if calibration and not calibration.is_dir():
        raise ValueError(f"{calibration} is not a folder of pictures.")
    found = (
        sorted(p for p in calibration.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png")) if calibration else []
    )
    loaded = [pictures.letterbox(images.read_image(path), size)[0] for path in found[:64]]
    loaded = loaded or [pictures.letterbox(free.read(), size)[0] for free in pictures.FREE_PICTURES]
    files = export(weights, size, out, precision or ["float32", "int8"], output, loaded)
    rows = [{"precision": f.precision, "file": str(f.path), "size_mb": f.size_mb, "ops": f.ops} for f in files]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['file']}: {row['size_mb']:.2f} MB, {sum(row['ops'].values())} operations")


@app.command()
def bench(
    files: Annotated[list[Path], typer.Argument(help=".tflite files.")],
    runtime: Annotated[list[str] | None, typer.Option(help="tflite_runtime, ai_edge_litert or tf.lite.")] = None,
    kernels: Annotated[list[str] | None, typer.Option(help="xnnpack, builtin or reference.")] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Interpreter threads.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Separate benchmark runs, averaged.")] = 10,
    runs: Annotated[int, typer.Option(min=1, help="Inferences per benchmark run.")] = 10,
    log: Annotated[Path | None, typer.Option(help="Append each process's answer to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
):
    """Times .tflite files on this machine's CPU, with a verdict on what ran them. Exit status 1 if one failed."""
    from tqdm import tqdm

    from mosaiclib import provenance
    from mosaiclib.latency import host

    measured = host.bench(
        files, runtime or host.installed_runtimes(), kernels or ["xnnpack", "builtin"], threads or [1], processes, runs,
        log=log, progress=lambda turns: tqdm(turns, disable=as_json, unit="process"),
    )  # fmt: skip
    if as_json:
        print(json.dumps({"measurements": host.as_rows(measured), "machine": provenance.machine()}, indent=1))
    else:
        for m in measured:
            times = f"{m.mean_ms:8.2f} ms +- {m.std_ms:.2f}" if m.mean_ms else "       -"
            print(f"{m.model:40s} {m.runtime:15s} {m.kernels:9s} {m.threads} threads {times}  {m.verdict}  {m.note}")
    if any(m.verdict == "failed" for m in measured):
        raise typer.Exit(1)

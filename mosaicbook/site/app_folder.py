"""A folder for an app: the files, the labels, and a page with the lines that call them."""

from html import escape
from pathlib import Path
from string import Template

from mosaicbook.site import try_page
from mosaiclib import models
from mosaiclib.export import OUTPUTS, export
from mosaiclib.files import replacing_folder

# What is written: {output: precisions}. MediaPipe takes confidences; LiteRT's interpreter is fastest with class ids.
_PHONE = {"confidences": ("int8", "float16"), "classes": ("int8",)}
TARGETS = {"android": _PHONE, "ios": _PHONE, "web": {"confidences": ("int8",), "classes": ("int8",)}}
PAGE = Path(__file__).parent / "template" / "app.html"
LABELS, INDEX, TRY = "labels.txt", "index.html", "try.html"


def write(weights, out, target, input_size, calibration, timed=None) -> list[Path]:
    """Writes the folder `out` for android, ios or web, whole or not at all. Returns its files.

    weights: a weights folder. calibration: uint8 images [H, W, 3] of `input_size`. timed: a function from files to
    {file: milliseconds} on this computer. Raises ValueError for an unknown target, and where `out` holds other files.
    """
    if target not in TARGETS:
        raise ValueError(f"There is no target '{target}': choose one of {', '.join(TARGETS)}.")
    _check_own(Path(out))
    card = models.load_card(weights)
    with replacing_folder(out) as folder:
        folder = Path(folder)
        files = {
            (output, file.precision): file
            for output, precisions in TARGETS[target].items()
            for file in export(weights, input_size, folder, precisions, output, calibration)
        }
        (folder / LABELS).write_text("".join(f"{name}\n" for name in card.classes), encoding="utf-8")
        milliseconds = timed([file.path for file in files.values()]) if timed else {}
        tried = _try(files["classes", "int8"], folder / TRY, card.spec.name) if target == "web" else ""
        page = _page(card, target, input_size, files, milliseconds, tried)
        (folder / INDEX).write_text(page, encoding="utf-8")
    return sorted(Path(out).iterdir())


def _check_own(out):
    """Raises ValueError where a folder that would be replaced holds anything else than this writes."""
    if not out.exists():
        return
    others = [out] if not out.is_dir() else [
        path for path in out.iterdir() if path.name not in (LABELS, INDEX, TRY) and path.suffix != ".tflite"
    ]  # fmt: skip
    if others:
        raise ValueError(f"{out} holds something else ({others[0].name}) and would be replaced: name a new folder.")


def _try(file, out, title):
    try:
        try_page.write(file.path, out, title)
    except ValueError as error:
        try_page.write_hole(out, str(error))
        return f"<p><strong>{TRY}</strong> could not be made: {escape(str(error))}</p>"
    return f'<p><a href="{TRY}">{TRY}</a> segments an image in the browser, with the network off.</p>'


def _page(card, target, input_size, files, milliseconds, tried):
    rows = []
    for (output, precision), file in files.items():
        ms = milliseconds.get(str(file.path))
        shown = "not measured" if ms is None else f"{ms:.0f} ms"
        cells = (escape(file.path.name), precision, f"{file.size_mb:.2f} MB", shown, escape(OUTPUTS[output]))
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    mediapipe, litert = (files[kind, "int8"].path.name for kind in ("confidences", "classes"))
    values = {
        "network": escape(card.spec.name), "target": {"android": "Android", "ios": "iOS", "web": "the web"}[target],
        "size": "x".join(map(str, input_size)), "height": input_size[0], "width": input_size[1],
        "classes": escape(", ".join(card.classes)), "count": len(card.classes), "rows": "\n".join(rows), "try": tried,
        "mediapipe": mediapipe, "stem": mediapipe.removesuffix(".tflite"), "litert": litert,
    }  # fmt: skip
    return Template(PAGE.read_text(encoding="utf-8")).substitute(values)

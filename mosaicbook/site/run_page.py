"""The page of one run: its executed notebook, loud where it failed, with where its numbers come from."""

import logging
import re
from collections import Counter
from functools import cache
from pathlib import Path

import jinja2
import nbformat
from markupsafe import Markup

from mosaicbook.native_messages import CHATTER
from mosaicbook.runs.masking import without_secrets
from mosaicbook.site import labels, redact
from mosaicbook.site.allow_list import clean, parse
from mosaiclib.wording import MARK

TEMPLATES = Path(__file__).with_name("template")
FIRST_LINES, LAST_LINES, LINE_LENGTH = 20, 20, 2000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def page(run, ways, before=None, after=None, attached=None) -> str:
    """One self-contained page: no script, no request, nothing from outside that is not escaped.

    run: the `RunRecord` of a run folder. ways: the report's `navigation.Ways`. before, after: neighbours to turn
    to. attached: {file: content} takes in what stands beside the page: a CSV a table, and drawings. Never raises
    for what the folder holds: garbage is shown as such.
    """
    record, secrets = run.record, redact.secrets_of(run.record)
    notebook, unread = read_notebook(run.folder)
    body = parse(_cells(notebook, record, secrets) if notebook else f'<p class="gap">{unread}</p>')
    clean(body)
    title = _one_title(body) or run.run_id
    labels.fold(body)
    labels.label(body, run.page, {} if attached is None else attached, run)
    _wrap_tables(body)
    _tell_regions_apart(body)
    parameters = mapping(record, "parameters")
    names = [name for name in parameters if redact.is_secret(name)]
    folder = f"runs/{run.run_id}"
    return render(
        "run.html.j2",
        run=run,
        ways=ways,
        here=run.page,
        title=redact.neutral(title, secrets),
        synthetic=bool(run.raw and run.raw.get("synthetic")),
        reason=redact.neutral(run.reason, secrets),
        command=redact.neutral(redact.masked_command(run.command, names), secrets),
        by_hand=redact.neutral(redact.masked_command(str(record.get("command") or ""), names), secrets),
        has_failed_cell=body.find(id="failed-cell") is not None,
        contents=[(h.get("id"), h.get_text()) for h in body.find_all("h2") if h.get("id")],
        body=Markup(str(body)),
        profile=record.get("profile"),
        notebook=record.get("notebook"),
        wall=duration(record.get("wall_s")),
        started=str(record.get("started") or "").replace("T", " ").replace("+00:00", " UTC"),
        memory=memory(record.get("peak_memory_mb")),
        seed=parameters.get("seed"),
        commit=str(record.get("commit") or ""),
        dirty=bool(record.get("dirty")),
        code_fingerprint=str(record.get("code_fingerprint") or ""),
        data_fingerprint=str(record.get("data_fingerprint") or ""),
        machine=machine(record),
        versions=", ".join(f"{name} {version}" for name, version in mapping(record, "versions").items()),
        parameters=[(n, redact.neutral(str(v), secrets)) for n, v in redact.masked(parameters).items()],
        files=[(f, f"{folder}/{f}") for f in _files(run.folder)],
        before=before,
        after=after,
    )


def with_files(html, name, attached) -> str:
    """A page that belongs to no run, each of its tables with an id, a number and a CSV in `attached`."""
    soup = parse(without_secrets(html))  # before entities are written in another way
    labels.label(soup, name, attached)
    return str(soup)


def _files(folder):
    """What of a run's folder its page leads to: the notebook, the numbers, and drawings in other formats."""
    drawings = [f"{p.stem}.{ending}" for p in sorted(folder.glob("[a-z]*.svg")) for ending in ("svg", "pdf", "png")]
    return [f for f in ("notebook.ipynb", "result.json", "run.json", *drawings) if (folder / f).is_file()]


def render(template, **values) -> str:
    """A page from one of our templates; every value is escaped that is not Markup."""
    return _environment().get_template(template).render(style=Markup(_style()), **values)


def duration(seconds) -> str:
    """Seconds as a person says them: "4.2 s", "3 min 20 s", "2 h 5 min"."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def memory(megabytes) -> str:
    """Megabytes as "640 MB" or "2.1 GB"."""
    if isinstance(megabytes, bool) or not isinstance(megabytes, (int, float)) or not 0 < megabytes < 1e9:
        return ""
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def machine(record) -> str:
    """The machine of a run.json in one line."""
    known = mapping(record, "machine")
    parts = [known.get("cpu"), known.get("cores") and f"{known['cores']} cores",
             known.get("memory_gb") and f"{known['memory_gb']} GB", known.get("os"),
             known.get("python") and f"Python {known['python']}"]  # fmt: skip
    return ", ".join(str(part) for part in parts if part)


def mapping(record, name) -> dict:
    """A field of a run.json that should be an object, or {} where it is none."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


@cache
def _environment():
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


@cache
def _style():
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


# === The notebook ===


@cache
def _exporter():
    from nbconvert import HTMLExporter

    log = logging.getLogger(__name__)
    log.setLevel(logging.ERROR)  # nbconvert warns of images without a text; `clean` gives them one
    kinds = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]
    return HTMLExporter(
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
        log=log,
        config={"NbConvertBase": {"display_data_priority": kinds}},
    )


def read_notebook(folder):
    """(the executed notebook of a run's folder, "") or (None, why there is none)."""
    path = folder / "notebook.ipynb"
    if not path.is_file():
        return None, "There is no executed notebook in this run's folder."
    try:
        return nbformat.read(path, as_version=4), ""
    except Exception:  # whatever a damaged file makes nbformat raise
        return None, "The executed notebook in this run's folder is damaged."


def _cells(notebook, record, secrets):
    """The cells as HTML, their texts clipped and rid of what no page may tell."""
    names = [name for name in mapping(record, "parameters") if redact.is_secret(name)]
    kept = []
    for cell in notebook.cells:
        if cell.cell_type == "raw" or "papermill-error-cell-tag" in cell.metadata.get("tags", []):
            continue
        cell.source = redact.neutral(redact.masked_source(cell.source, names), secrets)
        cell.metadata["tags"] = list(cell.metadata.get("tags", []))
        if cell.cell_type == "code":
            shown = _joined(output for output in cell.outputs if not _is_widget(output))
            outputs = [_tidy(output, secrets) for output in shown]
            cell.outputs = [output for output in outputs if output.output_type != "stream" or output.text.strip()]
            cell.metadata["failed"] = any(output.output_type == "error" for output in cell.outputs)
        kept.append(cell)
    notebook.cells = kept
    notebook.metadata.pop("widgets", None)
    try:
        return _exporter().from_notebook_node(notebook)[0]
    except Exception as error:  # a notebook that is valid JSON and no notebook
        return f'<p class="gap">The executed notebook cannot be shown ({type(error).__name__}).</p>'


def _joined(outputs):
    """Outputs whose printed lines, which follow each other in one stream, are one: to be clipped as a whole."""
    found = []
    for output in outputs:
        last = found[-1] if found and found[-1].output_type == output.output_type == "stream" else None
        if last and output.name == last.name and last.text.endswith("\n"):
            last.text += output.text
        else:
            found.append(output)
    return found


def _is_widget(output):
    return any("widget" in kind or "javascript" in kind for kind in output.get("data", {}))


def _tidy(output, secrets):
    if output.output_type == "stream":
        output.text = clip(CHATTER.sub("", redact.neutral(output.text, secrets)))
    elif output.output_type == "error":
        output.traceback = [clip(redact.neutral("\n".join(map(str, output.traceback)), secrets))]
    else:
        for kind, text in output.data.items():
            if kind.startswith("text/") and isinstance(text, str):
                text = redact.neutral(text, secrets)
                output.data[kind] = clip(text) if kind == "text/plain" else text
    return output


def clip(text) -> str:
    """Printed text as a terminal leaves it: no colours, the last state of a progress bar, not too many lines."""
    lines = [_clipped(line.rstrip("\r").rpartition("\r")[2]) for line in _ANSI.sub("", text).rstrip("\n").split("\n")]
    left_out = len(lines) - FIRST_LINES - LAST_LINES
    if left_out > 5:
        note = f"… {left_out} lines left out here; the notebook in this run's folder has them …"
        lines = [*lines[:FIRST_LINES], note, *lines[-LAST_LINES:]]
    return "\n".join(lines)


def _clipped(line):
    return line if len(line) <= LINE_LENGTH else f"{line[:LINE_LENGTH]} {MARK}"


def _one_title(body):
    """Takes the first h1 out, for the page's head, and makes h2 of the others."""
    headings = body.find_all("h1")
    for heading in headings[1:]:
        heading.name = "h2"
    return headings[0].extract().get_text().strip() if headings else ""


def _tell_regions_apart(body):
    """Regions of one name would be one to a screen reader: the second is called "... (2)"."""
    counts = Counter()
    for region in body.find_all(attrs={"role": "region"}):
        name = region.get("aria-label") or "Table"
        counts[name] += 1
        region["aria-label"] = name if counts[name] == 1 else f"{name} ({counts[name]})"


def _wrap_tables(body):
    for table in body.find_all("table"):
        if "scroll" not in (table.parent.get("class") or []):
            table.wrap(body.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region",
                                                  "aria-label": "Table"}))  # fmt: skip

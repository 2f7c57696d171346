"""Accessible HTML tables: a caption, headers with a scope, numbers that line up, and no silent gap."""

import math
from html import escape
from numbers import Number

from IPython.display import HTML

from mosaicbook.runs.records import page_name
from mosaicbook.runs.results import Table
from mosaiclib.number_text import signed

LONGEST_UNBROKEN = 24


def table(data, caption, units=None, formats=None, missing=None, numbers_as_text=()) -> HTML:
    """A table from a pandas DataFrame or a list of dicts; the first column names the rows.

    units: {column: unit}, shown under the header. formats: {column: format spec such as ".1f"}.
    missing: the command that fills empty cells (None or NaN); without it they show a dash.
    numbers_as_text: columns whose numbers are names (a seed, a year): left aligned, no separators.
    A value with `_repr_html_` (a link) is inserted as it is, everything else is escaped.
    """
    if hasattr(data, "to_dict"):
        columns = [str(column) for column in data.columns]
        rows = [dict(zip(columns, row, strict=True)) for row in data.itertuples(index=False, name=None)]
    else:
        rows = list(data)
        columns = list(dict.fromkeys(str(key) for row in rows for key in row))
    if not columns:
        return HTML(f'<p class="caption">{escape(caption)}</p>')
    units, formats = units or {}, dict(formats or {})
    numeric = {
        column
        for column in columns
        if column not in numbers_as_text
        and all(_is_number(row.get(column)) or _is_missing(row.get(column)) for row in rows)
        and any(_is_number(row.get(column)) for row in rows)
    }
    for column in numeric - set(formats):
        formats[column] = _common_format([row[column] for row in rows if _is_number(row.get(column))])
    head = "".join(header(column, units.get(column), column in numeric) for column in columns)
    body = []
    for row in rows:
        cells = []
        for position, column in enumerate(columns):
            value = row.get(column)
            shown = _gap(missing) if _is_missing(value) else _shown(value, formats.get(column), column in numeric)
            short = position and isinstance(value, str) and len(value) <= LONGEST_UNBROKEN
            kind = ' class="number"' if column in numeric else ' class="short"' if short else ""
            if position == 0 and isinstance(value, str) and len(value) > LONGEST_UNBROKEN:
                shown = shown.replace("_", "_<wbr>")  # a file's name
            cells.append(f'<th scope="row">{shown}</th>' if position == 0 else f"<td{kind}>{shown}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return HTML(framed(caption, head, body))


def measured_table(rows, columns, caption="", tolerances=None) -> HTML:
    """Paper value | ours | difference | run, a line per number, grouped by the paper's rows.

    rows, columns and tolerances are those of `measured.Table`, so that `measured_table(**result)` shows a
    table's result.json. Raises ValueError where they are not of that form.
    """
    record = Table(rows=rows, columns=columns, tolerances=tolerances or {})
    body = []
    for row in record.rows:
        body.append(f'<tbody><tr class="group"><th scope="rowgroup" colspan="5">{escape(row.label)}</th></tr>')
        for column, cell in zip(record.columns, row.cells, strict=True):
            if cell is not None:
                body.append(_measured_line(column, cell))
        body.append("</tbody>")
    names = ("", "Paper", "Ours", "Difference", "Run")
    head = "".join(header(name, numeric=name in names[1:4]) for name in names)
    return HTML(framed(caption, head, body, "data measured") + _tolerances(record.tolerances))


def _tolerances(told):
    """What the marks beside the differences mean."""
    if not told:
        return ""
    each = "; ".join(f"{escape(column)}: {escape(text)}" for column, text in told.items())
    marks = " or ".join(f"{mark(within)} {'within' if within else 'beyond'}" for within in (True, False))
    return f'<p class="caption">A difference is {marks} its tolerance. {each}.</p>'


def mark(within) -> str:
    """A sign that says whether something is within its tolerance, for the eye and for a screen reader."""
    kind, sign = ("within", "\N{CHECK MARK}") if within else ("beyond", "\N{MULTIPLICATION SIGN}")
    return f'<span class="{kind}" role="img" aria-label="{kind} tolerance">{sign}</span>'


def _measured_line(column, cell):
    decimals = max((_decimals(value) for value in (cell.paper, cell.ours) if value is not None), default=0)
    unit = f' <span class="unit">{escape(cell.unit)}</span>' if cell.unit else ""
    told = cell.paper_text or (number(cell.paper) if cell.paper is not None else "")
    paper = f"{escape(told)}{unit}" if told else "not given"
    line = f'<th scope="row">{escape(column)}</th><td class="number">{paper}</td>'
    note, row = "", "<tr>"
    if cell.note:
        note, row = f'<tr class="told"><td colspan="5" class="note">{escape(cell.note)}</td></tr>', '<tr class="noted">'
    if cell.ours is None:
        return f'{row}{line}<td class="gap" colspan="3">{_gap(cell.command, "not run")}</td></tr>{note}'
    difference = "" if cell.difference is None else number(cell.difference, f"+.{min(decimals, 3)}f")
    if cell.within is not None:
        difference = f'<span class="{"within" if cell.within else "beyond"}">{difference}</span> {mark(cell.within)}'
    if apart := "other data" if cell.other_data else cell.apart:
        difference = f'<span class="absent">{escape(apart)}</span>'
    link = "no run given"
    if cell.run:
        link = f'<a href="{page_name(cell.run)}">{escape(cell.run).replace("/", "/<wbr>")}</a>'
    chip = '<span class="chip synthetic">synthetic</span> ' if cell.synthetic else ""
    ours = f'<td class="number ours">{chip}{number(cell.ours, f".{min(decimals, 3)}f")}{unit}</td>'
    return f'{row}{line}{ours}<td class="number">{difference}</td><td class="run">{link}</td></tr>{note}'


def folded(shown, summary) -> HTML:
    """Something for a page behind a line that opens it."""
    return HTML(f"<details><summary>{escape(summary)}</summary>{shown.data}</details>")


def number(value, spec=None) -> str:
    """A number as text: thousands apart by a thin space, a true minus sign, at most 4 digits by default."""
    if not math.isfinite(value):
        return "not a number"
    if spec is None:
        spec = "," if float(value).is_integer() and abs(value) < 1e15 else ",.4g"
        value = int(value) if spec == "," else value
    return signed(value, spec).replace(",", "\N{NARROW NO-BREAK SPACE}")


def framed(caption, head, body, kind="data") -> str:
    """A table that scrolls sideways by itself where it is wide. Arguments as of `plain`."""
    label = f'role="region" tabindex="0" aria-label="{escape(caption or "Table")}, scrolls sideways"'
    return f'<div class="scroll" {label}>{plain(caption, head, body, kind)}</div>'


def plain(caption, head, body, kind="data") -> str:
    """A table. head: the cells of its heading. body: its rows, or bodies of rows. kind: its classes."""
    caption = f"<caption>{escape(caption)}</caption>" if caption else ""
    body = "".join(body)
    body = body if body.startswith("<tbody") else f"<tbody>{body}</tbody>"
    return f'<table class="{kind}">{caption}<thead><tr>{head}</tr></thead>{body}</table>'


def header(name, unit=None, numeric=False) -> str:
    """The cell that heads a column; an empty one for a column without a name."""
    unit = f'<span class="unit">{escape(unit)}</span>' if unit else ""
    kind = ' class="number"' if numeric else ""
    return f'<th scope="col"{kind}>{escape(name)}{unit}</th>' if name else "<td></td>"


def _gap(command, reason="–"):
    if command:
        return f'<span class="gap">not run: <code>{escape(command)}</code></span>'
    return f'<span class="absent">{escape(reason)}</span>'


def _shown(value, spec, numeric):
    if hasattr(value, "_repr_html_"):
        return value._repr_html_()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_number(value) and (numeric or not spec):
        return number(value, spec) if numeric or isinstance(value, float) else escape(str(value))
    return escape(format(value, spec) if spec else str(value))


def _common_format(values):
    """One format for a column, so that its decimal points line up: at most 4 digits of the finest number."""
    decimals = [0 if float(value).is_integer() else len(f"{value:.4g}".partition(".")[2]) for value in values]
    if any(float(value) and not 1e-3 <= abs(value) < 1e15 for value in values):
        return None
    return f",.{min(max(decimals), 4)}f"


def _is_number(value):
    return isinstance(value, Number) and not isinstance(value, (bool, complex)) and math.isfinite(value)


def _is_missing(value):
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _decimals(value):
    text = f"{value:.6f}".rstrip("0")
    return len(text.partition(".")[2])

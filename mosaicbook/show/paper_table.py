"""A table of the paper as it is printed, one line per network, with ours beside each column."""

from html import escape

from IPython.display import HTML

from mosaicbook.runs.results import Table
from mosaicbook.show.links import page_name
from mosaicbook.show.tables import framed, number

DASH = "\N{EN DASH}"


def paper_table(rows, columns, caption="", tolerances=None, fills="") -> HTML:
    """One line a row of the record of a table (`results.Table`); notes are numbered and stand below.

    fills: the command that runs what has a dash.
    """
    record = Table(rows=rows, columns=columns, tolerances=tolerances or {})
    headings = list(dict.fromkeys(name for row in record.rows for name in row.labels)) or ["network"]
    sides = {column: _sides([row.cells[i] for row in record.rows]) for i, column in enumerate(record.columns)}
    notes = {}
    body = []
    for row in record.rows:
        names = [row.labels.get(heading, "") for heading in headings] if row.labels else [row.label]
        names += [""] * (len(headings) - len(names))
        cells = [f'<th scope="row">{escape(names[0])}</th>', *(f"<td>{escape(name)}</td>" for name in names[1:])]
        for column, cell in zip(record.columns, row.cells, strict=True):
            cells += _cells(cell, sides[column], notes)
        body.append(f"<tr>{''.join(cells)}</tr>")
    above = "".join(f'<th scope="col" rowspan="2">{escape(heading)}</th>' for heading in headings)
    below = ""
    for position, column in enumerate(record.columns):
        unit = next((row.cells[position].unit for row in record.rows if row.cells[position]), "")
        span = len(sides[column])
        name = f'{escape(column)}<span class="unit">{escape(unit)}</span>'
        kind = "number" if span == 1 else "spanning"  # a group's name stands over its first column, also on a phone
        above += f'<th scope="colgroup" colspan="{span}" class="{kind}">{name}</th>'
        below += "".join(f'<th scope="col" class="number">{side}</th>' for side in sides[column])
    return HTML(framed(caption, f"{above}</tr><tr>{below}", body, "data printed") + _below(record, notes, fills))


def _sides(cells):
    """Which of the two sides of a column are shown: what the paper prints, and ours."""
    known = [cell for cell in cells if cell]
    printed = any(cell.paper is not None for cell in known)
    ours = any(cell.ours is not None for cell in known)
    counted = known and all(cell.unit == "B" for cell in known)
    return [*(["paper"] if printed else []), *(["counted" if counted else "ours"] if ours or not printed else [])]


def _cells(cell, sides, notes):
    found = []
    for side in sides:
        if cell is None:
            found.append(f'<td class="number">{DASH}</td>')
        elif side == "paper":
            text = cell.paper_text or (number(cell.paper) if cell.paper is not None else DASH)
            found.append(f'<td class="number">{escape(text)}</td>')
        else:
            found.append(f'<td class="number ours">{_ours(cell)}{_marker(cell, notes)}</td>')
    return found


def _ours(cell):
    if cell.ours is None:
        return DASH
    decimals = 3 if cell.unit == "B" else 1
    text = number(cell.ours, f",.{decimals}f")
    if cell.lower is not None:
        text += f' <span class="interval">[{number(cell.lower, ".1f")}, {number(cell.upper, ".1f")}]</span>'
    if cell.run and cell.unit != "B":
        text = f'<a href="{page_name(cell.run)}">{text}</a>'
    if cell.synthetic:
        text = f'<span class="chip synthetic">synthetic</span> {text}'
    return text


def _marker(cell, notes):
    note = cell.note
    if cell.seeds:
        note = f"{note}; {cell.seeds} seed{'s' if cell.seeds != 1 else ''}"
    if not note or cell.ours is None:
        return ""
    position = notes.setdefault(note, len(notes) + 1)
    return f'<sup class="note-mark">{position}</sup>'


def _below(record, notes, fills):
    """The numbered notes, and what a dash means."""
    items = "".join(f'<li value="{position}">{escape(note)}</li>' for note, position in notes.items())
    text = f'<ol class="notes">{items}</ol>' if items else ""
    dashes = any(
        cell and cell.ours is None and cell.command and cell.unit != "ms" for row in record.rows for cell in row.cells
    )
    if dashes and fills:
        text += f'<p class="caption">{DASH} was not run here: <code>{escape(fills)}</code> does.</p>'
    return text

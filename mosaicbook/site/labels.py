"""Numbers, addresses and files of the tables and figures of a page, and its code folded away."""

import csv
import io
import re

from mosaiclib.number_text import MINUS

_THIN = "\N{NARROW NO-BREAK SPACE}"
_DASHES = {"\N{EN DASH}", MINUS, ""}
_INTERVAL = re.compile(r"\+?(.*\S) \[\+?(-?[\d.]+), \+?(-?[\d.]+)\]")
ENDINGS = ("svg", "pdf")


def label(soup, page, attached, run=None):
    """Gives each table and figure an id, a number and its files, in place.

    page: its file name. In the page of the paper's Table 3 they are Table 3.1, 3.2 and so on, elsewhere Table A, B, so
    that none can be taken for one of the paper's. attached: {file: content}
    takes in a CSV a table, and the drawings of the folder of `run` that figures name.
    """
    stage, _, name = run.run_id.partition("/") if run else ("", "", "")
    chapter = name.rpartition("_")[2] + "." if re.fullmatch(r"(table|figure)_\d+", name) else ""
    for position, table in enumerate(soup.find_all("table"), start=1):
        number = f"Table {_number(position, chapter if stage == 'tables' else '')}"
        file = f"csv/{page.removesuffix('.html')}-{position}.csv"
        attached[file] = as_csv(table)
        _name(soup, table, f"table-{position}", number, [("CSV", file)])
    captioned = [figure for figure in soup.select("figure.plot") if figure.find("img")]
    for position, figure in enumerate(captioned, start=1):
        number = f"Figure {_number(position, chapter if stage == 'figures' else '')}"
        links = []
        image = figure.find("img")
        drawing = image.get("data-file", "")
        for ending in ENDINGS if run and re.fullmatch(r"[\w-]+", drawing) else ():
            path = run.folder / f"{drawing}.{ending}"
            if path.is_file():
                href = f"runs/{run.run_id}/{path.name}"
                links.append((ending.upper(), href))
                if image.get("data-shareable") == "yes":
                    attached[href] = path.read_bytes()
        _name(soup, figure, f"figure-{position}", number, links)


def _number(position, chapter):
    letters = "" if chapter else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return f"{chapter}{position}" if chapter or position > len(letters) else letters[position - 1]


def _name(soup, element, anchor, number, links):
    """Writes a number that is a link to itself before the caption, and links to files behind it."""
    tag = "caption" if element.name == "table" else "figcaption"
    caption = element.find(tag)
    if caption is None:
        caption = soup.new_tag(tag)
        element.insert(0, caption) if tag == "caption" else element.append(caption)
    element["id"] = anchor
    mark = soup.new_tag("a", attrs={"class": "mark", "href": f"#{anchor}"})
    mark.string = number
    caption.insert(0, mark)
    caption.insert(1, " ")
    for text, href in links:
        link = soup.new_tag("a", attrs={"class": "file", "href": href, "download": ""})
        link.string = text
        caption.append(" ")
        caption.append(link)


# === Code ===


def fold(soup):
    """Puts the code of a page behind one line a passage, below what it printed, in place.

    Cells without an output join the next one; code that failed stays open where it is.
    """
    waiting = []
    for section in list(soup.find_all("section", recursive=False)):
        if "cell" not in (section.get("class") or []) or section.get("id") == "failed-cell":
            _close(soup, section.insert_before, waiting)
            continue
        waiting += [code.extract() for code in section.find_all("details", class_="code", recursive=False)]
        if section.find(class_="outputs"):
            _close(soup, section.append, waiting)
        elif not section.find(True):
            section.decompose()
    _close(soup, soup.append, waiting)


def _close(soup, put, waiting):
    if not waiting:
        return
    parameters = any("parameters" in code.summary.get_text() for code in waiting)
    idle = all("did not run" in code.summary.get_text() for code in waiting)
    fold = soup.new_tag("details", attrs={"class": "code"})
    summary = soup.new_tag("summary")
    summary.string = f"Show the {'parameters and the ' * parameters}code{' (it did not run)' * idle}"
    fold.append(summary)
    for code in waiting:
        code.summary.decompose()
        for part in list(code.children):
            fold.append(part.extract())
    waiting.clear()
    put(fold)


# === A table as a file ===


def as_csv(table) -> str:
    """An HTML table as CSV: one line of headings, plain numbers, the ends of an interval in columns of their own."""
    head = _grid(table.thead.find_all("tr")) if table.thead else []
    width = max((len(row) for row in head), default=0)
    names = [" ".join(dict.fromkeys(filter(None, (row[i] for row in head if i < len(row))))) for i in range(width)]
    group, grouped, lines = "", False, []
    for row in (row for part in table.find_all("tbody") for row in part.find_all("tr")):
        cells = row.find_all(["th", "td"])
        if "told" in (row.get("class") or []):
            continue
        if len(cells) == 1 and width > 1:
            group, grouped = _text(cells[0]), True
        else:
            lines.append((group, _grid([row])[0]))
    rows = [[group, *line] if grouped else line for group, line in lines]
    names = ["group", *names] if grouped else names
    width = max([len(names), *map(len, rows)])
    columns = [[name, *(row[i] if i < len(row) else "" for row in rows)] for i, name in
               enumerate(names + [""] * (width - len(names)))]  # fmt: skip
    written = io.StringIO()
    apart = [part for column in columns for part in _apart(column)]
    csv.writer(written, lineterminator="\n").writerows(zip(*apart, strict=True))
    return written.getvalue()


def _apart(column):
    """A column as one, or as three where it holds intervals."""
    name, *values = column
    found = [_INTERVAL.fullmatch(value) for value in values]
    if not any(found):
        return [column]
    parts = [match.groups() if match else (value, "", "") for match, value in zip(found, values, strict=True)]
    return [[title, *side] for title, side in
            zip((name, f"{name} lower", f"{name} upper"), zip(*parts, strict=True), strict=True)]  # fmt: skip


def _grid(rows):
    """The texts of rows of cells, spans filled in."""
    grid = [[] for _ in rows]
    taken = {}
    for y, row in enumerate(rows):
        x = 0
        for cell in row.find_all(["th", "td"]):
            while (y, x) in taken:
                grid[y].append(taken[y, x])
                x += 1
            text = _text(cell)
            for _ in range(_span(cell, "colspan")):
                for below in range(1, _span(cell, "rowspan")):
                    taken[y + below, x] = text
                grid[y].append(text)
                x += 1
        while (y, x) in taken:
            grid[y].append(taken[y, x])
            x += 1
    return grid


def _span(cell, name):
    value = str(cell.get(name) or "1")
    return min(int(value), 50) if value.isdecimal() and int(value) else 1


def _text(cell):
    parts = []
    for text in cell.find_all(string=True):
        classes = [name for parent in text.parents if parent is not cell.parent for name in parent.get("class") or []]
        if "note-mark" not in classes and not any(parent.get("role") == "img" for parent in text.parents):
            parts.append(f" ({text.strip()})" if "unit" in classes and cell.name == "th" else str(text))
    text = " ".join("".join(parts).split()).replace(_THIN, "").replace(MINUS, "-")
    if text.replace("-", "") in _DASHES:
        return ""
    return f"'{text}" if text[:1] in "=@" else text

"""A browser for a confusion matrix that needs no script: a heat map whose headings lead to a card per class."""

from html import escape

import numpy as np
from IPython.display import HTML

from mosaicbook.show import tables

LEAST = 0.005  # a share that is worth telling
SHOWN = 5


def measures(counts, classes) -> list[dict]:
    """Of each class: its IoU, recall and precision (0..1, None where there is nothing), and what it is confused with.

    counts: [C, C] pixels, rows the truth, columns the prediction. share: of all labelled pixels. found_as: [(class
    index, share of its pixels)] where else its pixels went; mistaken: [(class index, share of what is found as
    it)] what it is seen in. Largest first.
    """
    counts = np.asarray(counts, np.int64)
    truth, found, hits = counts.sum(1), counts.sum(0), np.diag(counts)
    rows = []
    for i, name in enumerate(classes):
        rows.append(
            {
                "class": name,
                "share": _share(truth[i], counts.sum()) or 0.0,
                "iou": _share(hits[i], truth[i] + found[i] - hits[i]),
                "recall": _share(hits[i], truth[i]),
                "precision": _share(hits[i], found[i]),
                "found_as": _others(counts[i], i),
                "mistaken": _others(counts[:, i], i),
            }
        )
    return rows


def _share(part, whole):
    return float(part / whole) if whole else None


def _others(line, own):
    total = line.sum()
    order = [int(j) for j in np.argsort(-line, kind="stable") if j != own and total and line[j] / total >= LEAST]
    return [(j, float(line[j] / total)) for j in order[:SHOWN]]


def worst_confusions(counts, classes, most=5) -> list[dict]:
    """The pairs of classes that cost most pixels: {"truth", "found", "pixels", "share" of the true class}."""
    counts = np.array(counts, np.int64)
    totals = counts.sum(1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [tuple(int(n) for n in np.unravel_index(place, counts.shape)) for place in order]
    return [
        {
            "truth": classes[i],
            "found": classes[j],
            "pixels": int(counts[i, j]),
            "share": float(counts[i, j] / totals[i]),
        }
        for i, j in pairs
        if counts[i, j]
    ]


# === As HTML ===


def heat_map(counts, classes, name, caption) -> HTML:
    """The matrix as a table, rows normalised to percent; the headings lead to the cards of `cards(..., name)`."""
    counts = np.asarray(counts, np.int64)
    head = "".join(f'<th scope="col">{_link(i, c, name)}</th>' for i, c in enumerate(classes))
    body = []
    for i, line in enumerate(counts):
        total = line.sum()
        cells = "".join(_cell(i, j, value / total if total else 0.0) for j, value in enumerate(line))
        body.append(f'<tr><th scope="row">{_link(i, classes[i], name)}</th>{cells}</tr>')
    return HTML(tables.framed(caption, f'<td id="{name}-matrix"></td>{head}', body, "heat"))


def _cell(i, j, share):
    if share < LEAST:
        return "<td></td>"
    kind = "hit" if i == j else "miss"
    return f'<td class="{kind}" style="--share:{45 * share**0.5:.0f}%">{100 * share:.0f}</td>'


def cards(counts, classes, palette, name) -> HTML:
    """A card per class: its numbers, where else its pixels went, and what was mistaken for it."""
    shown = "".join(_card(i, row, classes, palette[i], name) for i, row in enumerate(measures(counts, classes)))
    return HTML(f'<div class="cards">{shown}</div>')


def _card(i, row, classes, colour, name):
    colour = f"rgb({','.join(str(int(channel)) for channel in colour[:3])})"
    numbers = "".join(
        f"<div><dt>{label}</dt><dd>{'absent' if row[key] is None else f'{100 * row[key]:.1f} %'}</dd></div>"
        for label, key in (("IoU", "iou"), ("recall", "recall"), ("precision", "precision"), ("of all pixels", "share"))
    )
    return (
        f'<div class="card" id="{name}-class-{i}"><h3>'
        f'<span class="swatch" style="background:{colour}"></span>{escape(row["class"])}</h3><dl>{numbers}</dl>'
        f"{_bars('Missed pixels, by predicted class', row['found_as'], classes, name)}"
        f"{_bars('False positives, by true class', row['mistaken'], classes, name)}"
        f'<p><a href="#{name}-matrix">Back to the matrix</a></p></div>'
    )


def _bars(title, shares, classes, name):
    if not shares:
        return f'<p class="muted">{escape(title)}: nothing else, to speak of.</p>'
    lines = "".join(
        f"<li><span>{_link(j, classes[j], name)}</span> "
        f'<span class="share"><span style="width:{100 * share:.1f}%"></span></span> {100 * share:.1f} %</li>'
        for j, share in shares
    )
    return f'<p class="caption">{escape(title)}</p><ol class="bars">{lines}</ol>'


def _link(i, text, name):
    return f'<a href="#{name}-class-{i}">{escape(str(text))}</a>'

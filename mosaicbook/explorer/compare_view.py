"""What the panel "Compare" shows of runs: their table, and the page of one with curves, classes and worst images."""

from html import escape
from statistics import mean

from mosaicbook.beyond import best_and_worst
from mosaicbook.explorer import run_list
from mosaicbook.runs import comparison
from mosaicbook.show import figures, plots, tables
from mosaicbook.show.tables import number
from mosaicbook.show.timings import timings
from mosaiclib.data import datasets
from mosaiclib.evaluation import intervals
from mosaiclib.files import reading_only

WORST = 2


def table(rows) -> str:
    """The runs as a table, whose rows can be picked."""
    if not rows:
        return "<p>There are no runs here yet: <code>mosaic report --profile quick</code> makes some.</p>"
    body = []
    for row in rows:
        record = row.record
        state = "done" if record.raw is not None else record.status
        cells = (
            f'<th scope="row">{escape(record.run_id)}</th><td>{escape(str((record.raw or {}).get("model") or ""))}</td>'
            f"<td>{escape(row.data)}</td>{_number(row.miou_percent, '.2f')}{_number(row.madds_b, '.3f')}"
            f"{_number(row.latency_ms, '.1f')}{_number(record.record.get('wall_s'), ',.0f')}<td>{escape(state)}</td>"
        )
        body.append(f'<tr data-pick="{escape(row.key, quote=True)}">{cells}</tr>')
    heads = ("Run", "Network", "Data", "mIoU, %", "MAdds, B", "Latency, ms", "Took, s", "State")
    head = "".join(tables.header(name, numeric=name in heads[3:7]) for name in heads)
    return tables.plain("Runs; a click opens one", head, body)


def page(row, draw) -> str:
    """The page of a run. draw: how a matplotlib figure is shown, from (figure, alt) to HTML."""
    record = row.record
    head = f"<h3>{escape(row.key)}</h3>"
    if record.raw is None:
        return f"{head}<p>{escape(record.status)}: {escape(record.reason)}</p>{_command(record)}"
    show = {"train": _train, "evaluate": _evaluate, "heads": _heads, "latency": _latency, "export": _export}.get(
        record.stage
    )
    return head + _command(record) + (show(row, draw) if show else "")


def side_by_side(one, other) -> str:
    """Two evaluated runs and their difference: mIoU with its interval, cost, and the IoU of each class."""
    head = f"<h3>{escape(one.record.run_id)} minus {escape(other.record.run_id)}</h3>"
    try:
        compared = comparison.of_folders(one.record.folder, other.record.folder)
    except (ValueError, OSError, KeyError, TypeError) as error:
        text = " ".join(str(error).split()).replace(f"{one.record.folder.parents[2]}/", "")
        return f"{head}<p>There is no difference with an interval: {escape(text)}</p>"
    interval = compared.interval
    difference = "no interval: a single block of images" if interval is None else f"{_signed(interval)} points"
    lines = [("mIoU, % [95 %]", *map(_miou, compared.sides, compared.means), difference)]
    lines += [("Trainings (seeds)", *map(str, map(len, compared.sides)), "")]
    lines += [(title, *(number(v, spec) if v is not None else "–" for v in values), _change(*values, spec)) for
              title, spec, values in (("MAdds, B", ".3f", (one.madds_b, other.madds_b)),
                                      ("Latency, ms", ".1f", (one.latency_ms, other.latency_ms)))
              if any(v is not None for v in values)]  # fmt: skip
    sides = [_class_means(side) for side in compared.sides]
    for name in sorted(set(sides[0]) & set(sides[1]), key=lambda name: sides[1][name] - sides[0][name]):
        values = [100 * side[name] for side in sides]
        lines.append((f"IoU of {name}, %", *(number(v, ".1f") for v in values), _change(*values, ".1f")))
    heads = ("", one.record.run_id, other.record.run_id, "Difference")
    cells = "".join(tables.header(name, numeric=True) for name in heads)
    body = [
        f'<tr><th scope="row">{escape(title)}</th>' + "".join(f'<td class="number">{v}</td>' for v in values) + "</tr>"
        for title, *values in lines
    ]
    notes = [f"The interval of the difference is {compared.scope}; cost and classes have none."]
    notes += [f"They differ in more than the network: {'; '.join(compared.differ_also_in)}."] * bool(
        compared.differ_also_in
    )
    shown = tables.plain(f"Side by side, {one.data}", cells, body)
    return f'{head}{shown}<p class="mosaic-caption">{escape(" ".join(notes))}</p>'


def _signed(interval):
    first, _, ends = intervals.text(interval.estimate, interval, sign="+").partition(" ")
    return f"<strong>{first}</strong> {ends}"


def _miou(side, interval):
    return intervals.text(mean(evaluated.result["miou"] for evaluated in side), interval)


def _class_means(side):
    """{class: mean IoU over seeds} of the classes that occur, in 0..1."""
    tables = [evaluated.result["per_class_iou"] for evaluated in side]
    return {
        name: mean(table[name] for table in tables)
        for name in tables[0]
        if all(table.get(name) is not None for table in tables)
    }


def _change(one, other, spec):
    return "" if None in (one, other) else number(one - other, f"+{spec}")


def _command(record):
    told = record.record
    parts = [f"took {told['wall_s']:.0f} s" if isinstance(told.get("wall_s"), (int, float)) else "",
             f"commit {str(told['commit'])[:10]}" if told.get("commit") else ""]  # fmt: skip
    said = escape(", ".join(filter(None, parts)))
    command = f"<p>Again: <code>{escape(record.command)}</code></p>" if record.command else ""
    return f'<p class="mosaic-caption">{said}</p>{command}'


def _train(row, draw):
    import pandas as pd

    history = pd.DataFrame([epoch.model_dump() for epoch in row.record.result.history])
    if history.empty or not {"loss", "val_miou"} <= set(history):
        return "<p>It kept no learning curve.</p>"
    best = (
        ""
        if row.miou_percent is None
        else f"; the network kept has a val mIoU of {row.miou_percent:.2f} %{row.record.result.over}"
    )
    return draw(plots.learning_curve(history), f"Loss and val mIoU over {len(history)} epochs{best}")


def _evaluate(row, draw):
    result = row.record.result
    palette = datasets.palette_of(result.dataset, len(result.per_class_iou))
    told = f"mIoU {100 * result.miou:.2f} %{result.over} by rule {result.rule}, {result.n_images} images of {row.data}"
    bars = draw(plots.class_bars(result.per_class_iou, palette), f"IoU by class; {told}")
    return f"<p>{escape(told)}</p>{bars}{_worst(row)}"


def _heads(row, draw):
    lines = [
        {"seed": raw.get("training", {}).get("seed"), "learning rate": raw.get("training", {}).get("recipe", {}).get(
            "learning_rate"), "mIoU [95 %]": score.miou_text}
        for raw, score in zip(run_list.raw_scores(row.record), row.record.result.evaluations, strict=True)
    ]  # fmt: skip
    return tables.table(lines, f"One training a seed, {row.data}", {"mIoU [95 %]": "%"},
                        numbers_as_text=("seed",))._repr_html_()  # fmt: skip


def _worst(row):
    """The images with the lowest mIoU, with truth, prediction and errors, where the data set is here."""
    raw, folder = row.record.raw, row.record.folder
    kept = [about for about in _list(raw.get("pictures")) if run_list.inside(folder, about.get("prediction") or "")]
    kept = sorted(kept, key=lambda about: about.get("miou", 1))[:WORST]
    if not kept:
        return "<p>This run kept no predictions, so its worst images cannot be shown.</p>"
    try:
        with reading_only():  # whatever the result names as its data set
            data = datasets.get(raw["dataset"], raw.get("data_root") or None)
            rows = [best_and_worst.row(about, data, raw["split"], folder) for about in kept]
    except (ValueError, OSError, KeyError, IndexError, TypeError) as error:
        return f"<p>The worst images cannot be shown: {escape(' '.join(str(error).split()))}</p>"
    caption = f"The {len(rows)} worst images of {data.title}" + (", synthetic" if data.synthetic else "")
    return figures.gallery(rows, caption)._repr_html_() + figures.legend(data.classes, data.palette)._repr_html_()


def _latency(row, draw):
    rows = [timing.model_dump() for timing in row.record.result.measurements]
    return timings(rows, "Latency on the machine of the run")._repr_html_()


def _export(row, draw):
    rows = [
        {"file": f.file, "precision": f.precision, "size": f.size_mb,
         "same class as float": None if f.pixel_agreement is None else 100 * f.pixel_agreement}
        for f in row.record.result.files
    ]  # fmt: skip
    return tables.table(rows, "Exported files", {"size": "MB", "same class as float": "% of pixels"})._repr_html_()


def _list(value):
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value, spec):
    return f'<td class="number">{"–" if value is None else number(value, spec)}</td>'

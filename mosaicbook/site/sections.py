"""The sections of the index: images, curves, IoU by class, files and timings, drawn from result.json files."""

from collections import defaultdict
from itertools import takewhile
from math import isfinite

from markupsafe import Markup, escape

from mosaicbook.show import figures, tables
from mosaicbook.show.links import run_link
from mosaicbook.show.timings import timings as timings_table

CURVES_A_PLOT = 8
MOST_BARRED = 3  # columns of a table, beyond which bars beside the numbers only take the room


def pictures(run):
    """{"rows", "legend"} of a run of the stage pictures, or {"gap": why there are none}."""
    if run.result.skipped or not run.result.images:
        reason = run.result.skipped if isinstance(run.result.skipped, str) else ""
        return {"gap": reason or "This run has no images to show."}
    shown = []
    for image in run.result.images:
        colours = [entry.rgb for entry in run.result.legend]
        photo = _file(run, image.photo)
        mapped = f"{image.title}, segmented: each colour is a class"
        row = [
            figures.photograph(photo, image.title, image.title, shareable=image.shareable, credit=image.credit),
            figures.photograph(
                _file(run, image.overlay), mapped, "What the network sees", shareable=image.shareable,
                credit="" if image.shareable else image.credit,
            ),
        ]  # fmt: skip
        if image.label_map:
            row.append(figures.photograph(_file(run, image.label_map), mapped, "Classes alone", shareable=True))
        shown.append(figures.gallery([row]))
    names = [entry.name for entry in run.result.legend]
    return {"rows": [Markup(row.data) for row in shown], "legend": Markup(figures.legend(names, colours).data)}


def _file(run, name):
    """A file of the run's own folder. Raises ValueError for anything else."""
    path = (run.folder / name).resolve()
    if not path.is_relative_to(run.folder.resolve()) or not path.is_file():
        raise ValueError(f"result.json names the image {name!r}, which is not in the run's folder.")
    return path


def curves(runs):
    """[{"plot", "synthetic", "runs", "note"}]: loss and val mIoU of the training runs, a pair of plots per data set."""
    by_dataset = defaultdict(list)
    for run in runs:
        by_dataset[run.result.dataset, run.result.synthetic].append(run)
    found = []
    for (dataset, synthetic), trained in by_dataset.items():
        shown = [run for run in trained if run.result.history][:CURVES_A_PLOT]
        if not shown:
            continue
        best = ", ".join(f"{run.run_id} {100 * run.result.best_val_miou:.1f} %{run.result.over}" for run in shown
                         if _known(run.result.best_val_miou))  # fmt: skip
        plots = [
            _curve(shown, "val_miou", 100, "mIoU on the val split, %", f"mIoU by epoch on {dataset}; best: {best}"),
            _curve(shown, "loss", 1, "training loss, nats", f"Training loss by epoch on {dataset}"),
        ]
        left = len(trained) - len(shown)
        found.append(
            {
                "dataset": dataset,
                "synthetic": synthetic,
                "plots": [Markup(plot.data) for plot in plots if plot],
                "runs": shown,
                "note": f"{left} more runs are in the list below." if left else "",
            }
        )
    return found


def _curve(runs, field, scale, label, alt):
    import matplotlib

    from mosaicbook.show import plots

    points = {}
    for run in runs:
        line = [(epoch.epoch, scale * getattr(epoch, field)) for epoch in run.result.history
                if _known(getattr(epoch, field))]  # fmt: skip
        if line:
            points[run.run_id.split("/", 1)[1]] = line
    if not any(len(line) > 1 for line in points.values()):
        return None  # validated once, at the end: no curve
    words = [name.split("-") for name in points]
    shared = len([*takewhile(lambda same: len({*same}) == 1, zip(*words, strict=False))]) if len(points) > 1 else 0
    with matplotlib.rc_context():
        figures.style()
        from matplotlib import pyplot

        fig, axes = pyplot.subplots()
        for name, line in zip(words, points.values(), strict=True):
            told = "-".join(name[shared:] or name)
            axes.plot(*zip(*line, strict=True), label=told, marker="o", markersize=4 if len(line) < 40 else 0)
        axes.set(xlabel="epoch", ylabel=label)
        axes.set_ylim(bottom=0)
        plots.whole_epochs(axes)
        axes.grid(axis="x", visible=False)
        if len(points) > 1:
            fig.legend(loc="outside lower center", ncols=2, fontsize="small")  # over no line
        return figures.figure(fig, alt)


def per_class(runs):
    """[{"table", "synthetic", "runs"}]: IoU by class, a column per evaluation, a table per data set and split."""
    groups = defaultdict(list)
    for run in runs:
        groups[run.result.dataset, run.result.split, run.result.synthetic].append(run)
    found = []
    for (dataset, split, synthetic), evaluated in groups.items():
        names = list(dict.fromkeys(name for run in evaluated for name in run.result.per_class_iou))
        head = "".join(
            f'<th scope="col" class="number">{run_link(run.run_id, run.run_id.split("/", 1)[1]).data}'
            f'<span class="unit">IoU, %</span></th>'
            for run in evaluated
        )
        rules = sorted({run.result.rule for run in evaluated})
        lines = {"mean": [run.result.miou for run in evaluated]}
        lines |= {name: [run.result.per_class_iou.get(name) for run in evaluated] for name in names}
        body = [_iou_line(name, values, name == "mean") for name, values in lines.items()]
        pictures = sorted({run.result.n_images for run in evaluated})
        over = sorted({run.result.over for run in evaluated} - {""})
        caption = (
            f"IoU by class on {dataset}, {split} split, {' or '.join(map(str, pictures))} images, "
            f"rule {' or '.join(rules)}{f'; mean{over[0]} where classes are absent' if over else ''}"
        )
        table = tables.framed(caption, tables.header("Class") + head, body, "data iou")
        found.append({"dataset": dataset, "synthetic": synthetic, "table": Markup(table)})
    return found


def _iou_line(name, values, is_total):
    cells = []
    for value in values:
        if not _known(value):
            cells.append('<td class="number"><span class="absent">absent</span></td>')
            continue
        width = min(max(100 * value, 0), 100)
        bar = f'<span class="share"><span style="width:{width:.1f}%"></span></span>'
        barred = len(values) <= MOST_BARRED
        cells.append(f'<td class="number{" barred" * barred}">{bar * barred}{100 * value:.1f}</td>')
    return f'<tr class="{"total" * is_total}"><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>'


def exports(runs):
    """A table of the exported files."""
    rows = [
        {
            "file": file.file.rsplit("/", 1)[-1],
            "network": f"{run.result.model}, synthetic images" if run.result.synthetic else run.result.model,
            "precision": file.precision,
            "size": file.size_mb,
            "pixel agreement": None if file.pixel_agreement is None else 100 * file.pixel_agreement,
            "run": run_link(run.run_id, run.run_id.split("/", 1)[1]),
        }
        for run in runs
        for file in run.result.files
    ]
    units = {"size": "MB", "pixel agreement": "% with the float network"}
    formats = {"size": ".2f", "pixel agreement": ".2f"}
    return Markup(tables.table(rows, "Exported files", units, formats).data) if rows else None


def timings(runs):
    """A table of the timings of all runs."""
    rows = [
        timing.model_dump() | {"run": run_link(run.run_id, run.run_id.split("/", 1)[1])}
        for run in runs
        for timing in run.result.measurements
    ]
    caption = "Latency on the machine of the run"
    return Markup(timings_table(rows, caption, {"run": "run"}).data) if rows else None


def _known(value):
    return value is not None and isfinite(value)

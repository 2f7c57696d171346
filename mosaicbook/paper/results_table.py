"""A table of results of the paper, with what we count and measured put beside each printed number."""

from dataclasses import replace

from mosaicbook import paper, runs
from mosaicbook.paper import comparison, latency_columns, madds
from mosaicbook.show import tables
from mosaiclib.evaluation.iou import over_classes
from mosaiclib.models import catalogue

MIOU_TOLERANCE = 0.5
MIOU_TOLERANCE_TEXT = "0.5 points, our choice; on another data set nothing is subtracted"
MADDS_TOLERANCE_TEXT = "0.05 %, or half a unit of the last printed digit where that is more"


def costs(table):
    """The rows of `madds.rows` for a table; none for Table 8, which prints no MAdds."""
    return madds.rows(table) if paper.records(table)[0].madds_b is not None else []


def beside_the_paper(table, profile_name, run_id):
    """The record of a table (see `measured`): every printed number of every row, and what was found here.

    mIoU of ours is that of an evaluation in this profile of the same network, on whatever data set; only on
    the paper's own is it subtracted. MAdds are counted on the row's own network, by the run `run_id`; what
    else may explain the printed figure is in the note. Latencies are those of `latency_columns`.
    """
    added = _added(table)
    records = [*paper.records(table), *added]
    evaluated = evaluations(profile_name)
    timed = latency_columns.columns(records, profile_name)
    counted = [*_madds(table, run_id), *(_counted(record, run_id) for record in added)]
    rows = [
        {
            "label": record.label or f"{record.spec} (not in the paper)",
            "cells": [_miou(record, evaluated), cost, *times],
        }
        for record, cost, times in zip(records, counted, latency_columns.cells(records, profile_name), strict=True)
    ]
    if not timed:
        rows = [{**row, "cells": row["cells"][:2]} for row in rows]
    return comparison.table(
        ["mIoU", "MAdds", *timed], rows, {"mIoU": MIOU_TOLERANCE_TEXT, "MAdds": MADDS_TOLERANCE_TEXT}
    )


def _added(table):
    """Records without printed numbers for the networks that `specs.YOURS` adds to a table."""
    like = paper.records(table)[0]
    blank = {"labels": {}, "miou_percent": None, "latency_ms": dict.fromkeys(paper.DEVICES), "madds_output": "logits",
             "madds_size": like.input_size, "madds_classes": like.classes}  # fmt: skip
    return [replace(like, spec=spec.name, madds_spec=spec.name, **blank) for spec in catalogue.YOURS.get(table, ())]


def evaluations(profile_name):
    """{(network, data set): (run id, result)} of the finished evaluations of a profile, pictures at their own size.

    Of several splits the one that the paper's numbers are for counts: val, or test where there is one, since
    a data set that has a test split chose its epoch on val.
    """
    found = {}
    for run_id, result in runs.finished(profile_name, "evaluate").items():
        key = result["model"].removesuffix("-released"), result["dataset"]
        if runs.at_own_size(result) and (key not in found or found[key][1]["split"] != "test"):
            found[key] = (run_id, result)
    return found


def cost_table(costs):
    """The costs of a table's rows (see `costs`) as a table for a page."""
    billions = ("paper", "counted", "explaining count", "conv MACs")
    rows = [
        {
            "network": row["label"],
            "paper": row["paper_madds_b"],
            "counted": row["tflite_madds_b"],
            "explaining count": row["reading_madds_b"],
            "its difference": row["difference_percent"],
            "conv MACs": row["conv_macs_b"],
            "parameters": row["params"],
            "to the digit": printed_digits(row),
        }
        for row in costs
    ]
    return tables.table(
        rows,
        caption=f"MAdds of Table {costs[0]['table']}, and parameters",
        units=dict.fromkeys(billions, "billions") | {"its difference": "%"},
        formats=dict.fromkeys(billions[1:], ".3f") | {"its difference": "+.3f"},
    )


def printed_digits(row):
    """Whether the count that explains a row's printed MAdds has all its digits."""
    return round(row["reading_madds_b"], _decimals(row["paper_madds_text"])) == row["paper_madds_b"]


def digits_sentence(costs):
    """How many printed MAdds the counts explain to the digit."""
    reached = sum(map(printed_digits, costs))
    return f"A count on a built graph explains {reached} of the {len(costs)} printed MAdds figures to the last digit."


# === One cell ===


def _miou(record, evaluated):
    there = {dataset: found for (model, dataset), found in evaluated.items() if model == record.spec}
    dataset = min(there, key=lambda name: (not name.startswith(record.dataset), name), default=None)
    if dataset is None:
        command = f"mosaic report --profile paper --tables {record.table} --rows {record.spec}"
        return comparison.cell(record.miou_percent, unit="%", command=command, paper_text=record.miou_text)
    run_id, result = there[dataset]
    height, width = result.get("image_size") or (None, None)
    size = f", {height}x{width}" if height else ""
    synthetic = "synthetic pictures, " if result["synthetic"] else ""
    over = over_classes(result["rule"], list(result.get("per_class_iou", {}).values()))
    return comparison.cell(
        paper=record.miou_percent,
        paper_text=record.miou_text,
        ours=round(100 * result["miou"], 2),
        unit="%",
        run=run_id,
        note=f"{result['dataset']}: {synthetic}{result['split']} split, {result['n_images']} pictures{size}, "
        f"single scale, rule {result['rule']}{over}",
        data=f"{result['dataset']} {result['split']}{over}",
        other_data=not dataset.startswith(record.dataset),
        tolerance=MIOU_TOLERANCE,
    )


def _counted(record, run_id):
    return comparison.cell(ours=round(madds.tflite_madds_b(record), 3), unit="B", run=run_id)


def _madds(table, run_id):
    """A cell per row; where the paper prints no MAdds (Table 8), what was counted stands alone."""
    if not costs(table):
        return [_counted(record, run_id) for record in paper.records(table)]
    return [
        comparison.cell(
            paper=row["paper_madds_b"],
            paper_text=row["paper_madds_text"],
            ours=round(row["tflite_madds_b"], 3),
            unit="B",
            run=run_id,
            note=row["note"],
            tolerance=max(0.0005 * row["paper_madds_b"], 0.5 * 10.0 ** -_decimals(row["paper_madds_text"])),
        )
        for row in costs(table)
    ]


def _decimals(text):
    return len(text.partition(".")[2])

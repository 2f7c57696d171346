"""A table of results of the paper, with what we count and measured put beside each printed number."""

from mosaiclib import madds, paper, runs, specs
from mosaiclib.reporting import measured, tables

TITLES = {"cityscapes": "Cityscapes", "ade20k_top31": "ADE20K-Top31"}


def costs(table):
    """The rows of `madds.rows` for a table; none for Table 8, which prints no MAdds."""
    return madds.rows(table) if paper.records(table)[0].madds_b is not None else []


def beside_the_paper(table, profile_name, run_id):
    """The record of a table (see `measured`): mIoU and MAdds of every row, as printed and as found here.

    mIoU of ours is that of an evaluation in this profile of the same network on the row's data set. MAdds
    are counted on the row's own network, by the run `run_id`; what else may explain the printed figure is
    in the note.
    """
    evaluated = evaluations(profile_name)
    counted = costs(table)
    rows = []
    for record in paper.records(table):
        found = evaluated.get((record.spec, record.dataset))
        cells = [_miou(record, found)]
        if counted:
            row = counted[record.row - 1]
            cells.append(
                measured.cell(
                    paper=row["paper_madds_b"],
                    ours=round(row["tflite_madds_b"], 3),
                    unit="B",
                    run=run_id,
                    note=row["note"],
                )
            )
        rows.append({"label": record.label, "cells": cells})
    return measured.table(["mIoU", "MAdds"] if counted else ["mIoU"], rows)


def evaluations(profile_name):
    """{(network, data set): (run id, result)} of the finished evaluations of a profile."""
    found = {}
    for folder in sorted(runs.folder_of(profile_name, "evaluate").glob("[!.]*")):
        run_id = f"evaluate/{folder.name}"
        result = runs.result_of(profile_name, run_id)
        if result:
            found[result["model"], result["dataset"]] = (run_id, result)
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
            "what we found": row["note"] or "as printed",
        }
        for row in costs
    ]
    return tables.table(
        rows,
        caption=f"MAdds of Table {costs[0]['table']}, and parameters",
        units=dict.fromkeys(billions, "billions") | {"its difference": "%"},
        formats=dict.fromkeys(billions[1:], ".3f") | {"its difference": "+.3f"},
    )


def latency_table(records):
    """The latencies that the paper prints for a table's rows."""
    devices = {d: name for d, name in paper.DEVICES.items() if any(record.latency_ms[d] for record in records)}
    return tables.table(
        [{"network": r.label, **{name: r.latency_ms[device] for device, name in devices.items()}} for r in records],
        caption="Printed in the paper: latency on a Pixel 4",
        units=dict.fromkeys(devices.values(), "ms"),
    )


def trade_off(table, profile_name):
    """The points of the paper's Figure 1 from Table 2 or 7, and ours: arguments of `plots.trade_off`.

    Ours are networks that this profile has both evaluated on the table's data set and timed here.
    """
    points = []
    for record in paper.records(table):
        named = {
            "label": record.label.partition(" [")[0].partition(" (")[0],
            "miou_percent": record.miou_percent,
            "kind": "mosaic" if isinstance(specs.get(record.spec).head, specs.MosaicHead) else "other",
            "source": record.source,
        }
        times = {device: ms for device, ms in record.latency_ms.items() if ms is not None}
        points += [named | {"device": device, "latency_ms": ms} for device, ms in times.items()]
    timed = latencies(profile_name)
    for (model, dataset), (run_id, result) in evaluations(profile_name).items():
        if dataset == paper.records(table)[0].dataset and model in timed:
            latency_run, mean_ms = timed[model]
            points.append({
                "label": f"{model}, this machine", "miou_percent": round(100 * result["miou"], 2), "kind": "ours",
                "source": f"{run_id}, {latency_run}", "device": "cpu", "latency_ms": round(mean_ms, 2),
            })  # fmt: skip
    return points


def latencies(profile_name):
    """{network: (run id, milliseconds)}: the shortest mean latency of each network that a profile has timed."""
    found = {}
    for folder in sorted(runs.folder_of(profile_name, "latency").glob("[!.]*")):
        run_id = f"latency/{folder.name}"
        for row in (runs.result_of(profile_name, run_id) or {"measurements": []})["measurements"]:
            name = row["model"].partition("_")[0]
            model = name if name in specs.names() else row["model"]
            if row["mean_ms"] is not None and row["mean_ms"] < found.get(model, (None, float("inf")))[1]:
                found[model] = run_id, row["mean_ms"]
    return found


def own_points_sentence(profile_name, titles):
    """Whether a profile has points of its own on the data sets with these titles, and what it has instead."""
    evaluated, timed = evaluations(profile_name), latencies(profile_name)
    both = [f"{model} on {dataset}" for model, dataset in evaluated if TITLES.get(dataset) in titles and model in timed]
    if both:
        return f"Points of ours, timed on this machine: {'; '.join(both)}."
    done = "; ".join(f"{model} on {dataset}" for model, dataset in evaluated) or "nothing"
    return (
        f"There is no point of ours: this profile has evaluated {done}, has timed {'; '.join(timed) or 'nothing'}, "
        f"and a point needs both, on {' or '.join(titles)}."
    )


def printed_digits(row):
    """Whether the count that explains a row's printed MAdds has all its digits."""
    return round(row["reading_madds_b"], len(row["paper_madds_text"].partition(".")[2])) == row["paper_madds_b"]


def findings(result, costs=()):
    """Sentences on what of a table was found: its accuracy by runs, its cost by counting."""
    found = []
    if costs:
        reached = sum(map(printed_digits, costs))
        found.append(f"Cost: the explaining count has the printed digits in {reached} of {len(costs)} rows.")
    measured_rows = [row["label"] for row in result["rows"] if row["cells"][0]["ours"] is not None]
    accuracy = f"measured for {'; '.join(measured_rows)}" if measured_rows else "not tested in this profile"
    return "\n".join([*found, f"Accuracy: {accuracy}."])


def _miou(record, found):
    if not found:
        return measured.cell(
            paper=record.miou_percent,
            unit="%",
            note=f"no run of this profile has it: {TITLES[record.dataset]} is needed",
        )
    run_id, result = found
    note = f"{result['split']} split, rule {result['rule']}, {result['n_images']} pictures"
    return measured.cell(
        paper=record.miou_percent, ours=round(100 * result["miou"], 2), unit="%", run=run_id, note=note
    )

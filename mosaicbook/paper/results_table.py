"""A table of results of the paper, with what we count and measured put beside each printed number."""

from dataclasses import replace

from mosaicbook import paper, runs
from mosaicbook.paper import comparison, latency_columns, madds, relations
from mosaicbook.paper.study import Study
from mosaicbook.runs import evaluations as evaluated_runs
from mosaicbook.show import tables
from mosaiclib.evaluation import intervals, verdict
from mosaiclib.evaluation.iou import over_classes
from mosaiclib.models import catalogue

FROZEN = "mIoU, backbone frozen"
MADDS_TOLERANCE_TEXT = "0.05 %, or half a unit of the last printed digit where that is more"
OWN, EXPLAINED, UNEXPLAINED = "own network", "another reading", "unexplained"


def costs(table):
    """The rows of `madds.rows` for a table; none for Table 8, which prints no MAdds."""
    return madds.rows(table) if paper.records(table)[0].madds_b is not None else []


def beside_the_paper(table, profile_name, run_id):
    """The record of a table (see `results.Table`): every printed number of every row, and what was found here.

    mIoU of ours is the mean over the seeds of this profile's evaluations of the same network, or else of the same head
    on MNMH of another width, on whatever data set; only on the paper's own network and data is it subtracted. Heads
    that were trained on a frozen backbone stand in a column of their own, for they compare with each other alone.
    MAdds are counted on the row's own network, by the run `run_id`; what else may explain the printed figure is in the
    note. Latencies are those of `latency_columns`.
    """
    added = _added(table)
    records = [*paper.records(table), *added]
    measured = _networks(profile_name)
    whole, frozen = ([network for network in measured if network[0][0].frozen == which] for which in (False, True))
    heads = [_found(record, frozen) for record in records]
    timed = latency_columns.columns(records, profile_name)
    counted = [*_madds(table, run_id), *(_counted(record, run_id) for record in added)]
    rows = [
        {
            "label": record.label or f"{record.spec} (not in the paper)",
            "labels": record.labels,
            "cells": [_miou(record, whole), *([head] if any(heads) else []), cost, *(times if timed else [])],
        }
        for record, head, cost, times in zip(
            records, heads, counted, latency_columns.cells(records, profile_name), strict=True
        )
    ]
    columns = ["mIoU", *([FROZEN] if any(heads) else []), "MAdds", *timed]
    return comparison.table(columns, rows, {"MAdds": MADDS_TOLERANCE_TEXT})


def _added(table):
    """Records without printed numbers for the networks that `catalogue.YOURS` adds to a table."""
    like = paper.records(table)[0]
    blank = {"labels": {}, "miou_percent": None, "latency_ms": dict.fromkeys(paper.DEVICES), "madds_output": "logits",
             "madds_size": like.input_size, "madds_classes": like.classes}  # fmt: skip
    return [replace(like, spec=spec.name, madds_spec=spec.name, **blank) for spec in catalogue.YOURS.get(table, ())]


def evaluations(profile_name):
    """{(network, data set): (run id, result)} of the finished evaluations of a profile, images at their own size.

    Of several splits the one that the paper's numbers are for counts: val, or test where there is one, since
    a data set that has a test split chose its epoch on val.
    """
    found = {}
    for run_id, result in runs.finished(profile_name, "evaluate").items():
        key = result["model"].removesuffix("-released"), result["dataset"]
        if runs.at_own_size(result) and (key not in found or found[key][1]["split"] != "test"):
            found[key] = (run_id, result)
    return found


# === Costs ===


def cost_table(costs):
    """The costs of a table's rows (see `costs`) as a table for a page."""
    billions = ("counted", "closest count", "conv MACs")
    rows = [
        {
            "network": row["label"],
            "paper": row["paper_madds_text"],
            "counted": row["tflite_madds_b"],
            "closest count": row["reading_madds_b"],
            "difference": row["difference_percent"],
            "conv MACs": row["conv_macs_b"],
            "parameters": row["params"],
            "explained by": explained_by(row),
        }
        for row in costs
    ]
    return tables.table(
        rows,
        caption=f"MAdds of Table {costs[0]['table']}, and parameters",
        units=dict.fromkeys(("paper", *billions), "billions") | {"difference": "%"},
        formats=dict.fromkeys(billions, ".3f") | {"difference": "+.3f"},
    )


def explained_by(row):
    """What has a row's printed MAdds within the tolerance: its own network, another reading, or nothing known."""
    allowed = _tolerance(row) + 1e-9
    if abs(row["tflite_madds_b"] - row["paper_madds_b"]) <= allowed:
        return OWN
    return EXPLAINED if abs(row["reading_madds_b"] - row["paper_madds_b"]) <= allowed else UNEXPLAINED


def explained(costs):
    """{what explains them: how many} of the printed MAdds of a table."""
    by = [explained_by(row) for row in costs]
    return {name: by.count(name) for name in (OWN, EXPLAINED, UNEXPLAINED)}


def _tolerance(row):
    return max(0.0005 * row["paper_madds_b"], 0.5 * 10.0 ** -_decimals(row["paper_madds_text"]))


def printed_digits(row):
    """Whether the count that explains a row's printed MAdds has all its digits."""
    return round(row["reading_madds_b"], _decimals(row["paper_madds_text"])) == row["paper_madds_b"]


def digits_sentence(costs):
    """How many printed MAdds the counts explain, and to the digit."""
    by, reached = explained(costs), sum(map(printed_digits, costs))
    return (
        f"Of the {len(costs)} printed MAdds figures the row's own network has {by[OWN]}, another reading explains "
        f"{by[EXPLAINED]}, and {by[UNEXPLAINED]} are unexplained; {reached} agree to the last printed digit."
    )


# === One cell ===


def _networks(profile_name):
    """[(the evaluations of a network, one per seed, and the spread of its study)] at own size, the best to show first.

    Evaluations that may be compared with others come first; then those that may not, each alone.
    """
    groups = {}
    usable, _ = evaluated_runs.of_profile(profile_name)
    for evaluated in usable:
        groups.setdefault(evaluated.key(), []).append(evaluated)
    found = []
    for study in map(Study, groups.values()):
        found += [([seeds[seed] for seed in sorted(seeds)], study.spread) for seeds in study.members.values()]
    known, names = {evaluated.run_id for evaluated in usable}, catalogue.names()
    for run_id, result in runs.finished(profile_name, "evaluate").items():
        if run_id not in known and runs.at_own_size(result) and ("spec" in result or result["model"] in names):
            found.append((evaluated_runs.of_folder(runs.folder_of(profile_name, run_id), run_id), None))
    return sorted(found, key=lambda network: network[0][0].result["split"] != "test")


def _miou(record, measured):
    """The printed mIoU of a row and ours, or the command that would give one."""
    command = f"mosaic report --profile paper --tables {record.table} --rows {record.spec}"
    printed = {"paper": record.miou_percent, "paper_text": record.miou_text, "unit": "%"}
    return comparison.cell(**printed, **(_ours(record, measured) or {"command": command}))


def _found(record, measured):
    """Our mIoU of a row alone; None without one."""
    ours = _ours(record, measured)
    return ours and comparison.cell(unit="%", **ours)


def _ours(record, measured):
    """The fields of a cell that say what we measured of a row's network, or of one alike; None without one."""
    spec = catalogue.get(record.spec)
    exact = [network for network in measured if _named(network).name.removesuffix("-released") == record.spec]
    alike = [network for network in measured if _same_head(spec, _named(network))]
    own_data = [network for network in exact if network[0][0].result["dataset"].startswith(record.dataset)]
    network = next(iter([*own_data, *exact, *alike]), None)
    if network is None:
        return None
    members, spread = network
    interval, result = _interval(members, spread), members[0].result
    mean = sum(e.result["miou"] for e in members) / len(members)
    height, width = result.get("image_size") or (None, None)
    size = f", {height}x{width}" if height else ""
    synthetic = "synthetic images, " if result["synthetic"] else ""
    over = over_classes(result["rule"], list(result.get("per_class_iou", {}).values()))
    other = "" if network in exact else f"; {relations.differences(_named(network), spec)}"
    frozen = "; backbone frozen" if members[0].frozen else ""
    return {
        "ours": round(100 * mean, 4),  # two digits would round twice where one is shown
        "lower": interval and round(100 * interval.lower, 2),
        "upper": interval and round(100 * interval.upper, 2),
        "seeds": len(members),
        "synthetic": bool(result["synthetic"]),
        "run": members[0].run_id,
        "note": f"{result['dataset']}: {synthetic}{result['split']} split, {result['n_images']} images{size}, "
        f"single scale, rule {result['rule']}{over}{other}{frozen}",
        "data": f"{result['dataset']} {result['split']}{over}",
        "other_data": not own_data or network not in own_data,
        "apart": _apart(record, result),
    }


def _apart(record, result):
    """Why a result on the paper's data is not compared with the printed number, in a few words; "" where it is."""
    if record.recipe in paper.RECIPES.values():
        return "its authors' number"
    if result["n_images"] < result.get("split_images", result["n_images"]):
        return "a part of the split"
    if (result.get("training") or {}).get("initial_weights_sha256") == "":
        return "from random weights"
    return ""


def _named(network):
    return network[0][0].spec


def _same_head(spec, other):
    return spec.backbone == other.backbone == "mnmh" and spec.head == other.head


def _interval(members, spread):
    """The interval of a network's mean: of its seeds where there are enough, of the images where there is one."""
    if any(not e.counts_path.is_file() for e in members):
        return None
    if len(members) >= verdict.FEWEST_SEEDS and spread:
        return intervals.of_network([e.counts for e in members], spread)
    return intervals.of_score(members[0].counts) if len(members) == 1 else None


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
            tolerance=_tolerance(row),
        )
        for row in costs(table)
    ]


def _decimals(text):
    return len(text.partition(".")[2])

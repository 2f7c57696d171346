"""Ratios of latencies between the networks of a table: the paper's on a Pixel 4's CPU, and ours on another CPU."""

import math

from IPython.display import HTML

from mosaicbook import paper
from mosaicbook.paper import latency_columns
from mosaicbook.show import tables

PRECISIONS = ("float32", "int8")
KERNELS = "xnnpack"
Z = 1.959964  # of a two-sided 95 % interval


def rows(table, timings) -> list[dict]:
    """One line per network with a printed CPU latency, against the table's last row, MOSAIC on MNMH.

    timings: (run id, network, measurement) as `latency_columns.timings` gives them. Compared are timings of one run's
    machine, one thread, XNNPACK, one precision and the table's size. A ratio's interval is from the spread of its two
    means: log-normal, 95 %.
    """
    timings, records = list(timings), [record for record in paper.records(table) if record.latency_ms["cpu"]]
    last = records[-1]
    found = []
    for record in records[:-1]:
        line = {"network": record.label, "against": last.label,
                "Pixel 4, CPU": record.latency_ms["cpu"] / last.latency_ms["cpu"]}  # fmt: skip
        for precision in PRECISIONS:
            sides = [_timed(side, precision, timings) for side in (record, last)]
            line[precision] = _ratio(*sides) if all(sides) else None
        found.append(line)
    return found


def _timed(record, precision, timings):
    """{machine: measurement} of a record's network at the table's size."""
    return {
        row.get("machine") or run_id: row
        for run_id, network, row in timings
        if network == record.spec
        and row["kernels"] == KERNELS
        and row["threads"] == 1
        and row["model"].endswith(f"_{precision}")
        and tuple(row.get("input_size") or ()) == tuple(record.input_size)
    }


def _ratio(one, other):
    """(ratio, lower, upper) of the means of two timings on one machine; None where no machine has both."""
    shared = [machine for machine in one if machine in other]
    if not shared:
        return None
    first, second = one[shared[0]], other[shared[0]]
    error = math.sqrt(sum((row["std_ms"] / row["mean_ms"]) ** 2 / row["n"] for row in (first, second)))
    ratio = first["mean_ms"] / second["mean_ms"]
    return ratio, ratio * math.exp(-Z * error), ratio * math.exp(Z * error)


def of_table(table, profile_name) -> list[dict]:
    """Those lines by the timings of a profile; none where the paper prints no latency there."""
    if not any(record.latency_ms["cpu"] for record in paper.records(table)):
        return []
    return rows(table, latency_columns.timings(profile_name))


def shown(table, profile_name) -> HTML:
    """Those lines as a table for a page; a sentence where the paper prints no latency there."""
    found = of_table(table, profile_name)
    if not found:
        return HTML("")
    lines = [
        {
            "network": line["network"],
            "Pixel 4, CPU": line["Pixel 4, CPU"],
            **{f"this CPU, {precision}": _text(line[precision]) for precision in PRECISIONS},
        }
        for line in found
    ]
    against = paper.records(table)[-1].label
    return tables.table(
        lines,
        caption=f"How many times as long as {against}: printed, and on another CPU (one thread, 95 %)",
        formats={"Pixel 4, CPU": ".2f"},
    )


def _text(ratio):
    return None if ratio is None else f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"

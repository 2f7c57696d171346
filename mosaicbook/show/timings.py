"""The table of timings: one form for notebooks, pages and the explorer."""

import math

from mosaicbook.show import tables

_MILLISECONDS = ("mean", "± std", "median", "p90")
_SETUP = ("runtime", "kernels", "threads", "runs")


def timings(rows, caption, further=None, units=None, formats=None):
    """Timings as a table, each file's fastest first.

    rows: dicts as `mosaiclib.latency.measurement.as_rows` makes them; a missing field stays empty. further:
    {heading: field} of columns behind the common ones, with their units and formats. What was timed in one
    way throughout stands in the caption, and a further column without a value not at all: the table fits its page.
    """
    shown = [
        {
            "file": (row.get("file") or row["model"]).rsplit("/", 1)[-1],
            "runtime": f"{row['runtime']} {row.get('version') or ''}".strip(),
            "kernels": None if row.get("kernels") is None else str(row["kernels"]),
            "threads": row.get("threads"),
            "mean": row.get("mean_ms"),
            "± std": row.get("std_ms"),
            "verdict": row.get("verdict"),
            "median": row.get("median_ms"),
            "p90": row.get("p90_ms"),
            "runs": row.get("n"),
        }
        | {heading: row.get(field) for heading, field in (further or {}).items()}
        for row in sorted(rows, key=_order)
    ]
    values = {name: {row[name] for row in shown} for name in _SETUP} if len(shown) > 1 else {}
    shared = {name: only for name, (only, *others) in values.items() if only is not None and not others}
    empty = {name for name in further or () if all(row[name] in (None, "") for row in shown)}
    return tables.table(
        [{name: value for name, value in row.items() if name not in shared.keys() | empty} for row in shown],
        "; ".join([caption, *([", ".join(f"{name} {value}" for name, value in shared.items())] if shared else [])]),
        dict.fromkeys(_MILLISECONDS, "ms") | (units or {}),
        dict.fromkeys(_MILLISECONDS, ".2f") | (formats or {}),
        numbers_as_text=("threads", "runs"),
    )


def _order(row):
    mean = row.get("mean_ms")
    return row.get("model") or "", math.inf if mean is None or not math.isfinite(mean) else mean

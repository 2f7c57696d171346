"""What notebooks 60 and 61 show of a search: its front, which knobs matter, the verdict on the chosen designs."""

from pathlib import Path

import matplotlib.pyplot as plt

from mosaicbook.runs import evaluations
from mosaicbook.show import figures, plots, point_labels
from mosaiclib.evaluation import intervals, verdict

figures.style()

ROLES = {"default": "the paper's default", "accurate": "most accurate of the front",
         "same-cost": "most accurate at no more cost than the default",
         "cheap": "lowest cost, no less accurate in the search; or the next of the front"}  # fmt: skip
HEADS_ALONE, WHOLE = "The heads were trained on the frozen backbone.", "The networks were trained whole."
UNITS = {"MAdds": "billions", "mIoU": "% [95 % interval]",
         "difference from the default": "points [95 % interval, simultaneous]"}  # fmt: skip
AXES = {"MAdds": ("madds_b", "multiply-adds of the whole network, billions"),
        "ms": ("predicted_ms", "predicted milliseconds, float32, one thread")}  # fmt: skip


def front_plot(rows, front, known, objective="MAdds"):
    """mIoU against the cost of every design. rows: `search.as_row`s. front, known: design numbers, cheapest first."""
    figure, axes = plt.subplots(figsize=(7.2, 4.6))
    field, label = AXES[objective]
    places = {row["design"]: (row[field], 100 * row["miou"]) for row in rows}

    def mark(chosen, marker, colour, label, **style):
        points = [places[number] for number in chosen]
        axes.plot(*zip(*points, strict=True), marker, color=colour, label=label, **style)

    mark(places, "o", "0.6", "design", markersize=5, markerfacecolor="none")
    mark(front, "o-", plots.PLAIN, "not beaten in both", drawstyle="steps-post", linewidth=1.4, markersize=6)
    mark(known, "D", plots.MOSAIC, "of the paper's tables", markersize=7)
    axes.set(xlabel=label, ylabel="mIoU on the held-out sequence, %")
    axes.margins(0.08)
    axes.legend(loc="lower right")
    named = [(*places[row["design"]], row["known"], False) for row in rows if row["design"] in known]
    point_labels.write(axes, named, fontsize=9, bars=[(places[number], places[number]) for number in front])
    return figure


def front_rows(found, measured) -> list[dict]:
    """The designs of the front as a table's rows. found: of `search.outcome`. measured: of `search.measured_ms`."""
    by_number = {row["design"]: row for row in found["designs"]}
    return [
        {"design": row["design"], "mIoU": 100 * row["miou"], "MAdds": row["madds_b"], "parameters": row["params"] / 1e6}
        | ({"predicted": row["predicted_ms"], "measured": measured[row["design"]]} if measured else {})
        | {"head": row["head"]}
        for row in map(by_number.get, found["front"])
    ]


def importance_plot(shares):
    """Which knobs decide mIoU and cost, in percent of each. shares: `search.importance`."""
    figure, panels = plt.subplots(1, len(shares), figsize=(8.4, 3.4))
    for axes, (objective, knobs) in zip(panels, shares.items(), strict=True):
        names = list(knobs)[::-1]
        bars = axes.barh(names, [100 * knobs[name] for name in names], color=plots.PLAIN)
        axes.bar_label(bars, fmt="%.0f", padding=3)
        axes.set(title=objective, xlabel="importance, %", xlim=(0, 100 * max(knobs.values()) * 1.2 + 1))
        axes.grid(axis="y", visible=False)
    return figure


def verdicts(folders, madds) -> list[dict]:
    """The paper's default and the chosen designs, each minus the default.

    folders: {role: run folder, or a pattern of several}, default first. madds: {role: billions}. A difference is of
    mean mIoUs over seeds, its interval by docs/evidence.md with the chance of a false yes shared by all designs
    (Holm's first level). Raises ValueError where two may not be compared.
    """
    found = {role: evaluations.of_folders(folder) for role, folder in folders.items()}
    default = found["default"]
    for role, evaluated in found.items():
        reasons = evaluations.why_not(default[0], evaluated[0]) if evaluated else ["no evaluation"]
        if reasons:
            raise ValueError(f"{Path(folders[role]).name} is not compared with the default: {'; '.join(reasons)}.")
    counts = {role: [one.counts for one in evaluated] for role, evaluated in found.items()}
    spread = intervals.pooled([[one.miou() for one in side] for side in counts.values()])
    level = 1 - (1 - intervals.LEVEL) / max(1, len(found) - 1)
    rows = []
    for role, evaluated in found.items():
        mean = intervals.of_network(counts[role], spread)
        row = {"role": role, "network": evaluated[0].spec.name, "seeds": len(evaluated), "madds_b": madds[role],
               "trained": HEADS_ALONE if evaluated[0].frozen else WHOLE,
               "miou": mean.estimate, "miou_interval": [mean.lower, mean.upper]}  # fmt: skip
        if role != "default":
            difference = intervals.of_seeds(counts[role], counts["default"], spread)
            interval = difference.interval(level)
            row |= {"difference": interval.estimate, "difference_interval": [interval.lower, interval.upper],
                    "more_accurate": verdict.more(difference, level=level),
                    "at_most_half_a_point_less": verdict.more(difference, -verdict.SAME, level)}  # fmt: skip
        rows.append(row)
    return rows


def sentence(rows) -> str:
    """What the search found, in one sentence: which designs beat the paper's default, or that none does."""
    default, *others = rows
    better = [row for row in others if row["more_accurate"] == verdict.YES]
    cheaper = [row for row in others if row["at_most_half_a_point_less"] == verdict.YES
               and row["madds_b"] < default["madds_b"]]  # fmt: skip
    if better:
        best = max(better, key=lambda row: row["difference"])
        return (
            f"{best['network']} is more accurate than the paper's default, by {_points(best)}, "
            f"at {_share(best, default)} of its MAdds."
        )
    if cheaper:
        best = min(cheaper, key=lambda row: row["madds_b"])
        return (
            f"No design is more accurate than the paper's default. {best['network']} is at most half a point less "
            f"accurate ({_points(best)}) at {_share(best, default)} of its MAdds."
        )
    none = "No design is shown to be better than the paper's default, in accuracy or at equal accuracy in cost"
    if not others:
        return f"{none}: none was trained again."
    best = max(others, key=lambda row: row["difference"])
    return f"{none}: the most accurate, {best['network']}, differs by {_difference(best, sign='+')} points."


def shown(rows) -> list[dict]:
    """The rows of `verdicts` as a table's."""
    return [
        {
            "design": row["network"],
            "chosen as": ROLES[row["role"]],
            "MAdds": row["madds_b"],
            "seeds": row["seeds"],
            "mIoU": intervals.text_of(row["miou"], row["miou_interval"]),
            "difference from the default": _difference(row, sign="+") if "difference" in row else None,
            "more accurate": row.get("more_accurate"),
        }
        for row in rows
    ]


def _points(row):
    return f"{_difference(row)} points"


def _difference(row, sign=""):
    return intervals.text_of(row["difference"], row["difference_interval"], sign)


def _share(row, default):
    return f"{100 * row['madds_b'] / default['madds_b']:.0f} %"

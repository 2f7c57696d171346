"""The plots of the latency notebook, as matplotlib figures drawn from plain numbers."""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from mosaicbook.show import figures, point_labels

figures.style()
MANY = 12  # networks, of which a plot shows less each


def boxes(lines):
    """Boxes of single inferences by runtime and kernels, a panel per file, the fastest way first.

    lines: the benchmark runs of a bench's log; those without times are left out. Files that were timed in
    one way only share a panel. Whiskers reach the furthest time within 1.5 box lengths, dots are beyond.
    """
    ways = {}
    for line in lines:
        ways.setdefault(line["file"], set()).add(_way(line))
    alone = [file for file, own in ways.items() if len(own) == 1]
    titles = {file: (*ways[file], _short(Path(file).stem)) for file in alone} if len(alone) > 1 else {}
    times = pd.DataFrame(
        {
            "file": titles[line["file"]][0] if line["file"] in titles else _short(Path(line["file"]).stem),
            "way": titles[line["file"]][1] if line["file"] in titles else _way(line),
            "delegate": line.get("verdict", "").partition(" ")[0],
            "ms": ms,
        }
        for line in lines
        for ms in line.get("times_ms", ())
    )
    files = list(dict.fromkeys(times["file"]))
    heights = [times[times["file"] == file]["way"].nunique() for file in files]
    figure, panels = plt.subplots(
        len(files), 1, figsize=(7.8, 1.2 + sum(0.5 + 0.42 * h for h in heights)), squeeze=False, sharex=True,
        height_ratios=[h + 0.8 for h in heights],
    )  # fmt: skip
    colours = {"full": "#009e73", "partial": "#0072b2", "none": "#999999", "implicit": "#e69f00", "unknown": "#cc79a7"}
    for file, axes in zip(files, panels[:, 0], strict=True):
        own = times[times["file"] == file]
        shades = [colour for colour in colours if colour in set(times["delegate"])]
        order = own.groupby("way")["ms"].median().sort_values().index
        sns.boxplot(
            own, x="ms", y="way", order=order, hue="delegate", hue_order=shades,
            palette=colours, linewidth=1.2, fliersize=3, ax=axes, legend=False,
        )  # fmt: skip
        axes.set(xscale="log", xlabel="", ylabel="")
        axes.set_title(file, loc="left", fontsize=12)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.xaxis.set_minor_formatter("{x:g}" if times["ms"].max() < 300 * times["ms"].min() else "")
        axes.tick_params(axis="x", which="both", labelsize=10)
    panels[-1, 0].set_xlabel("one inference, ms (logarithmic)")
    marks = [Patch(color=colours[verdict], label=verdict) for verdict in colours if verdict in set(times["delegate"])]
    figure.legend(handles=marks, loc="outside upper right", ncol=5, title="what a delegate took")
    return figure


def op_profile(profiles):
    """A bar per network of what each kind of layer takes: milliseconds, or shares where there are many networks.

    profiles: {name: {kind: ms}}.
    """
    table, many = pd.DataFrame(profiles).T.fillna(0), len(profiles) > MANY
    if many:
        table = 100 * table.div(table.sum(axis=1), axis=0)
    table = table[table.sum().sort_values(ascending=False).index]
    figure, axes = plt.subplots(figsize=(7.8, 2.3 + (0.3 if many else 0.5) * len(table)))
    table.plot.barh(stacked=True, ax=axes, width=0.7, color=sns.color_palette(figures.PALETTE, table.shape[1]))
    axes.set(xlabel="% of one inference" if many else "ms of one inference", ylabel="")
    axes.set_yticks(range(len(table)), [_short(name) for name in table.index])
    axes.grid(axis="y", visible=False)
    axes.invert_yaxis()
    axes.get_legend().remove()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncol=3)
    return figure


def madds_against_ms(points):
    """Latency against cost, both logarithmic, a dot per network. points: [{network, madds_b, ms}].

    The line is the speed of the median network. Where there are many, the names are left out that have no room,
    those of networks next to the line first.
    """
    figure, axes = plt.subplots(figsize=(7.4, 5.2))
    cost, ms = (np.array([point[name] for point in points]) for name in ("madds_b", "ms"))
    mosaic = np.array(["mosaic" in point["network"] for point in points])
    for chosen, marker, colour, label in ((mosaic, "D", "#d55e00", "MOSAIC"), (~mosaic, "o", "#0072b2", "others")):
        if chosen.any():
            axes.plot(cost[chosen], ms[chosen], marker, color=colour, markersize=6, label=label)
    axes.set(xscale="log", yscale="log", xlabel="MAdds, billions (logarithmic)", ylabel="ms (logarithmic)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(LogLocator(subs=(2, 5)))
        axis.set_minor_formatter("{x:g}")
    axes.margins(x=0.2, y=0.12)
    speed, ends = np.median(cost / ms), np.array(axes.get_xlim())
    axes.plot(ends, ends / speed, "--", color=figures.INK, linewidth=1, zorder=0, scalex=False, scaley=False,
              label=f"{1000 * speed:.3g} billion MAdds a second")  # fmt: skip
    figure.legend(loc="outside upper right", ncol=3)
    names = [(point["madds_b"], point["ms"], point["network"], False) for point in points]
    names.sort(key=lambda name: -abs(np.log(name[0] / name[1] / speed)))
    many = len(names) > MANY
    steps = np.geomspace(*ends, 80)
    pieces = list(pairwise(zip(steps, steps / speed, strict=True)))
    point_labels.write(axes, names, fontsize=9 if many else 11, sparing=many, bars=pieces)
    return figure


def _way(line):
    if line["kernels"] == "gpu":
        return f"{line['runtime']}, {'a GPU in software' if line.get('software') else 'gpu'}"
    threads = f"{line['threads']} thread{'s'[: line['threads'] != 1]}"
    return f"{line['runtime']}, {line['kernels']}, {threads}"


def _short(name):
    """A file's name without underscores, its middle left out where it is long."""
    words = name.replace("_untrained_float32", "").replace("_", " ")
    return words if len(words) <= 40 else f"{words[:18]}... {words[-20:].strip()}"

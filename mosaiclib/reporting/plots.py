"""The plots of the notebooks, as matplotlib figures drawn from plain numbers."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from mosaiclib.reporting import figures

figures.style()


def learning_curve(history):
    """Loss and val mIoU by epoch. history: a data frame with epoch, loss, val_miou (missing where not measured)."""
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
    sns.lineplot(history, x="epoch", y="loss", ax=upper, marker="o", markersize=5, markeredgewidth=0)
    upper.set(title="Training loss", xlabel="", ylabel="cross-entropy, nats", ylim=(0, None))
    measured = history.dropna(subset="val_miou")
    miou = 100 * measured.val_miou.astype(float)
    sns.lineplot(x=measured.epoch, y=miou, ax=lower, marker="o", markersize=5, markeredgewidth=0)
    lower.set(title="Validation", xlabel="epoch", ylabel="mIoU, %", ylim=(0, 100))
    for axes in (upper, lower):
        axes.grid(axis="x", visible=False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def class_bars(per_class_iou, palette):
    """IoU of each class as bars in the legend's colours, best first. per_class_iou: {name: 0..1 or None}."""
    colours = dict(zip(per_class_iou, np.asarray(palette) / 255, strict=False))
    known = sorted(((iou, name) for name, iou in per_class_iou.items() if iou is not None), reverse=True)
    figure, axes = plt.subplots(figsize=(6.8, 0.9 + 0.3 * len(known)))
    bars = axes.barh(
        [name for _, name in known],
        [100 * iou for iou, _ in known],
        color=[colours[name] for _, name in known],
        edgecolor="0.5",
        linewidth=0.8,
    )
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.set(xlabel="IoU, %", xlim=(0, 105))
    axes.grid(axis="y", visible=False)
    axes.invert_yaxis()
    return figure


def confusion(counts, classes):
    """A confusion matrix with rows normalised to percent; cells of at least 1 % carry their number."""
    counts = np.asarray(counts, float)
    totals = counts.sum(1, keepdims=True)
    percent = 100 * np.divide(counts, totals, where=totals > 0, out=np.zeros_like(counts))
    text = np.where(percent >= 1, np.round(percent).astype(int).astype(str), "")
    side = 2.5 + 0.36 * len(classes)
    figure, axes = plt.subplots(figsize=(side + 1, side))
    sns.heatmap(
        percent, annot=text, fmt="", cmap="crest", vmin=0, vmax=100, square=True, linewidths=0.4, annot_kws={"size": 9},
        xticklabels=classes, yticklabels=classes, cbar_kws={"label": "%", "shrink": 0.6}, ax=axes,
    )  # fmt: skip
    axes.collections[0].colorbar.solids.set_edgecolor("face")
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.tick_params(axis="x", rotation=90)
    axes.tick_params(axis="y", rotation=0)
    return figure


def latency_strips(log):
    """One dot per process: its mean latency, a row per file and configuration, the fastest first.

    log: the file of JSON lines that `latency.host.bench` writes; processes without times are left out.
    """
    with open(log, encoding="utf-8") as lines:
        answers = [answer for answer in map(json.loads, lines) if answer.get("times_ms")]
    dots = pd.DataFrame(
        {
            "configuration": f"{_short(Path(a['file']).stem)}\n{a['kernels']}, threads: {a['threads']}",
            "runtime": a["runtime"],
            "mean": float(np.mean(a["times_ms"])),
        }
        for a in answers
    )
    order = dots.groupby("configuration")["mean"].min().sort_values().index
    figure, axes = plt.subplots(figsize=(7.6, 1.6 + 0.62 * len(order)))
    sns.stripplot(dots, x="mean", y="configuration", hue="runtime", order=order, dodge=True, alpha=0.7, ax=axes)
    axes.set(xscale="log", xlabel="mean of one process, ms", ylabel="")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="minor", labelsize=9)
    sns.move_legend(axes, "lower center", bbox_to_anchor=(0.4, 1), ncol=3, title=None)
    return figure


def _short(name, longest=36):
    """The end of a long file name, which says more than its beginning: size, output and precision."""
    return name if len(name) <= longest else f"...{name[-longest:]}"

"""The plots of the notebooks, as matplotlib figures drawn from plain numbers."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from mosaicbook.show import figures, point_labels

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


PLAIN, MOSAIC, OWN = "#0173b2", "#d55e00", "#029e73"
MARKS = {"other": ("o", PLAIN), "mosaic": ("D", MOSAIC), "ours": ("*", OWN)}


def trade_off(points, title, platforms):
    """mIoU against latency, a panel per platform, every point with its name (the paper's Figure 1).

    points: {label, device, latency_ms, miou_percent, kind (of MARKS)}. platforms: {device: its title}, in order.
    """
    devices = [device for device in platforms if any(point["device"] == device for point in points)]
    figure, panels = plt.subplots(
        len(devices), 1, figsize=(5.6, 0.5 + 2.5 * len(devices)), sharex=True, sharey=True, squeeze=False
    )
    miou, latency = ([point[name] for point in points] for name in ("miou_percent", "latency_ms"))
    margin = max(0.14 * (max(miou) - min(miou)), 1.0)
    beside = max(1.65, (12 * min(latency) / max(latency)) ** 0.5)  # room for names: a decade at least
    panels[0, 0].set(xscale="log", xlim=(min(latency) / beside, max(latency) * beside))
    panels[0, 0].set_ylim(min(miou) - margin, max(miou) + margin)
    for device, axes in zip(devices, panels[:, 0], strict=True):
        for point in (point for point in points if point["device"] == device):
            marker, colour = MARKS[point["kind"]]
            filled = colour if point["kind"] != "other" else "none"
            axes.plot(point["latency_ms"], point["miou_percent"], marker, color=colour, markerfacecolor=filled,
                      markeredgewidth=1.8, markersize=12 if marker == "*" else 8)  # fmt: skip
        axes.set(title=platforms[device], ylabel="mIoU, %")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.tick_params(axis="x", which="both", length=0, pad=6, labelsize=12)
        axes.xaxis.set_minor_formatter("{x:g}")
    panels[-1, 0].set(xlabel=f"latency, ms (logarithmic)\n{title}")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for device, axes in zip(devices, panels[:, 0], strict=True):
        own = sorted((p for p in points if p["device"] == device), key=lambda point: -point["miou_percent"])
        names = [(p["latency_ms"], p["miou_percent"], p["label"], p["kind"] != "other") for p in own]
        point_labels.write(axes, names)
    return figure


def scatter(points, axis):
    """mIoU against a cost as a scatter; the artists have the ids pick-0, pick-1, ... in the order of `points`.

    points: {x, miou_percent, kind (of MARKS)}. axis: what x is, with its unit.
    """
    figure = Figure(figsize=(7.2, 4.2))
    axes = figure.add_subplot()
    for number, point in enumerate(points):
        marker, colour = MARKS[point["kind"]]
        filled = "none" if point["kind"] == "other" else colour
        axes.plot(point["x"], point["miou_percent"], marker, color=colour, markerfacecolor=filled, alpha=0.8,
                  markeredgewidth=1.6, markersize=15 if marker == "*" else 8, gid=f"pick-{number}")  # fmt: skip
    axes.set(xscale="log", xlabel=f"{axis} (logarithmic)", ylabel="mIoU, %")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(0.06)
    return figure


def error_profile(errors, every=5):
    """Signal-to-noise ratio of each layer of exported files against Keras: accumulated, and each layer's own.

    errors: {precision: [export.error_profile.LayerError]}. Every fifth layer carries its name below. Beyond
    80 dB, where an error is a ten-thousandth of the signal, the axis ends.
    """
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8.4, 7.6))
    for precision, layers in errors.items():
        for axes, field in ((upper, "snr_db"), (lower, "own_snr_db")):
            known = [(i, getattr(layer, field)) for i, layer in enumerate(layers) if getattr(layer, field) is not None]
            axes.plot(*zip(*known, strict=True), marker=".", linewidth=1, label=precision)
    names = [layer.layer.rsplit(".", 1)[0] for layer in max(errors.values(), key=len)]
    for axes, title in ((upper, "Accumulated up to the layer"), (lower, "Added by the layer alone")):
        axes.set(title=title, ylabel="signal to noise, dB", ylim=(0, 80), xlim=(-1, len(names)))
        axes.set_xticks(range(0, len(names), every), [""] * len(names[::every]))
    lower.set_xticks(range(0, len(names), every), names[::every], rotation=90, fontsize=8)
    upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1.12), ncol=len(errors), frameon=False)
    return figure

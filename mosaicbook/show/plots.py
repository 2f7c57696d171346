"""The plots of the notebooks, as matplotlib figures drawn from plain numbers."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from mosaicbook.show import figures, point_labels

figures.style()
DASHES = ("-", "--", ":", "-.")
WHITE_TO_BLUE = LinearSegmentedColormap.from_list("white to blue", ("#ffffff", "#56b4e9", "#003f6b"))


def learning_curve(history):
    """Loss, and val mIoU where it was measured, by epoch. history: a data frame with epoch, loss, val_miou."""
    measured = history.dropna(subset="val_miou")
    count = 2 if len(measured) else 1
    figure, panels = plt.subplots(count, 1, figsize=(6.4, 3.2 * count), sharex=True, squeeze=False)
    upper, lower = panels[0, 0], panels[-1, 0]
    style = {"marker": "o", "markersize": 5 if len(history) < 40 else 0, "markeredgewidth": 0}
    sns.lineplot(history, x="epoch", y="loss", ax=upper, **style)
    upper.set(title="Training loss", ylabel="loss, nats", ylim=(0, None))
    if len(measured):
        sns.lineplot(x=measured.epoch, y=100 * measured.val_miou.astype(float), ax=lower, **style)
        lower.set(title="Validation", ylabel="mIoU, %", ylim=(0, 100))
    lower.set(xlabel="epoch")
    for axes in panels[:, 0]:
        axes.grid(axis="x", visible=False)
        whole_epochs(axes)
    return figure


def training_losses(evaluations):
    """The loss of several trainings by epoch, a line each, in a colour per learning rate and dashes per seed.

    evaluations: those of a run of notebook 25, each with its `loss` and `training`.
    """
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    trainings = [(one["training"]["recipe"]["learning_rate"], one["training"]["seed"]) for one in evaluations]
    rates, seeds = (list(dict.fromkeys(values)) for values in zip(*trainings, strict=True))
    for one, (rate, seed) in zip(evaluations, trainings, strict=True):
        colour = figures.PALETTE[rates.index(rate) % len(figures.PALETTE)]
        dashes = DASHES[seeds.index(seed) % len(DASHES)]
        axes.plot(range(1, len(one["loss"]) + 1), one["loss"], color=colour, linestyle=dashes, marker="o", markersize=4,
                  label=f"learning rate {rate:g}, seed {seed}")  # fmt: skip
    axes.set(xlabel="epoch", ylabel="cross-entropy, nats", ylim=(0, None))
    axes.grid(axis="x", visible=False)
    axes.legend(loc="lower left")
    whole_epochs(axes)
    return figure


def whole_epochs(axes):
    """Ticks at whole epochs only, also where there are few."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


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
        percent, annot=text, fmt="", cmap=WHITE_TO_BLUE, vmin=0, vmax=100, square=True, linewidths=0.4,
        linecolor="0.9", annot_kws={"size": 9},
        xticklabels=classes, yticklabels=classes, cbar_kws={"label": "%", "shrink": 0.6}, ax=axes,
    )  # fmt: skip
    axes.collections[0].colorbar.solids.set_edgecolor("face")
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.tick_params(axis="x", rotation=90)
    axes.tick_params(axis="y", rotation=0)
    return figure


PLAIN, MOSAIC, OWN = "#0072b2", "#d55e00", "#009e73"
MARKS = {"other": ("o", PLAIN), "mosaic": ("D", MOSAIC), "ours": ("*", OWN)}
PLATFORM_MARKS = ("o", "s", "^", "v", "P")


def trade_off(points, title, platforms, reference=None):
    """mIoU against latency (the paper's Figure 1): as printed, and normalised over the platforms.

    points: {label, device, latency_ms, miou_percent, kind (of MARKS)}. platforms: {device: its title}, in order.
    reference: the network whose latency is 1 on every platform in the second panel, which shows each network's mean
    over the platforms and, as a bar, the least and the largest; None for the first panel alone.
    """
    devices = [device for device in platforms if any(point["device"] == device for point in points)]
    normalised = _normalised(points, reference) if reference else []
    count = 2 if normalised else 1
    figure, panels = plt.subplots(1, count, figsize=(9.2 if count == 2 else 6.4, 3.8), sharey=True, squeeze=False)
    left, right = panels[0, 0], panels[0, -1]
    miou = [point["miou_percent"] for point in points]
    margin = max(0.14 * (max(miou) - min(miou)), 1.0)
    left.set_ylim(min(miou) - margin, max(miou) + margin)
    for position, device in enumerate(devices):
        for point in (point for point in points if point["device"] == device):
            marker, colour = MARKS[point["kind"]]
            marker = PLATFORM_MARKS[position % len(PLATFORM_MARKS)] if normalised else marker
            left.plot(point["latency_ms"], point["miou_percent"], marker, color=colour, markeredgewidth=1.5,
                      markerfacecolor=colour if point["kind"] != "other" else "none", markersize=7)  # fmt: skip
        if normalised:
            left.plot([], [], PLATFORM_MARKS[position % len(PLATFORM_MARKS)], color=figures.INK, markersize=6,
                      markerfacecolor="none", label=platforms[device])  # fmt: skip
    left.set_title(title if count == 1 else "as printed", fontsize=12)
    left.set(ylabel="mIoU, %", xlabel="latency, ms (logarithmic)")
    _logarithmic(left, [point["latency_ms"] for point in points])
    for point in normalised:
        marker, colour = MARKS[point["kind"]]
        right.plot((point["least"], point["most"]), (point["miou_percent"],) * 2, color=colour, linewidth=1.4)
        right.plot(point["mean"], point["miou_percent"], marker, color=colour, markeredgewidth=1.5, markersize=8,
                   markerfacecolor=colour if point["kind"] != "other" else "none")  # fmt: skip
    if normalised:
        right.set_title(f"mean over the platforms, {reference} is 1", fontsize=12)
        right.set(xlabel="relative latency (logarithmic)")
        _logarithmic(right, [point[name] for point in normalised for name in ("least", "most")], right=3.2)
        figure.legend(loc="outside upper center", ncol=len(devices), title=title)
    named = [(point["most"], point) for point in normalised] or [(point["latency_ms"], point) for point in points]
    places = [(x, p["miou_percent"], p["label"], p["kind"] != "other") for x, p in named]
    bars = [((p["least"], p["miou_percent"]), (p["most"], p["miou_percent"])) for p in normalised]
    point_labels.write(right, sorted(places, key=lambda place: -place[1]), fontsize=9, bars=bars)
    return figure


def _normalised(points, reference):
    """A point a network that has a latency on each platform of the reference: its mean there, the least, the most."""
    own = {point["device"]: point["latency_ms"] for point in points if point["label"] == reference}
    found = []
    for label in dict.fromkeys(point["label"] for point in points):
        members = [point for point in points if point["label"] == label and point["device"] in own]
        ratios = [point["latency_ms"] / own[point["device"]] for point in members]
        if len(ratios) == len(own):
            found.append({**members[0], "mean": float(np.mean(ratios)), "least": min(ratios), "most": max(ratios)})
    return found


def _logarithmic(axes, values, right=1.0):
    """A logarithmic axis with plain numbers and room for names. right: how much more room there is on the right."""
    beside = max(1.5, (8 * min(values) / max(values)) ** 0.5)
    axes.set(xscale="log", xlim=(min(values) / (1.2 if right > 1 else beside), max(values) * max(beside, right)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="both", length=0, pad=6, labelsize=10)


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


PRECISION_MARKS = {"float32": ("#555555", "x"), "float16": ("#56b4e9", "s"), "dynamic": ("#e69f00", "^"),
                   "int8": ("#0072b2", "o")}  # fmt: skip
MOST_DB = 80  # an error of a ten-thousandth of the signal


def error_profile(errors):
    """Signal-to-noise ratio of each layer of exported files against Keras: accumulated, and each layer's own.

    errors: {precision: [export.error_profile.LayerError]}. Some layers carry their name below. What is better than
    `MOST_DB` stands at the upper edge.
    """
    figure, panels = plt.subplots(2, 1, figsize=(8.4, 7.2), sharex=True)
    for position, (precision, layers) in enumerate(errors.items()):
        colour, marker = PRECISION_MARKS.get(precision, (figures.PALETTE[-1 - position], "."))
        for axes, field in zip(panels, ("snr_db", "own_snr_db"), strict=True):
            known = [(i, min(getattr(layer, field), MOST_DB)) for i, layer in enumerate(layers)
                     if getattr(layer, field) is not None]  # fmt: skip
            line = 1.2 if field == "snr_db" else 0
            axes.plot(
                *zip(*known, strict=True), marker=marker, markersize=4, linewidth=line, color=colour, label=precision
            )
    names = [layer.layer.rsplit(".", 1)[0] for layer in max(errors.values(), key=len)]
    titles = ("Accumulated up to the layer", "Added by the layer alone")
    for axes, title in zip(panels, titles, strict=True):
        axes.set(ylabel="signal to noise, dB", ylim=(0, MOST_DB + 3), xlim=(-1, len(names)))
        axes.set_title(title, fontsize=12, loc="left")
    panels[1].set_xticks(range(0, len(names), 8), names[::8], rotation=90, fontsize=8)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncol=len(errors), markerscale=1.5)
    return figure

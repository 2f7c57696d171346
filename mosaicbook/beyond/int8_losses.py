"""What a smaller number format costs each class: IoU through exported files beside the Keras network's."""

import matplotlib.pyplot as plt

from mosaicbook.show import figures

figures.style()
FLOAT, FILE = "#0173b2", "#d55e00"


def rows(result, precision) -> list[dict]:
    """[{"class", "keras", "file", "lost"}] in percent and points, the greatest loss first.

    result: result.json of an export run. A class that is nowhere in the images is left out.
    """
    keras = result["keras_per_class_iou"]
    file = next(f for f in result["files"] if f["precision"] == precision)["per_class_iou"]
    found = [
        {"class": name, "keras": 100 * keras[name], "file": 100 * file[name], "lost": 100 * (keras[name] - file[name])}
        for name in keras
        if keras[name] is not None and file[name] is not None
    ]
    return sorted(found, key=lambda row: -row["lost"])


def dots(rows, precision):
    """The Keras network's IoU of each class and the file's, and beside them what is lost, as a matplotlib figure."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 1.4 + 0.3 * len(rows)), sharey=True, width_ratios=(3, 2))
    names = [row["class"] for row in rows]
    left.plot([row["keras"] for row in rows], names, "o", color=FLOAT, markersize=8, label="Keras, float32")
    left.plot([row["file"] for row in rows], names, "D", color=FILE, markersize=5, label=precision)
    left.set(xlabel="IoU, %", xlim=(-2, 102))
    left.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncol=2)
    right.barh(names, [row["lost"] for row in rows], color=[FILE if row["lost"] > 0 else FLOAT for row in rows])
    right.axvline(0, color=figures.INK, linewidth=1)
    right.set(xlabel="lost, points")
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
    left.invert_yaxis()
    return figure


def has(result, precision) -> bool:
    """Whether an export kept each class's IoU for a file of this precision."""
    files = {file["precision"]: file for file in result["files"]}
    return "per_class_iou" in files.get(precision, {}) and "keras_per_class_iou" in result


def sentence(result, precision) -> str:
    """What the mean loses, and which class most."""
    found = rows(result, precision)
    mean = 100 * (result["keras_miou"] - next(f["miou"] for f in result["files"] if f["precision"] == precision))
    worse = [row for row in found if row["lost"] > 0.5]
    most = found[0]
    return (
        f"{precision} loses {mean:.2f} points of mIoU; most is lost by {most['class']}, {most['lost']:.2f} points "
        f"({most['keras']:.1f} to {most['file']:.1f} %), and {len(worse)} of {len(found)} classes lose more than 0.5."
    )

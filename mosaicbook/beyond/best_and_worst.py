"""The best and the worst images of an evaluation, from the predictions that it kept."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from mosaicbook.beyond import confusion_browser
from mosaicbook.show import figures
from mosaiclib.data import images
from mosaiclib.evaluation.iou import ConfusionMatrix

figures.style()


def kept(result) -> list[dict]:
    """The images of an evaluation whose predictions were kept, worst first. result: its result.json."""
    pictures = [picture for picture in result.get("pictures", []) if "prediction" in picture]
    return sorted(pictures, key=lambda picture: picture["miou"])


def row(picture, dataset, split, folder) -> list:
    """Photograph, truth, prediction and errors of one kept image, for `figures.gallery`.

    folder: the evaluation's run. Raises ValueError where the prediction is gone or of another size.
    """
    samples = dataset.split(split)
    image, label = dataset.read(samples[picture["index"]])
    prediction = images.read_label(folder / picture["prediction"])
    name = f"{picture['picture']}, mIoU {100 * picture['miou']:.1f} %"
    wrong = what_went_wrong(label, prediction, dataset.classes)
    return figures.compared(image, label, prediction, name, dataset, wrong)


def what_went_wrong(label, prediction, classes) -> str:
    """The two confusions that cost an image most pixels, as a caption."""
    matrix = ConfusionMatrix(len(classes))
    matrix.update(label, prediction)
    total = int(matrix.counts.sum()) or 1
    pairs = confusion_browser.worst_confusions(matrix.counts, classes, most=2)
    costs = [f"{p['truth']} found as {p['found']}: {100 * p['pixels'] / total:.1f} % of all pixels" for p in pairs]
    return "errors; " + "; ".join(costs) if costs else "no errors"


def distribution(result):
    """How the images' own mIoU are spread, as a matplotlib figure: a bar for every 5 points."""
    values = [100 * picture["miou"] for picture in result["pictures"]]
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    sns.histplot(x=values, binwidth=5, binrange=(0, 100), ax=axes)
    axes.axvline(float(np.median(values)), color=figures.INK, linewidth=1.5, linestyle="--")
    axes.set(xlabel="mIoU of an image, % (dashed: the median)", ylabel="images", xlim=(0, 100))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="x", visible=False)
    return figure

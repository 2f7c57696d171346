"""Which images to label next, as notebook 66 looks for them."""

from pathlib import Path

import numpy as np

from mosaicbook.beyond.few_labels import images_in
from mosaicbook.show import figures
from mosaiclib import models
from mosaiclib.data import images, subsets
from mosaiclib.evaluation import label_next
from mosaiclib.inference import keras_runner, letterbox


def unlabelled(folder, data, splits, share) -> list[Path]:
    """The images of a folder; without one, those of a data set's splits that are no part of the labelled share.

    Raises ValueError where there is none.
    """
    if folder:
        return images_in(folder)
    paths = [sample.image_path for split in splits for sample in data.split(split)]
    labelled = set(subsets.share_of(len(paths), share).tolist())
    found = [path for i, path in enumerate(paths) if i not in labelled]
    if not found:
        raise ValueError("Every image has a label: name a folder of unlabelled images, or a smaller labelled_share.")
    return found


def looked_at(weights, paths) -> list[tuple[float, np.ndarray]]:
    """What `label_next.look` says of each image, seen by the network of a weights folder at its own input size."""
    card = models.load_card(weights)
    network = keras_runner(models.load(weights, input_size=card.input_size, output="probabilities"))
    found = []
    for path in paths:
        canvas, (rows, columns) = letterbox(images.read_image(path), card.input_size)
        found.append(label_next.look(network(canvas)[:rows, :columns]))
    return found


def rows(paths, entropies, chosen) -> list[dict]:
    """The chosen images as lines of a table, and how their uncertainty ranks among all."""
    rank = {int(index): place for place, index in enumerate(np.argsort(-np.asarray(entropies), kind="stable"), start=1)}
    return [{"image": paths[i].name, "mean entropy": entropies[i], "rank": rank[i]} for i in chosen]


def shown(paths, entropies, chosen, shareable):
    """The chosen images, four abreast, each with its name and entropy."""
    pictures = [
        figures.photograph(images.read_image(paths[i]), f"{paths[i].name}: mean entropy {entropies[i]:.3f} nats",
                           f"{paths[i].name}, {entropies[i]:.3f} nats", shareable=shareable, max_width=480)
        for i in chosen
    ]  # fmt: skip
    return figures.gallery([pictures[start : start + 4] for start in range(0, len(pictures), 4)])

"""Heads on frozen backbones, as notebook 25 trains and evaluates them."""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from mosaicbook import runs
from mosaicbook.runs import evaluations, ledger
from mosaiclib import evaluation, models
from mosaiclib.evaluation import boundary, image_counts, intervals
from mosaiclib.models import catalogue
from mosaiclib.training import frozen, taps

BACKBONE = ("backbone", "endpoint_filters", "first_dilated_block", "normalisation", "padding")


def spec_on(model, weights):
    """The spec of `model`'s head on the backbone of a weights folder; its name begins as the backbone's network.

    model: a name of the catalogue, or a .json file of a spec, as a search writes it.
    """
    spec = catalogue.get(model)
    card = models.load_card(weights)
    parts = {name: getattr(card.spec, name) for name in BACKBONE}
    return replace(spec, name=f"{card.spec.name.partition('-')[0]}-{spec.name.partition('-')[2]}", **parts)


def chosen(choice):
    """(the best learning rate, all that were tried) of a run that tried some; (None, []) without one."""
    if not choice:
        return None, []
    result = runs.read_json(Path(choice) / "result.json")
    return result["chosen_rate"], result["rates_tried"]


def best_rate(found):
    """The learning rate with the highest mean mIoU among evaluations."""
    rates = {}
    for one in found:
        rates.setdefault(one["training"]["recipe"]["learning_rate"], []).append(one["miou"])
    return max(rates, key=lambda rate: np.mean(rates[rate]))


def stored_views(weights, data, recipe, views, cache, tell, pairs=None, others=""):
    """The stored taps of a data set's augmented views by a recipe.

    pairs: these views with further ones among them, as `taps.store` takes them, and others: a text that says which.
    """
    shape = (recipe.crop, recipe.scale, recipe.flip, recipe.light, recipe.colour, recipe.train_splits)
    key = f"{data.fingerprint()} {shape} {views}{others and f' {others}'}"
    return taps.store(weights, pairs or taps.views(data, recipe, views), recipe.crop, cache, key, tell=tell)


def stored_split(weights, data, split, cache, tell):
    """The stored taps of a split's images at their own size."""
    pairs = [partial(data.read, sample) for sample in data.split(split)]
    size = pairs[0]()[1].shape
    return taps.store(weights, pairs, size, cache, f"{data.fingerprint()} {split}", tell=tell)


@dataclass(frozen=True)
class About:
    """What all trainings of one run share.

    labels: which of the images have labels, in words; "" where all do. prefix: of the names of a training's files.
    """

    spec: object
    data: object
    split: str
    recipe: object
    steps: int
    views: int
    weights: str
    rates_tried: list
    code: str
    labels: str = ""
    prefix: str = ""

    def kept(self, run, seed, rate) -> Path:
        """Where a finished training of a killed run is kept."""
        return Path(run.scratch) / f"{self.prefix}seed{seed}-rate{rate:g}.json"


def train_and_evaluate(trainer, held, about, seed, rate, run, boundary_ratios, tell) -> dict:
    """One training and its evaluation, in the form of `results.Evaluation`; a finished one is read from the scratch."""
    kept = about.kept(run, seed, rate)
    name, counts_file = kept.stem, f"counts-{kept.stem}.npz"
    if kept.is_file():
        image_counts.load(Path(run.scratch) / counts_file).save(run.folder / counts_file)
        return json.loads(kept.read_text(encoding="utf-8"))
    recipe = about.recipe.but(learning_rate=rate, seed=seed)
    trainer.set_rate(rate)
    history = trainer.train(seed, tell)
    record = evaluations.of_training(
        recipe, about.data, about.steps, about.code, about.weights, "the backbone", "the backbone"
    )
    record |= {"views": about.views, "rates_tried": list(about.rates_tried)}
    record |= {"labels": about.labels} if about.labels else {}
    card = models.Card(about.spec, about.data.classes, about.data.name, recipe.crop, provenance={"training": record})
    folder = Path(run.scratch) / f"weights-{name}"
    frozen.save_whole(trainer.model, about.weights, folder, card)
    sha = models.sha256(folder)
    found = _evaluated(trainer, held, about, sha, boundary_ratios)
    counts, edges = found
    score = evaluation.score(_total(counts), counts.rule)
    interval = intervals.of_score(counts)
    result = {
        "model": about.spec.name,
        "spec": about.spec.to_json(),
        "dataset": about.data.name,
        "synthetic": about.data.synthetic,
        "data_fingerprint": record["data_fingerprint"],
        "split": about.split,
        "rule": counts.rule,
        "n_images": len(counts.images),
        "split_images": len(counts.images),
        "image_size": list(held.labels.shape[1:]),
        "input_scale": 1.0,
        "miou": score.miou,
        "miou_interval": interval and [interval.lower, interval.upper],
        "pixel_accuracy": score.pixel_accuracy,
        "per_class_iou": dict(zip(about.data.classes, score.per_class_iou, strict=True)),
        "boundary": edges,
        "image_counts": counts_file,
        "weights_sha256": sha,
        "training": record,
        "loss": history,
    }
    ledger.note(about.data, about.split, about.spec.name, sha, record["recipe"], len(counts.images), score.miou,
                f"heads, seed {seed}")  # fmt: skip
    tell(f"{about.spec.name}, seed {seed}: mIoU {intervals.text(score.miou, interval)} %")
    counts.save(run.folder / counts_file)
    counts.save(kept.with_name(counts_file))
    runs.write_json(kept, result)
    return result


def _evaluated(trainer, held, about, sha, boundary_ratios):
    classes = len(about.data.classes)
    matrices, edges = [], [boundary.BoundaryCounts(classes, float(ratio)) for ratio in boundary_ratios.split()]
    for label, found in trainer.class_maps(held):
        matrix = evaluation.ConfusionMatrix(classes)
        matrix.update(label, found)
        matrices.append(matrix)
        for counter in edges:
            counter.update(label, found)
    samples = about.data.split(about.split)
    names = [sample.name for sample in samples]
    counts = image_counts.ImageCounts.of(matrices, names, about.data.videos(samples), about.data.rule, sha)
    return counts, [{"dilation_ratio": c.dilation_ratio, "miou": c.mean()} for c in edges]


def _total(counts):
    matrix = evaluation.ConfusionMatrix(counts.counts.shape[1])
    total = counts.counts.sum(0, dtype=np.int64)
    matrix.counts[:], matrix.unclassified[:], matrix.pictures = total[:, :-1], total[:, -1], len(counts.images)
    return matrix


def row(one) -> dict:
    """One evaluation as a line of a table."""
    training = one["training"]
    return {"network": one["model"], "seed": str(training["seed"]),
            "learning rate": f"{training['recipe']['learning_rate']:g}",
            "mIoU": intervals.text_of(one["miou"], one["miou_interval"]), "final loss": one["loss"][-1]}  # fmt: skip

"""A study: networks of a profile that were trained alike, once or with several seeds, and evaluated on one split."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from mosaicbook import runs
from mosaiclib import models
from mosaiclib.models import catalogue

UNITS = {"mIoU": "%", "spread": "points", "pixel accuracy": "%", "TFLite MAdds": "billions"}
FORMATS = {"mIoU": ".2f", "spread": ".2f", "pixel accuracy": ".2f", "TFLite MAdds": ".3f"}


@dataclass(frozen=True)
class StudyRow:
    """One network of a study: its evaluations by seed.

    evaluations: {seed: (run id, result.json)}. IoUs and accuracies are in 0..1.
    """

    model: str
    evaluations: dict[int, tuple[str, dict]]

    @property
    def mious(self):
        """One a seed."""
        return [result["miou"] for _, result in self.evaluations.values()]

    @property
    def miou(self):
        """Mean over the seeds."""
        return statistics.fmean(self.mious)

    @property
    def spread(self):
        """Standard deviation over the seeds, None for fewer than two."""
        return statistics.stdev(self.mious) if len(self.mious) > 1 else None

    @property
    def per_class_iou(self):
        """{class: mean over the seeds} of the classes that have an IoU with every seed."""
        found = [result["per_class_iou"] for _, result in self.evaluations.values()]
        known = [name for name in found[0] if all(iou[name] is not None for iou in found)]
        return {name: statistics.fmean(iou[name] for iou in found) for name in known}


def rows(profile_name, split) -> list[StudyRow]:
    """The networks that runs of a profile trained and evaluated on `split`, pictures at their own size, the best first.

    Raises ValueError where two trainings of a network have one seed: which of them would count?
    """
    found = {}
    for run_id, result in runs.finished(profile_name, "evaluate").items():
        if result["split"] != split or not runs.at_own_size(result):
            continue
        training = f"train/{Path(result['weights']).parent.name}"
        trained = runs.result_of(profile_name, training)
        if not trained:
            continue  # weights that no run of this profile has trained are compared with nothing
        seeds = found.setdefault(result["model"], {})
        if trained["seed"] in seeds:
            raise ValueError(
                f"{run_id} and {seeds[trained['seed']][0]} are one network with one seed: keep one of them."
            )
        seeds[trained["seed"]] = run_id, result
    return sorted((StudyRow(model, seeds) for model, seeds in found.items()), key=lambda row: -row.miou)


def record(row, input_size) -> dict:
    """A row as one line of a table: mIoU and its spread over the seeds in percent, beside parameters and MAdds.

    input_size: (height, width) in pixels that MAdds are counted at.
    """
    results = [result for _, result in row.evaluations.values()]
    cost = models.cost(catalogue.get(row.model), input_size, len(results[0]["per_class_iou"]))
    return {
        "network": row.model,
        "seeds": ", ".join(map(str, sorted(row.evaluations))),
        "mIoU": 100 * row.miou,
        "spread": None if row.spread is None else 100 * row.spread,
        "pixel accuracy": 100 * statistics.fmean(result["pixel_accuracy"] for result in results),
        "parameters": cost.params,
        "TFLite MAdds": cost.tflite_madds / 1e9,
    }


def verdict(first, second):
    """By how much `first` is better than `second`, and whether seeds could explain it: one sentence for a page."""
    difference = 100 * (first.miou - second.miou)
    spread = 100 * max(first.spread or 0, second.spread or 0)
    known = f"seeds differ by {spread:.1f} (standard deviation)" if spread else "one seed each, their spread is unknown"
    sure = "" if spread and abs(difference) > 2 * spread else ", which is no proof"
    side = "better" if difference > 0 else "worse"
    return f"{first.model} is {abs(difference):.1f} points {side} than {second.model}; {known}{sure}."

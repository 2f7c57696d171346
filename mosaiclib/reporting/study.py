"""A study of a profile: networks trained alike, once or with several seeds, and evaluated on one split."""

import statistics
from dataclasses import dataclass

from mosaiclib import models, runs, specs
from mosaiclib.data import datasets

UNITS = {"mIoU": "%", "spread": "points", "pixel accuracy": "%", "TFLite MAdds": "billions"}
FORMATS = {"mIoU": ".2f", "spread": ".2f", "pixel accuracy": ".2f", "TFLite MAdds": ".3f"}


@dataclass(frozen=True)
class StudyRow:
    """One network of a study.

    trained: its training runs by seed; evaluated: the evaluation run of each, None where it has not been run.
    mious: 0..1, one per evaluated seed. per_class_iou: mean over the seeds, by class name, 0..1.
    """

    model: str
    trained: dict[int, str]
    evaluated: dict[int, str | None]
    mious: tuple[float, ...]
    pixel_accuracies: tuple[float, ...]
    per_class_iou: dict[str, float]

    @property
    def miou(self):
        """Mean over the seeds, None where nothing was run."""
        return _mean(self.mious)

    @property
    def spread(self):
        """Standard deviation over the seeds, None for fewer than two."""
        return statistics.stdev(self.mious) if len(self.mious) > 1 else None


def rows(profile, split) -> list[StudyRow]:
    """The networks of a profile by the order of their evaluations on `split`, planned or done."""
    found = {}
    for run_id, plan in profile.runs.items():
        weights = plan.references().get("weights")
        if plan.notebook != "notebooks/30_evaluate.ipynb" or plan.parameters.get("split") != split or not weights:
            continue
        training = profile.runs[weights[0]]
        seed = int(training.parameters.get("seed", 0))
        model = found.setdefault(training.parameters["model"], {})
        if seed in model:
            raise ValueError(
                f"{profile.name} evaluates two trainings of {training.parameters['model']} with seed {seed}."
            )
        model[seed] = (weights[0], run_id, runs.result_of(profile.name, run_id))
    return [_row(model, seeds) for model, seeds in found.items()]


def _row(model, seeds):
    results = [result for _, _, result in seeds.values() if result]
    classes = list(results[0]["per_class_iou"]) if results else []
    return StudyRow(
        model=model,
        trained={seed: training for seed, (training, _, _) in seeds.items()},
        evaluated={seed: run_id if result else None for seed, (_, run_id, result) in seeds.items()},
        mious=tuple(result["miou"] for result in results),
        pixel_accuracies=tuple(result["pixel_accuracy"] for result in results),
        per_class_iou={
            name: statistics.fmean(result["per_class_iou"][name] for result in results)
            for name in classes
            if all(result["per_class_iou"][name] is not None for result in results)
        },
    )


def record(row, profile, input_size=(360, 480)) -> dict:
    """A row as one line of a table: mIoU and its spread over the seeds in percent, beside parameters and MAdds.

    input_size: (height, width) that MAdds are counted at; CamVid's own by default.
    """
    first = profile.runs[next(iter(row.trained.values()))].parameters
    classes = len(datasets.get(first["dataset"], first.get("data_root") or None).classes)
    cost = models.cost(specs.get(row.model), input_size, classes)
    percent = {"mIoU": row.miou, "spread": row.spread, "pixel accuracy": _mean(row.pixel_accuracies)}
    return {
        "network": row.model,
        "seeds": ", ".join(map(str, row.trained)),
        **{name: None if value is None else 100 * value for name, value in percent.items()},
        "parameters": cost.params,
        "TFLite MAdds": cost.tflite_madds / 1e9,
    }


def classes(rows) -> list[str]:
    """The classes that all rows have an IoU of."""
    return [name for name in (rows[0].per_class_iou if rows else ()) if all(name in row.per_class_iou for row in rows)]


def verdict(first, second):
    """Whether `first` is better than `second` by more than both spreads: one sentence for a page."""
    if first.miou is None or second.miou is None:
        return f"{first.model} against {second.model}: not tested."
    difference = 100 * (first.miou - second.miou)
    spread = 100 * max(first.spread or 0, second.spread or 0)
    known = (
        f"the seeds differ by {spread:.1f} (standard deviation)" if spread else "one seed each: their spread is unknown"
    )
    side = "better" if difference > 0 else "worse"
    sure = "" if spread and abs(difference) > 2 * spread else ", which is no proof"
    return f"{first.model} is {abs(difference):.1f} points {side} than {second.model}; {known}{sure}."


def _mean(values):
    return statistics.fmean(values) if values else None

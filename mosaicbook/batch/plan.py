"""What a plan can say of trainings before any is started: whether each can be built, and how long it may take."""

from dataclasses import dataclass
from statistics import median

from mosaicbook import runs
from mosaicbook.runs.provenance import at_root

PASSES = 3  # a step computes the forward pass once and the backward pass as two of it
IMAGENET = 1_281_167, 1000  # images of its train split, classes: where the images to pretrain on are not here


@dataclass(frozen=True)
class Planned:
    """A training: the sentence that says why it cannot be built, or the MACs of all its steps."""

    problem: str = ""
    macs: float = 0.0


def trainings(profile, run_ids) -> dict[str, Planned]:
    """{run id: what is known of it} of the trainings among `run_ids`, whose networks are built at their crops.

    Those that pretrain a backbone are trainings, too.
    """
    kinds = {"train": _planned, "pretrain": _pretraining}
    stages = {run_id: run_id.partition("/")[0] for run_id in run_ids}
    return {run_id: kinds[stage](profile.runs[run_id]) for run_id, stage in stages.items() if stage in kinds}


def _pretraining(plan):
    from mosaiclib.data import fetch
    from mosaiclib.data.sets import image_folder
    from mosaiclib.models import catalogue
    from mosaiclib.models.counting import cost_of
    from mosaiclib.training import pretraining, recipes

    values = plan.all_parameters
    named = recipes.load(values["recipe"])
    crop = values["crop_height"] or named.crop[0], values["crop_width"] or named.crop[1]
    try:
        data = image_folder.read(at_root(values["data_root"]))
        images, classes = len(data.split("train")), len(data.classes)
    except (ValueError, fetch.NotAvailable):
        images, classes = IMAGENET
    try:
        spec = catalogue.get(values["model"])
        network = pretraining.classifier(spec, crop, classes, output_stride=values["output_stride"])
    except ValueError as error:
        return Planned(str(error))
    return Planned("", PASSES * cost_of(network).conv_macs * images * (values["epochs"] or named.epochs))


def _planned(plan):
    from mosaiclib import models
    from mosaiclib.data import datasets, fetch
    from mosaiclib.models import catalogue
    from mosaiclib.training import recipes

    values = plan.all_parameters
    named = recipes.load(values["recipe"])
    crop = values["crop_height"] or named.crop[0], values["crop_width"] or named.crop[1]
    try:
        data = datasets.get(values["dataset"], at_root(values["data_root"]))
        classes, images = len(data.classes), data.published.get("train", 0) or len(data.split("train"))
    except (ValueError, fetch.NotAvailable):
        return Planned()  # a data set of one's own that is not here: the run waits for it
    if values["model"].startswith("run:"):
        return Planned()  # a design that a search is still to find
    try:
        macs = models.cost(catalogue.get(values["model"] or catalogue.SMALL), crop, classes).conv_macs
    except ValueError as error:
        return Planned(str(error))
    return Planned("", PASSES * macs * images * (values["epochs"] or named.epochs))


def pace(profile, planned) -> tuple[float, str]:
    """(MACs that are trained in a second, where that number comes from); (0, "") where nothing is known.

    Measured by the finished trainings of the profile, or else of the profile `pilot`; or as the profile assumes.
    """
    for name in (profile.name, "pilot"):
        rates = [
            planned[run_id].macs / result[f"{stage}_wall_s"]
            for stage in ("train", "pretrain")
            for run_id, result in runs.finished(name, stage).items()
            if run_id in planned and planned[run_id].macs and result.get(f"{stage}_wall_s")
        ]
        if rates:
            return median(rates), f"as {len(rates)} finished training{'s' * (len(rates) > 1)} of {name} measured"
    return profile.train_macs_per_s, "which the profile assumes and nobody has measured"


def tell(profile, run_ids):
    """Builds every training, prints which cannot be and sets the times of the others by their MACs."""
    count = sum(run_id.startswith(("train/", "pretrain/")) for run_id in run_ids)
    print(f"Building the networks of {count} trainings at their crops; for many this takes minutes.", flush=True)
    planned = trainings(profile, run_ids)
    rate, why = pace(profile, planned)
    for run_id, training in planned.items():
        if training.problem:
            print(f"  cannot be built: {run_id}: {training.problem}")
        elif rate and training.macs:
            profile.runs[run_id].about_s = round(training.macs / rate)
    broken = sum(bool(training.problem) for training in planned.values())
    print(f"{len(planned)} trainings, of which {broken or 'none'} cannot be built.")
    if rate and planned:
        print(f"Their times: {PASSES} times the conv MACs of their crops, {rate / 1e9:,.0f} billion a second, {why}.")

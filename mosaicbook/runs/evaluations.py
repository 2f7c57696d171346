"""The evaluations of a profile's trainings, and which of them may be compared.

Two may where they are of the whole of one split, read alike, scored by one rule, and trained alike: then what is left
between them is the network and the seed. Everything else has a reason, in a sentence, why it is not compared.
"""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from mosaicbook.runs import run
from mosaiclib import models
from mosaiclib.evaluation import image_counts
from mosaiclib.models import catalogue
from mosaiclib.models.spec import ModelSpec

# What two evaluations must share, as it is called to a reader; of the training, then of the evaluation.
_TRAINING = {
    "data_fingerprint": "the data trained on",
    "splits": "the splits trained on",
    "labels": "the images that have labels",
    "recipe": "the recipe",
    "rates_tried": "the learning rates tried",
    "steps": "the steps of training",
    "views": "the stored views of an image",
    "initial_part": "the layers that began with given weights",
    "frozen": "what was frozen",
    "code": "the code that trained",
}
_EVALUATION = {
    "dataset": "the data set",
    "data_fingerprint": "the data",
    "split": "the split",
    "n_images": "the number of images",
    "image_size": "the image size",
    "input_scale": "the scale of images for the network",
    "rule": "the rule",
}
LABELS = _TRAINING["labels"]
_UNSHARED = ("seed",)  # of a recipe; and its learning rate, where each network chose among the same ones


@dataclass(frozen=True)
class Evaluated:
    """One training's evaluation. result: in the form of `results.Evaluation`. counts_path: its counts by image."""

    run_id: str
    result: dict
    counts_path: Path

    @property
    def spec(self) -> ModelSpec:
        """Its network; one of the catalogue by its name where an earlier version kept no more."""
        return spec_of(self.result)

    @property
    def seed(self) -> int:
        return self.result["training"]["seed"]

    @property
    def frozen(self) -> bool:
        """Whether its head alone was trained, on a frozen backbone."""
        return bool((self.result.get("training") or {}).get("frozen"))

    @property
    def counts(self) -> image_counts.ImageCounts:
        """Its counts by image. Raises ValueError where they were not kept."""
        if not self.result.get("image_counts"):
            raise ValueError(f"{self.run_id} did not keep the counts of each image: run it again to compare it.")
        return _counts(self.counts_path)

    @property
    def starting_weights(self) -> str:
        """The sha256 of the weights that the training began with; "" for random ones."""
        return self.result["training"].get("initial_weights_sha256", "")

    def setting(self) -> dict:
        """{what: value} of all that must agree with another evaluation, the starting weights left out."""
        training = dict(self.result["training"])
        recipe = {name: value for name, value in training["recipe"].items() if name not in _UNSHARED}
        if training.get("rates_tried"):
            recipe.pop("learning_rate", None)
        training["recipe"] = recipe
        return {text: self.result.get(name) for name, text in _EVALUATION.items()} | {
            text: training.get(name) for name, text in _TRAINING.items()
        }

    def key(self) -> str:
        """A text that is equal for evaluations which may be compared but for their starting weights."""
        return json.dumps(self.setting(), sort_keys=True)


def spec_of(result) -> ModelSpec:
    """The network of an evaluation's result; one of the catalogue by its name where an earlier version kept no more.

    Raises ValueError, KeyError or TypeError where it says none.
    """
    return ModelSpec.from_json(result["spec"]) if "spec" in result else catalogue.get(result["model"])


def by_network(evaluated) -> dict:
    """{(spec, starting weights): {seed: evaluation}}, the first of a seed."""
    networks = defaultdict(dict)
    for one in evaluated:
        networks[one.spec, one.starting_weights].setdefault(one.seed, one)
    return networks


@cache
def _counts(path):
    return image_counts.load(path)


def of_training(recipe, data, steps, code, initial_weights="", initial_part="", frozen="") -> dict:
    """What a training leaves in its weights' card, so that evaluations of it say what they may be compared with.

    code: a fingerprint of what trained. initial_weights: a weights folder, of which the layers were taken whose name
    begins with initial_part. frozen: the same of the layers that were not trained.
    """
    return {
        "seed": recipe.seed,
        "recipe": asdict(recipe),
        "splits": list(recipe.train_splits),
        "data_fingerprint": data.fingerprint(),
        "steps": steps,
        "initial_weights_sha256": models.sha256(initial_weights) if initial_weights else "",
        "initial_part": initial_part,
        "frozen": frozen,
        "code": code,
    }


def of_folder(folder, run_id="") -> list[Evaluated]:
    """The evaluations that one finished run made, one per seed. Raises ValueError where it made none."""
    folder = Path(folder)
    result = run.read_json(folder / "result.json")
    parts = result.get("evaluations", [result])
    if not all("miou" in part and "split" in part for part in parts):
        raise ValueError(f"{folder} is not an evaluation of a network: name a run of the stage evaluate or heads.")
    return [
        Evaluated(run_id or f"{folder.parent.name}/{folder.name}", part, folder / str(part.get("image_counts")))
        for part in parts
    ]


def of_folders(pattern) -> list[Evaluated]:
    """The evaluations of one run's folder, or of those that a pattern of it names, such as evaluate/camvid-seed*.

    Raises ValueError where one made none.
    """
    pattern = Path(pattern)
    folders = sorted(pattern.parent.glob(pattern.name)) if "*" in pattern.name else [pattern]
    return [evaluated for folder in folders for evaluated in of_folder(folder)]


def of_profile(profile_name) -> tuple[list[Evaluated], list[str]]:
    """(the evaluations that may be compared with others, a sentence for each that may not and why).

    A run that tried several learning rates is a choice and no comparison.
    """
    usable, refused = [], []
    for stage in ("evaluate", "heads"):
        for run_id in run.finished(profile_name, stage):
            found = of_folder(run.folder_of(profile_name, run_id), run_id)
            for evaluated in [] if choosing(evaluated.result for evaluated in found) else found:
                reason = why_unusable(evaluated)
                usable.append(evaluated) if reason is None else refused.append(f"{run_id}: {reason}")
    return usable, refused


def choosing(results) -> bool:
    """Whether the evaluations of one run are of several learning rates, so that it chose one."""
    trainings = [result.get("training") or {} for result in results]
    return len({(training.get("recipe") or {}).get("learning_rate") for training in trainings}) > 1


def why_unusable(evaluated) -> str | None:
    """Why one evaluation is compared with none, in a sentence; None where it may be."""
    result, training = evaluated.result, evaluated.result.get("training")
    if not training or not result.get("spec"):
        return "how its network was trained is not recorded."
    if result["n_images"] != result.get("split_images"):
        return (
            f"{result['n_images']} of the {result.get('split_images', 'unknown')} images of the split were evaluated."
        )
    if result["split"] in training["splits"] and result["data_fingerprint"] == training["data_fingerprint"]:
        return f"its network was trained on the split {result['split']}."
    if result.get("input_scale", 1) != 1:
        return f"images were resized by {result['input_scale']:g} for the network."
    if not result.get("image_counts") or not evaluated.counts_path.is_file():
        return "the counts of each image were not kept."
    return None


def why_not(one, other, but=()) -> list[str]:
    """In what two evaluations differ beside network and seed, in words; [] where they may be compared.

    but: what a comparison is about, such as `LABELS`, and may differ.
    """
    first, second = one.setting(), other.setting()
    reasons = [f"{text} ({_text(first[text])} against {_text(second[text])})" for text in first
               if first[text] != second[text] and text not in but]  # fmt: skip
    if one.spec.backbone == other.spec.backbone and one.starting_weights != other.starting_weights:
        reasons.append("the weights that training began with")
    return reasons


def _text(value):
    if isinstance(value, dict):
        return "…"
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{text[:12]}…" if len(text) > 40 else text

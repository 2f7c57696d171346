"""Networks of one profile that were trained alike: accuracy beside cost, class by class, and against the best."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from mosaicbook.paper.study import Study, studies
from mosaicbook.show import figures, point_labels
from mosaiclib import models
from mosaiclib.evaluation import intervals
from mosaiclib.evaluation.verdict import FEWEST_SEEDS

figures.style()
UNITS = {"mIoU": "% [95 % interval]", "SD over seeds": "points", "MAdds": "billions"}
FORMATS = {"SD over seeds": ".2f", "MAdds": ".3f"}


@dataclass(frozen=True)
class Network:
    """One network of a study: its evaluations, one per seed, in the order of the seeds."""

    study: Study
    evaluations: tuple

    @property
    def spec(self):
        return self.evaluations[0].spec

    @property
    def mious(self):
        """In 0..1, one per seed."""
        return [evaluated.result["miou"] for evaluated in self.evaluations]

    @property
    def miou(self):
        """Their mean."""
        return float(np.mean(self.mious))

    @property
    def interval(self):
        """Of that mean, over seeds and images; None with fewer than three seeds."""
        if len(self.evaluations) < FEWEST_SEEDS or self.study.spread is None:
            return None
        return intervals.of_network([evaluated.counts for evaluated in self.evaluations], self.study.spread)

    @property
    def madds_b(self):
        """At the size and with the classes of the evaluation, in billions."""
        result = self.evaluations[0].result
        size = tuple(result["image_size"])
        return models.cost(self.spec, size, len(result["per_class_iou"])).tflite_madds / 1e9

    @property
    def per_class_iou(self):
        """{class: mean over the seeds in 0..1} of the classes that have an IoU with every seed."""
        found = [evaluated.result["per_class_iou"] for evaluated in self.evaluations]
        known = [name for name in found[0] if all(iou[name] is not None for iou in found)]
        return {name: float(np.mean([iou[name] for iou in found])) for name in known}

    def row(self) -> dict:
        """As a line of a table."""
        several = len(self.mious) > 1
        return {
            "network": self.spec.name,
            "seeds": len(self.mious),
            "mIoU": intervals.text(self.miou, self.interval),
            "SD over seeds": 100 * float(np.std(self.mious, ddof=1)) if several else None,
            "MAdds": self.madds_b,
        }


def trained(found) -> str:
    """What was trained of these networks, in words that follow "networks"; "" for none."""
    if not found:
        return ""
    return " with a frozen backbone" if found[0].study.first.frozen else " trained whole"


def networks(profile_name, split) -> list[Network]:
    """The networks of the profile's largest study on a split, the best first; [] where there is none."""
    found = [study for study in studies(profile_name)[0] if study.first.result["split"] == split]
    if not found:
        return []
    study = max(found, key=lambda study: len(study.members))
    members = [Network(study, tuple(seeds[s] for s in sorted(seeds))) for seeds in study.members.values()]
    return sorted(members, key=lambda network: -network.miou)


def against(best, other) -> str:
    """By how much one network is better than another, and how well that is known: a sentence for a page."""
    first, second = best.spec.name, other.spec.name
    if best.interval is None or other.interval is None:
        few = min(len(best.mious), len(other.mious))
        return f"{first} and {second}: {few} seed{'s' if few != 1 else ''}, and 3 are needed to compare."
    counts = [[evaluated.counts for evaluated in network.evaluations] for network in (best, other)]
    interval = intervals.of_seeds(*counts, best.study.spread).interval()
    found = "more than chance" if interval.lower > 0 else "which may be chance"
    text = intervals.text(interval.estimate, interval)
    return f"{first} has {text} points more than {second}, {found}."


def trade_off(found):
    """mIoU with its interval against MAdds, a colour a backbone."""
    figure, axes = plt.subplots(figsize=(7.2, 4.6))
    for backbone in dict.fromkeys(network.spec.backbone for network in found):
        members = [network for network in found if network.spec.backbone == backbone]
        mean = [100 * network.miou for network in members]
        ends = [(network.interval.lower, network.interval.upper) if network.interval else (network.miou,) * 2
                for network in members]  # fmt: skip
        errors = np.abs(100 * np.transpose(ends) - mean)
        axes.errorbar([n.madds_b for n in members], mean, yerr=errors, fmt="o", capsize=3, label=backbone)
    axes.set(xlabel="TFLite MAdds, billions", ylabel="mIoU, %")
    axes.margins(x=0.2)
    figure.legend(title="backbone", loc="outside upper center", ncol=3)
    places = [(n.madds_b, 100 * n.miou, n.spec.name.partition("-")[2], False) for n in found]
    bars = [((n.madds_b, 100 * n.interval.lower), (n.madds_b, 100 * n.interval.upper)) for n in found if n.interval]
    point_labels.write(axes, places, fontsize=10 if len(found) < 10 else 8, sparing=len(found) > 16, bars=bars)
    return figure

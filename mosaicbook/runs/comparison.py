"""Two runs' networks side by side: the difference of their mIoU, its interval, and what else they differ in."""

from dataclasses import dataclass
from pathlib import Path

from mosaicbook.runs import evaluations, run
from mosaicbook.runs.evaluations import Evaluated
from mosaiclib.evaluation import intervals, verdict
from mosaiclib.evaluation.intervals import Interval

UNKNOWN_TRAINING = "how they were trained, which is unknown"


@dataclass(frozen=True)
class Comparison:
    """One run's evaluations and another's, a seed each.

    means: of each side's mIoU over its seeds, and interval: of the difference, in 0..1; None where the images are a
    single block. of_networks: whether seeds are in them; otherwise they judge these weights alone. differ_also_in:
    what beside network and seed differs.
    """

    one: list[Evaluated]
    other: list[Evaluated]
    means: tuple[Interval | None, Interval | None]
    interval: Interval | None
    of_networks: bool
    differ_also_in: list[str]

    @property
    def sides(self):
        return self.one, self.other

    @property
    def scope(self) -> str:
        """What the interval is about, in words."""
        if not self.of_networks:
            return "of these weights; seeds are not included"
        return f"of the networks, {len(self.one)} and {len(self.other)} seeds"


def of_folders(one, other) -> Comparison:
    """Compares the evaluations of two finished runs' folders.

    Raises ValueError where one made no evaluation, where their images differ, or where their seeds are too few for an
    interval of the networks and too many for one of two sets of weights.
    """
    sides = [evaluations.of_folder(folder) for folder in (one, other)]
    counts = [[evaluated.counts for evaluated in side] for side in sides]
    enough = min(map(len, counts)) >= verdict.FEWEST_SEEDS
    if enough:
        spread = _spread(one, other, sides)
        interval = intervals.of_seeds(*counts, spread).interval()
        means = tuple(intervals.of_network(side, spread) for side in counts)
    elif len(counts[0]) == len(counts[1]) == 1:
        interval = intervals.of_pair(counts[0][0], counts[1][0])
        means = tuple(intervals.of_score(side[0]) for side in counts)
    else:
        raise ValueError(
            f"An interval needs {verdict.FEWEST_SEEDS} seeds or more on both sides, or one on both: "
            f"here are {len(counts[0])} and {len(counts[1])}."
        )
    known = all(e.result.get("training") and e.result.get("spec") for side in sides for e in side)
    reasons = evaluations.why_not(sides[0][0], sides[1][0]) if known else [UNKNOWN_TRAINING]
    return Comparison(*sides, means, interval, enough, reasons)


def _spread(one, other, sides):
    """The spread of seeds over all comparable networks of the runs' profile, as its claims use it; else over these."""
    networks, (first, second) = {}, (Path(folder).resolve() for folder in (one, other))
    reports = run.reports_folder().resolve()
    keys = {evaluated.key() for side in sides for evaluated in side if evaluated.result.get("training")}
    if len(keys) == 1 and first.parents[2] == second.parents[2] and first.is_relative_to(reports):
        usable, _ = evaluations.of_profile(str(first.parents[2].relative_to(reports)))
        networks = evaluations.by_network(evaluated for evaluated in usable if evaluated.key() in keys)
    values = [[evaluated.result["miou"] for evaluated in seeds.values()] for seeds in networks.values()]
    return intervals.pooled(values or [[evaluated.result["miou"] for evaluated in side] for side in sides])

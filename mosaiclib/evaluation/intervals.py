"""Intervals of an mIoU, and of the difference of two networks.

An mIoU has two sources of chance. Which images were evaluated: blocks of related images are drawn again (the block
bootstrap), the same blocks for both sides of a difference. And the seed of the training, the larger of the two: only
several trainings of each side show it. An interval over images alone says how well one set of weights is known, and
never judges a network.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from mosaiclib.evaluation.image_counts import miou
from mosaiclib.number_text import signed

LEVEL = 0.95
DRAWS = 2000
POWER = 0.8
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Interval:
    """An estimate and its ends, in the unit of the estimate."""

    estimate: float
    lower: float
    upper: float


def text(estimate, interval, decimals=1, sign="") -> str:
    """An estimate in 0..1 as percent with its interval, "65.6 [62.1, 67.2]"; alone where there is no interval.

    sign: "+" for differences, whose positive numbers have a sign, too.
    """
    values = [estimate] if interval is None else [estimate, interval.lower, interval.upper]
    first, *ends = (signed(100 * value, f"{sign}.{decimals}f") for value in values)
    return f"{first} [{', '.join(ends)}]" if ends else first


def text_of(estimate, ends, sign="") -> str:
    """The same of an interval as a result keeps it: [lower, upper], or None for none."""
    return text(estimate, ends and Interval(estimate, *ends), sign=sign)


def drawn_again(blocks, rule):
    """mIoUs [DRAWS] in 0..1 of as many blocks [K, C, C + 1] drawn with replacement.

    The same K draws the same blocks, so that the mIoUs of two networks are of pairs.
    """
    count = len(blocks)
    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
    totals = times.astype(float) @ blocks.reshape(count, -1).astype(float)
    return miou(totals.reshape(DRAWS, *blocks.shape[1:]), rule)


def of_score(evaluation) -> Interval | None:
    """The interval of one evaluation's mIoU over its images, in 0..1; None where it is a single block.

    Percentiles of the block bootstrap, set as far apart as Student's t wants for few blocks (Hesterberg 2015,
    "expanded percentiles"; plain ones cover too little of so few).
    """
    blocks = evaluation.blocks()
    if len(blocks) < 2:
        return None
    values = drawn_again(blocks, evaluation.rule)
    return Interval(evaluation.miou(), *_percentiles(values, len(blocks)))


def of_pair(one, other) -> Interval | None:
    """The interval of the difference of two evaluations over the images that both have seen, in 0..1.

    It judges two sets of weights, not two networks: seeds are not in it. Raises ValueError where the two are not of
    the same images by one rule.
    """
    check_same_images([one, other])
    blocks = [evaluation.blocks() for evaluation in (one, other)]
    if len(blocks[0]) < 2:
        return None
    first, second = (drawn_again(found, one.rule) for found in blocks)
    return Interval(one.miou() - other.miou(), *_percentiles(first - second, len(blocks[0])))


def _percentiles(values, blocks):
    wide = math.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, (1 + LEVEL) / 2)
    return tuple(float(value) for value in np.quantile(values, [1 - ndtr(wide), ndtr(wide)]))


def check_same_images(evaluations):
    """Raises ValueError where evaluations are not of the same images of the same size, classes and rule."""
    first = evaluations[0]
    for other in evaluations[1:]:
        if other.rule != first.rule:
            raise ValueError(f"One side is scored by the rule {first.rule}, the other by {other.rule}.")
        if other.images != first.images or other.videos != first.videos:
            raise ValueError(f"The sides are not of the same images: {len(first.images)} and {len(other.images)}.")
        if other.counts.shape != first.counts.shape:
            raise ValueError(f"One side has {first.counts.shape[1]} classes, the other {other.counts.shape[1]}.")
        if (other.counts.sum((1, 2), dtype=np.int64) != first.counts.sum((1, 2), dtype=np.int64)).any():
            raise ValueError("The sides do not count the same labelled pixels in each image.")


# === Seeds ===


@dataclass(frozen=True)
class Spread:
    """How far trainings that differ in their seed alone fall apart: a standard deviation and its degrees of freedom."""

    sd: float
    df: int


def pooled(groups) -> Spread:
    """The spread of seeds over all networks of a study. groups: the values of each network, one per seed.

    Networks with one seed say nothing. Raises ValueError where no network has two.
    """
    groups = [np.asarray(group, float) for group in groups if len(group) > 1]
    if not groups:
        raise ValueError("No network has two seeds: how far seeds fall apart is not known.")
    df = sum(len(group) - 1 for group in groups)
    return Spread(math.sqrt(sum(((group - group.mean()) ** 2).sum() for group in groups) / df), df)


@dataclass(frozen=True)
class Difference:
    """A network's mean mIoU less another's, over seeds, in 0..1.

    seeds: how many of either side. spread: of seeds. data_sd: the standard deviation of the difference when blocks
    of images are drawn again, seeds averaged.
    """

    estimate: float
    seeds: tuple[int, int]
    spread: Spread
    data_sd: float

    @property
    def standard_error(self):
        return math.sqrt(self.spread.sd**2 * sum(1 / n for n in self.seeds) + self.data_sd**2)

    def interval(self, level=LEVEL) -> Interval:
        """By Student's t with the degrees of freedom of the seeds' spread."""
        half = stdtrit(self.spread.df, (1 + level) / 2) * self.standard_error
        return Interval(self.estimate, self.estimate - half, self.estimate + half)


def of_network(evaluations, spread) -> Interval:
    """The interval of a network's mean mIoU over its seeds, from the seeds' spread and from blocks of images."""
    check_same_images(evaluations)
    mean, drawn = _mean(evaluations)
    error = math.sqrt(spread.sd**2 / len(evaluations) + _sd(drawn, evaluations[0]) ** 2)
    half = stdtrit(spread.df, (1 + LEVEL) / 2) * error
    return Interval(mean, mean - half, mean + half)


def of_seeds(one, other, spread) -> Difference:
    """The difference of two networks, each a list of evaluations, one per seed. Raises ValueError as `of_pair`."""
    check_same_images([*one, *other])
    (first, drawn_first), (second, drawn_second) = _mean(one), _mean(other)
    return Difference(first - second, (len(one), len(other)), spread, _sd(drawn_first - drawn_second, one[0]))


def _mean(evaluations):
    """(the mean mIoU over seeds, the same of each draw of blocks)."""
    drawn = [drawn_again(evaluation.blocks(), evaluation.rule) for evaluation in evaluations]
    return float(np.mean([evaluation.miou() for evaluation in evaluations])), np.mean(drawn, 0)


def _sd(drawn, evaluation):
    """The standard deviation that drawing K blocks of an evaluation shows: (K - 1) / K of the variance is seen."""
    count = len(evaluation.blocks())
    return float(np.std(drawn) * math.sqrt(count / (count - 1))) if count > 1 else math.inf


def seeds_needed(points, sd) -> int | None:
    """How many seeds a side see a difference of `points`, in the unit of `sd`; None for more than `MOST_SEEDS`."""
    for seeds in range(2, MOST_SEEDS + 1):
        df = 2 * (seeds - 1)
        quantiles = stdtrit(df, (1 + LEVEL) / 2) + stdtrit(df, POWER)
        if quantiles * sd * math.sqrt(2 / seeds) <= points:
            return seeds
    return None

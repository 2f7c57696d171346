"""A learning curve: how a score grows with the number of labelled images, and what twice as many would give.

score(n) = limit - drop n ** -power, the usual law (Hestness et al. 2017), fitted by least squares to the mean of the
seeds at each n. With few points its forecast is weak: `back_test` says how good it would have been so far.
"""

from dataclasses import dataclass

import numpy as np

from mosaiclib.evaluation.intervals import LEVEL, Interval, pooled

POWERS = np.linspace(0.05, 2, 79)
DRAWS = 2000
FEWEST = 4  # sizes: three numbers are fitted


@dataclass(frozen=True)
class PowerLaw:
    """score(n) = limit - drop n ** -power. limit: 0..1 at most. drop: 0 or more. Each a number, or one a draw."""

    limit: np.ndarray
    drop: np.ndarray
    power: np.ndarray

    def __call__(self, count):
        return self.limit - self.drop * np.asarray(count, float) ** -self.power


def fit(counts, scores) -> PowerLaw:
    """The law of scores [..., K] in 0..1 at K counts, over all leading axes at once.

    Raises ValueError for fewer counts than `FEWEST`.
    """
    counts, scores = np.asarray(counts, float), np.asarray(scores, float)
    if len(counts) < FEWEST:
        raise ValueError(f"A learning curve needs {FEWEST} numbers of images, not {len(counts)}: name more shares.")
    x = counts ** -POWERS[:, None]  # [P, K]
    away = x - x.mean(1, keepdims=True)
    mean = scores.mean(-1)[..., None]
    drop = np.maximum(0, -(scores @ away.T) / (away**2).sum(1))  # [..., P]
    limit = mean + drop * x.mean(1)
    above = limit > 1
    drop = np.where(above, np.maximum(0, ((1 - scores) @ x.T) / (x**2).sum(1)), drop)
    limit = np.minimum(limit, 1.0)
    errors = ((limit[..., None] - drop[..., None] * x - scores[..., None, :]) ** 2).sum(-1)
    best = errors.argmin(-1)[..., None]
    taken = (np.take_along_axis(values, best, -1)[..., 0] for values in (limit, drop))
    return PowerLaw(*taken, POWERS[best[..., 0]])


def gain(groups, count) -> Interval:
    """What the law says that `count` images give beyond the most that were tried: {count: scores of the seeds}.

    The interval is that of the seeds' spread alone: that the law holds is taken for granted.
    """
    most = max(groups)
    return _interval(groups, lambda law: law(count) - law(most))


def back_test(groups) -> Interval | None:
    """What a law of all but the largest count says of that one; None where too few are left to fit it."""
    most = max(groups)
    left = {count: scores for count, scores in groups.items() if count != most}
    return _interval(left, lambda law: law(most)) if len(left) >= FEWEST else None


def _interval(groups, value):
    counts = sorted(groups)
    means = np.array([np.mean(groups[count]) for count in counts])
    spread = pooled([groups[count] for count in counts])
    noise = np.random.default_rng(0).standard_t(spread.df, (DRAWS, len(counts)))
    drawn = means + spread.sd * noise / np.sqrt([len(groups[count]) for count in counts])
    ends = np.quantile(value(fit(counts, drawn)), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value(fit(counts, means))), *map(float, ends))

"""Nested, evenly spread parts of a list: which images are labelled first where not all are."""

import numpy as np

_GOLDEN = (5**0.5 - 1) / 2


def spread_order(count, seed=0) -> np.ndarray:
    """The indices 0 to count - 1 in an order of which every beginning is spread evenly over the list.

    Index i has the key frac(i * golden ratio + offset of the seed). Those with a key below p are a share p of any
    stretch of the list, and their distances are of at most three lengths (the three-gap theorem).
    """
    offset = np.random.default_rng(seed).random()
    return np.argsort((np.arange(count) * _GOLDEN + offset) % 1)


def share_of(count, share, seed=0) -> np.ndarray:
    """The sorted indices of a share of a list; that of a smaller share is part of it. Raises ValueError for no share.

    share: above 0, at most 1; at least one index is given.
    """
    if not 0 < share <= 1:
        raise ValueError(f"{share:g} is not a share of the images: it lies above 0 and is at most 1.")
    return np.sort(spread_order(count, seed)[: max(1, round(share * count))])

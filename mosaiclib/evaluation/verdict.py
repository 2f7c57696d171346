"""The rule by which measured differences judge a claim: yes, no, undecided or not tested."""

from mosaiclib.evaluation.intervals import LEVEL

YES, NO, UNDECIDED, NOT_TESTED = "yes", "no", "undecided", "not tested"
FEWEST_SEEDS = 3
SAME = 0.005  # half a point of mIoU: an interval within it on both sides of 0 says "the same"


def more(difference, least=0.0, level=LEVEL) -> str:
    """Whether one network has more than another, by at least `least` (0..1, below 0: at most so much less).

    difference: an `intervals.Difference`. yes: its interval lies above `least`. no: it lies below `least`, or, for
    a bare "more", within half a point of 0 on both sides.
    """
    if min(difference.seeds) < FEWEST_SEEDS:
        return UNDECIDED
    interval = difference.interval(level)
    if interval.lower > least:
        return YES
    same = least == 0 and interval.lower > -SAME and interval.upper < SAME
    return NO if interval.upper < least or same else UNDECIDED


def apart(difference, most, level=LEVEL) -> str:
    """Whether two networks are at most `most` apart (0..1): yes where the whole interval is, no where none of it."""
    if min(difference.seeds) < FEWEST_SEEDS:
        return UNDECIDED
    interval = difference.interval(level)
    if -most <= interval.lower and interval.upper <= most:
        return YES
    return NO if interval.lower > most or interval.upper < -most else UNDECIDED


def of_all(judge, differences) -> tuple[str, list[str]]:
    """The verdict on a claim of many pairs, and that on each pair.

    judge: a function of a difference and a level, as above. yes only if all pairs are; no if one is at Holm's first
    level (the chance shared by all pairs); else undecided. Without a pair: not tested.
    """
    if not differences:
        return NOT_TESTED, []
    each = [judge(difference, level=LEVEL) for difference in differences]
    strict = 1 - (1 - LEVEL) / len(differences)
    if all(verdict == YES for verdict in each):
        return YES, each
    against = any(judge(difference, level=strict) == NO for difference in differences)
    return NO if against else UNDECIDED, each

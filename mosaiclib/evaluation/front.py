"""What nothing else beats in both a cost and a gain: the Pareto front."""


def unbeaten(items, cost, gain) -> list:
    """Those of `items` that none beats in both, cheapest first; of equal ones the first.

    cost, gain: functions of an item to a number, the one to be low and the other to be high.
    """
    best, kept = float("-inf"), []
    for item in sorted(items, key=lambda item: (cost(item), -gain(item))):
        if gain(item) > best:
            best = gain(item)
            kept.append(item)
    return kept

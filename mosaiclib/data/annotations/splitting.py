"""Which images train and which validate, where the source does not say. Frames of one video stay together."""

import re
from collections import defaultdict
from pathlib import Path

_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_SHARE = 10  # one image in so many is val


def assign(items, classes):
    """[split] of each item, and a sentence on how it was decided.

    items: of `form`, whose splits are kept. classes: the ids in each. Where no item is val, about a tenth of those
    that train become it: whole sequences, which are files of a folder whose names differ by their last number; of one
    sequence alone the last tenth. No class is left without a training image.
    """
    splits = [item.split or "train" for item in items]
    if "val" in splits:
        rest = sum(item.split is None for item in items)
        return splits, "The source says the splits." + (f" {rest} images are in no list: they train." if rest else "")
    free = [i for i, split in enumerate(splits) if split == "train"]
    groups = defaultdict(list)
    for i in free:
        path = Path(items[i].image)
        groups[path.parent, _LAST_NUMBER.sub("#", path.stem)].append(i)
    wanted = max(1, round(len(free) / _SHARE))
    if len(free) < 2:
        raise ValueError("There is only one image: training needs at least one more, to validate on.")
    ordered = sorted(groups.values(), key=len)
    if len(groups) == 1 or len(ordered[0]) > max(2 * wanted, len(free) // 2):
        blocks = [[i] for i in ordered[-1][-wanted:]]
        how = "All images number on from one another, so the last tenth is val: neighbours may be frames of one video."
    else:
        blocks = [group for group in groups.values() if len(group) <= 2 * wanted]
        step = max(1, len(blocks) // max(1, -(-wanted * len(blocks) // sum(map(len, blocks)))))
        blocks = blocks[::step]
        how = f"No split was given: about one image in {_SHARE} is val, and images that number on stay on one side."
    chosen = set()
    for block in blocks:
        if len(chosen) >= wanted or len(chosen) + len(block) >= len(free):
            break
        staying = set().union(*(classes[i] for i in free if i not in chosen and i not in block))
        if set().union(*(classes[i] for i in block)) <= staying:
            chosen.update(block)
    if not chosen:
        raise ValueError("No image can be set aside to validate on: each holds a class that no other holds.")
    return ["val" if i in chosen else split for i, split in enumerate(splits)], how

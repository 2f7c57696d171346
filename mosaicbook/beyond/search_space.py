"""The designs of a search: MOSAIC's heads by their knobs."""

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np

from mosaiclib.models.spec import MosaicHead, merges

LEVELS = (1, 4, 8, 16)
PYRAMIDS = tuple(" ".join(map(str, c)) for n in range(1, len(LEVELS) + 1) for c in combinations(LEVELS, n))
KERNELS = ("3", "5", "3 5", "3 7")
STYLES = ("none", "C", "S")
STRIDES = (8, 4, 2)


def suggest(trial, base):
    """The network of a trial's knobs on the backbone of `base`."""
    head = MosaicHead(
        encoder_filters=trial.suggest_int("f", 16, 128, step=16),
        decoder_filters=trial.suggest_int("d", 16, 128, step=16),
        bins=tuple(map(int, trial.suggest_categorical("bins", PYRAMIDS).split())),
        merges=merges(", ".join(_merges(trial))),
        group_convolution=trial.suggest_categorical("group_convolution", (True, False)),
        kernels=tuple(map(int, trial.suggest_categorical("kernels", KERNELS).split())),
        shared_levels=trial.suggest_categorical("shared_levels", (False, True)),
    )
    return replace(base, head=head, name=f"{base.name.partition('-')[0]}-design{trial.number}")


def random_designs(base, seed):
    """Endless random designs on the backbone of `base`, each once."""
    generator, seen = np.random.default_rng(seed), set()
    trial = SimpleNamespace(
        suggest_int=lambda name, low, high, step: int(generator.choice(range(low, high + 1, step))),
        suggest_categorical=lambda name, choices: choices[generator.integers(len(choices))],
        number=0,
    )
    while True:
        spec = suggest(trial, base)
        if spec.head not in seen:
            seen.add(spec.head)
            yield spec
            trial.number += 1


def _merges(trial):
    styles = {stride: trial.suggest_categorical(f"merge at {stride}", STYLES) for stride in STRIDES}
    return [f"{stride}-{style}" for stride, style in styles.items() if style != "none"]


def knobs_of(head) -> dict:
    """The knobs that give a MOSAIC head again. Raises ValueError for one that no knobs give."""
    styles = {merge.stride: str(merge)[-1] for merge in head.merges}
    knobs = {
        "f": head.encoder_filters,
        "d": head.decoder_filters,
        "bins": " ".join(map(str, head.bins)),
        **{f"merge at {stride}": styles.get(stride, "none") for stride in STRIDES},
        "group_convolution": head.group_convolution,
        "kernels": " ".join(map(str, head.kernels)),
        "shared_levels": head.shared_levels,
    }
    if knobs["bins"] not in PYRAMIDS or knobs["kernels"] not in KERNELS:
        raise ValueError(f"The search has no pyramid of {knobs['bins']} bins with kernels of {knobs['kernels']}.")
    return knobs


def describe(head) -> str:
    """A head in one line: "f 32, d 64, bins 4 8 16, kernels 3 5, merges 8-C, 4-S"."""
    words = [f"f {head.encoder_filters}", f"d {head.decoder_filters}", f"bins {' '.join(map(str, head.bins))}",
             f"kernels {' '.join(map(str, head.kernels))}"]  # fmt: skip
    words += ["no group convolution"] if not head.group_convolution else []
    words += ["shared levels"] if head.shared_levels else []
    return ", ".join([*words, f"merges {', '.join(map(str, head.merges)) or 'none'}"])

"""The data sets by name. A new one is a file in sets/ and its module in _LISTED."""

import difflib
import re
from pathlib import Path

from mosaiclib.data.dataset import Dataset, Sample, spread, spread_palette
from mosaiclib.data.sets import ade20k, camvid, cityscapes, folder
from mosaiclib.data.sets.minicity import files as minicity

__all__ = ["Dataset", "Sample", "get", "palette_of", "spread"]

_LISTED = (minicity, camvid, cityscapes, ade20k, folder)
SETS = {name: module for module in _LISTED for name in module.NAMES}


def get(name, root=None) -> Dataset:
    """The data set called `name`, read from the folder `root` or from where it is fetched or rendered to.

    "minicity" is synthetic and always there; "minicity-256x512" is the same drawn at another size.
    "camvid" is read from its zip (MOSAIC_MIRROR) or a folder; "camvid-choice", for choosing recipes, is its train split
    with one of three sequences held out as val. "cityscapes" and "ade20k_top31" are read from their folders as
    published; "ade20k_top31-mlperf" is the latter with MLPerf Mobile's preprocessing. "folder" is any `root`
    with images/, labels/ and classes.yaml. Raises ValueError for an unknown name and `fetch.NotAvailable` where
    files are missing, each saying what to do.
    """
    drawn = re.fullmatch(r"minicity-\d{2,4}x\d{2,4}", name)
    if name not in SETS and not drawn:
        near = difflib.get_close_matches(name, SETS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"There is no data set called '{name}'.{hint} There are: {', '.join(SETS)}.")
    return SETS["minicity" if drawn else name].dataset(name, Path(root).expanduser() if root else None)


def palette_of(name, count):
    """The palette [(r, g, b)] of a data set, or `count` well separated colours where it publishes none."""
    module = SETS.get(name) or SETS.get(name.split("-")[0])
    palette = getattr(module, "PALETTE", ())
    return palette if len(palette) >= count else spread_palette(count)

"""Legend colours by data set."""

from mosaiclib.data import classes

_BY_DATASET = {
    "ade20k_top31": classes.ADE20K_PALETTE,
    "cityscapes": classes.CITYSCAPES_PALETTE,
    "minicity": classes.CITYSCAPES_PALETTE,
    "camvid": classes.CAMVID_PALETTE,
}


def palette_of(dataset, count):
    """The palette [(r, g, b)] of a data set, or `count` well separated colours where it has none."""
    palette = _BY_DATASET.get(dataset.split("-")[0])
    return palette if palette and len(palette) >= count else classes.spread_palette(count)

"""How large images are beside those that a network was trained on: it finds little in objects seen much larger."""

import numpy as np

from mosaiclib.data import images
from mosaiclib.data.dataset import spread

USUAL = (512, 512)  # (height, width) that most networks here are trained on, where none is named
_MOST, _LOOKED_AT = 3, 32  # a crop of a training shows about a half of an image's side


def warning(dataset, split, trained=USUAL, scale=1) -> str:
    """What `too_large` says of the images of a split at a scale."""
    return too_large([round(scale * side) for side in _of_split(dataset, split)], trained)


def _of_split(dataset, split):
    """(height, width) of the image in the middle of a split by its area, upright, from the headers of some of them."""
    sizes = []
    for sample in spread(dataset.split(split), _LOOKED_AT):
        size, orientation = images.size_and_orientation(sample.image_path)
        sizes.append(size[::-1] if orientation > 4 else size)
    return sorted(sizes, key=np.prod)[len(sizes) // 2]


def too_large(size, trained=USUAL) -> str:
    """A sentence that warns where images of `size` show objects much larger than a network has seen, else "".

    Both (height, width); trained: of the crops of its training, as its card has it.
    """
    times = min(size[0] / trained[0], size[1] / trained[1])
    if times <= _MOST:
        return ""
    factor = 1.5 / times
    return (
        f"Images of {size[1]}x{size[0]} are {times:.0f} times the {trained[1]}x{trained[0]} that a network is trained "
        f"on, and it finds little in them: resize them by about {factor:.2f} (input_scale in an evaluation), or import "
        f"them with `mosaic data import --max-side {round(max(size) * factor)}`."
    )

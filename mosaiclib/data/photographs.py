"""Real photographs that ship with scikit-image and may be redistributed."""

from typing import NamedTuple

import numpy as np


class FreePicture(NamedTuple):
    """A real photograph that ships with scikit-image and may be redistributed."""

    name: str
    title: str
    credit: str

    def read(self):
        """uint8 [H, W, 3]."""
        import skimage.data

        loaded = getattr(skimage.data, self.name)()
        return np.asarray(loaded[0] if isinstance(loaded, tuple) else loaded)[..., :3]


FREE_PICTURES = (
    FreePicture("stereo_motorcycle", "A workshop", "Middlebury stereo set, D. Scharstein, public domain"),
    FreePicture("rocket", "A launch pad", "SpaceX, CC0"),
    FreePicture("coffee", "A table", "Rachel Michetti, CC0"),
    FreePicture("astronaut", "An astronaut", "NASA, public domain"),
)

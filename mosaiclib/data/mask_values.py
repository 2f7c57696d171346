"""Which values of a mask are classes, and which are blends at its edges."""

import numpy as np


def filled_values(pixels):
    """The values of a mask [H, W] that somewhere fill 3x3 pixels: classes do, and blends at smoothed edges do not."""
    if min(pixels.shape) < 3:
        return np.unique(pixels)
    alike = pixels[:, 1:] == pixels[:, :-1]
    across = alike[:, 1:] & alike[:, :-1]
    down = pixels[1:, 1:-1] == pixels[:-1, 1:-1]
    whole = across[1:-1] & across[:-2] & across[2:] & down[1:] & down[:-1]
    return np.unique(pixels[1:-1, 1:-1][whole])

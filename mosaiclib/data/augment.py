"""Random scale, flip and crop (paper section 6.3; facts of the official recipe): one warp per image.

Random light and colour are ours: the paper has none.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from mosaiclib.data.images import IGNORE

LUMA = np.array([0.299, 0.587, 0.114])  # weights of R, G and B in a grey value (ITU-R BT.601)
GREY = (128, 128, 128)  # 0 after scaling to [-1, 1]


@dataclass(frozen=True)
class Augmentation:
    """crop: (height, width) of what comes out. scale: range of the random factor. flip: left-right at 0.5.

    light: pixels are multiplied by a random factor in 1 +- light, and each channel by one in 1 +- light / 4.
    colour: after light, saturation and contrast (about the mean grey value) are multiplied by a random factor
    each in 1 +- colour, and values in 0..1 are raised to the power exp(u), u in +- colour (gamma).
    """

    crop: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    flip: bool = True
    light: float = 0.0
    colour: float = 0.0

    @classmethod
    def of(cls, recipe):
        """That of a `training.Recipe`."""
        return cls(recipe.crop, recipe.scale, recipe.flip, recipe.light, recipe.colour)

    def __call__(self, image, label, generator):
        """(uint8 [H, W, 3], uint8 [H, W]) -> the same at crop size. Labels are moved by nearest neighbour.

        Where the scaled image is smaller than the crop it lies at the top left; the rest is grey and
        ignored, as in the Model Garden's recipe.
        """
        height, width = label.shape
        factor = generator.uniform(*self.scale)
        slack = (factor * height - self.crop[0], factor * width - self.crop[1])
        top, left = (generator.uniform(0, max(0.0, free)) for free in slack)
        # Crop pixel centre (x, y) lies at ((x + .5 + left) / factor - .5, ...) of the image.
        matrix = np.array([[1 / factor, 0, (0.5 + left) / factor - 0.5], [0, 1 / factor, (0.5 + top) / factor - 0.5]])
        if self.flip and generator.random() < 0.5:
            matrix[0] = [-matrix[0, 0], 0, width - 1 - matrix[0, 2]]
        size = self.crop[::-1]
        inverse = cv2.WARP_INVERSE_MAP
        image = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR | inverse, borderValue=GREY)
        label = cv2.warpAffine(label, matrix, size, flags=cv2.INTER_NEAREST | inverse, borderValue=IGNORE)
        return self._recolour(image, generator), label

    def _recolour(self, image, generator):
        if self.light:
            gains = generator.uniform(1 - self.light, 1 + self.light)
            gains = gains * generator.uniform(1 - self.light / 4, 1 + self.light / 4, 3)
            levels = np.clip(np.arange(256, dtype=np.float32)[:, None] * gains.astype(np.float32), 0, 255)
            image = cv2.LUT(image, levels.astype(np.uint8)[None])
        if self.colour:
            saturation, contrast = generator.uniform(1 - self.colour, 1 + self.colour, 2)
            gamma = np.exp(generator.uniform(-self.colour, self.colour))
            image = cv2.transform(image, saturation * np.eye(3) + (1 - saturation) * LUMA)
            mean = LUMA @ cv2.mean(image)[:3]
            levels = np.clip(mean + contrast * (np.arange(256) - mean), 0, 255)
            image = cv2.LUT(image, np.rint(255 * (levels / 255) ** gamma).astype(np.uint8))
        return image

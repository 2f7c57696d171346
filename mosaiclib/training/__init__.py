"""Training: recipes, losses, optimizers and the loop."""

from mosaiclib.training.loop import CHECKPOINT, batches_of, fit, read_arrays, train, write_arrays
from mosaiclib.training.recipes import Recipe

__all__ = ["CHECKPOINT", "Recipe", "batches_of", "fit", "read_arrays", "train", "write_arrays"]

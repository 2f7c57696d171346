"""Training: recipes, losses, optimizers and the loop."""

from mosaiclib.training.loop import CHECKPOINT, Recipe, batches_of, fit, read_arrays, train, write_arrays

__all__ = ["CHECKPOINT", "Recipe", "batches_of", "fit", "read_arrays", "train", "write_arrays"]

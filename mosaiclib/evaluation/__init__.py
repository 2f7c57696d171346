"""Evaluation: confusion counts, IoU rules, and how they are taken over a split."""

from mosaiclib.evaluation.evaluate import by_image, evaluate, evaluate_files, predictions
from mosaiclib.evaluation.iou import ConfusionMatrix, score

__all__ = ["ConfusionMatrix", "by_image", "evaluate", "evaluate_files", "predictions", "score"]

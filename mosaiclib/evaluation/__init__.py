"""Evaluation: confusion counts, IoU rules, and how they are taken over a split."""

from mosaiclib.evaluation.evaluate import evaluate, evaluate_files
from mosaiclib.evaluation.iou import IGNORE, ConfusionMatrix, score

__all__ = ["IGNORE", "ConfusionMatrix", "evaluate", "evaluate_files", "score"]

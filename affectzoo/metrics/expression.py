"""Metrics of expression classes."""

from __future__ import annotations

from typing import Any

import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from affectzoo.labels import LabelSpace


def recalls(confusion: torch.Tensor) -> torch.Tensor:
    """Recall of each class from counts.

    Args:
        confusion: Counts, true class by predicted class, shape (..., C, C).

    Returns:
        Shape (..., C), in [0, 1]; NaN for a class that no face has.
    """
    support = confusion.sum(dim=-1)
    return torch.where(support > 0, confusion.diagonal(dim1=-2, dim2=-1) / support, torch.nan)


class MeanDiagonal(MulticlassConfusionMatrix):
    """Mean of the confusion matrix's diagonal over the classes that occur (Li and Deng, RAF-DB).

    The mean of the classes' recalls; with rare classes it differs much from accuracy.
    """

    def compute(self) -> torch.Tensor:
        """The mean, in [0, 1]; NaN before any face."""
        return recalls(super().compute()).nanmean()


def expression_metrics(labels: LabelSpace) -> MetricCollection:
    """Accuracy, mean diagonal and macro F1, each in [0, 1], plus the confusion counts.

    Args:
        labels: The classes; scores and labels are indices into it.
    """
    classes = len(labels)
    alone: dict[str, Any] = {"sync_on_compute": False}  # predictions are gathered before they are scored
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(classes, average="micro", **alone),
            "mean_diagonal": MeanDiagonal(classes, **alone),
            "f1": MulticlassF1Score(classes, average="macro", **alone),
            "confusion": MulticlassConfusionMatrix(classes, **alone),
        },
        compute_groups=False,
    )

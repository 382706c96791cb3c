"""Metrics of expression classes."""

from __future__ import annotations

from typing import Any

import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
)

from affectzoo.labels import LabelSpace
from affectzoo.metrics.classification import f1, recalls, weighted


class MeanDiagonal(MulticlassConfusionMatrix):
    """Mean of the confusion matrix's diagonal over the classes that occur (Li and Deng, RAF-DB).

    The mean of the classes' recalls; with rare classes it differs much from accuracy.
    """

    def compute(self) -> torch.Tensor:
        """The mean, in [0, 1]; NaN before any face."""
        return recalls(super().compute()).nanmean()


class MacroF1(MulticlassConfusionMatrix):
    """Mean of the F1 scores over the classes that occur, as ``classification.f1`` has them.

    torchmetrics' macro average also counts, as 0, a class that no face has once it is predicted.
    """

    def compute(self) -> torch.Tensor:
        """The mean, in [0, 1]; NaN before any face."""
        return f1(super().compute()).nanmean()


class WeightedF1(MulticlassConfusionMatrix):
    """Mean of the F1 scores weighted by the classes' faces, as ``classification.weighted`` has it."""

    def compute(self) -> torch.Tensor:
        """The mean, in [0, 1]; NaN before any face."""
        confusion = super().compute()
        return weighted(f1(confusion), confusion)


def expression_metrics(labels: LabelSpace) -> MetricCollection:
    """Accuracy, mean diagonal, macro and weighted F1, each in [0, 1], plus the confusion counts.

    Args:
        labels: The classes; scores and labels are indices into it.
    """
    classes = len(labels)
    alone: dict[str, Any] = {"sync_on_compute": False}  # predictions are gathered before they are scored
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(classes, average="micro", **alone),
            "mean_diagonal": MeanDiagonal(classes, **alone),
            "f1": MacroF1(classes, **alone),
            "weighted_f1": WeightedF1(classes, **alone),
            "confusion": MulticlassConfusionMatrix(classes, **alone),
        },
        compute_groups=False,
    )

"""The expression task: one class out of a label space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import nn

from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.labels import LabelSpace
from affectzoo.losses.class_weights import ClassWeights, class_weights
from affectzoo.losses.expression import max_target, soft_cross_entropy
from affectzoo.metrics.expression import expression_metrics
from affectzoo.metrics.predictions import Predicted
from affectzoo.processes import shared_evenly
from affectzoo.sample import Batch

ExpressionLossName = Literal["cross_entropy", "max_target"]


@dataclass(frozen=True)
class ExpressionLoss:
    """How class scores are judged.

    Attributes:
        name: ``cross_entropy`` (hard or soft targets) or ``max_target`` (FER+ multi-label).
        class_weights: From the training part's counts: ``none``, ``inverse`` frequency (AffectNet's
            weighted loss) or ``effective`` number of samples.
        beta: Of the effective number.
    """

    name: ExpressionLossName = "cross_entropy"
    class_weights: ClassWeights = "none"
    beta: float = 0.9999

    def __post_init__(self) -> None:
        for value, names in ((self.name, ExpressionLossName), (self.class_weights, ClassWeights)):
            if value not in get_args(names):
                raise UnknownNameError("loss", value, get_args(names))
        if not 0 <= self.beta < 1:
            raise OptionError(f"loss: beta is {self.beta}; expected 0 <= beta < 1")


class ExpressionTask(nn.Module):
    """Loss and metrics of the ``expression`` head."""

    head = "expression"
    class_weights: torch.Tensor

    def __init__(self, labels: LabelSpace, loss: ExpressionLoss) -> None:
        """Start with equal class weights.

        Args:
            labels: The classes in the head's order.
            loss: How scores are judged.
        """
        super().__init__()
        self.labels = labels
        self.outputs = len(labels)
        self.settings = loss
        self.register_buffer("class_weights", torch.ones(len(labels)), persistent=False)

    def use_class_counts(self, counts: np.ndarray) -> None:
        """Set the class weights from the training part's faces per class, shape (C,)."""
        weights = class_weights(counts, self.settings.class_weights, self.settings.beta)
        self.class_weights = torch.as_tensor(weights, dtype=torch.float32, device=self.class_weights.device)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch; training weighs classes, evaluation does not. All processes must call this.

        Args:
            logits: Shape (B, C).
            batch: Gives ``target``, shape (B, C); faces whose target is NaN do not count.

        Returns:
            A scalar; its mean over processes is the loss of their batches as one.
        """
        known = batch["target"].isfinite().all(dim=1)
        count = known.sum()
        share = shared_evenly(count)
        if count == 0:
            return logits.sum() * 0.0
        if count < len(known):
            logits, batch = logits[known], {"target": batch["target"][known]}
        if self.settings.name == "max_target" and self.training:
            mean = max_target(logits, batch["target"])
        else:
            weights = self.class_weights if self.training else None
            mean = soft_cross_entropy(logits, batch["target"], weights)
        loss: torch.Tensor = mean * (count / share)
        return loss

    def score(self, predicted: Predicted) -> dict[str, torch.Tensor]:
        """The metrics of an evaluation; faces without a single label do not count."""
        known = predicted.label >= 0
        metrics = expression_metrics(self.labels)
        if known.any():
            metrics.update(predicted.expression[known], predicted.label[known])
        return dict(metrics.compute())

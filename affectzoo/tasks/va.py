"""The valence/arousal task: one or two numbers in [-1, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.losses.va import ccc_loss, mse_loss
from affectzoo.metrics.names import DIMENSIONS
from affectzoo.metrics.predictions import Predicted
from affectzoo.metrics.va import VAMetrics
from affectzoo.processes import processes, rows_of_all, shared_evenly
from affectzoo.sample import Batch

VALossName = Literal["mse", "ccc", "mix"]


@dataclass(frozen=True)
class VALoss:
    """How predicted valence and arousal are judged.

    Attributes:
        name: ``mse`` (AffectNet), ``ccc`` (Aff-Wild) or ``mix`` of both.
        ccc_weight: Share of the CCC loss in ``mix``, the rest is MSE.
        scale: The scale on which training goes, as a factor on [-1, 1]: 10 for AFEW-VA's own -10..10. The
            squared error and its gradients are those of labels on that scale; a model's outputs, its metrics
            and its weights file stay in [-1, 1].
    """

    name: VALossName = "mse"
    ccc_weight: float = 0.5
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in get_args(VALossName):
            raise UnknownNameError("va_loss", self.name, get_args(VALossName))
        if not 0 <= self.ccc_weight <= 1:
            raise OptionError(f"va_loss: ccc_weight is {self.ccc_weight}, expected 0 to 1")
        if not 0 < self.scale < math.inf:
            raise OptionError(f"va_loss: scale is {self.scale}, expected a number above 0, such as 10")


class VATask(nn.Module):
    """Loss and metrics of the ``va`` head."""

    head = "va"

    def __init__(self, loss: VALoss, dimensions: Sequence[str] = DIMENSIONS) -> None:
        """Name the outputs.

        Args:
            loss: How predictions are judged.
            dimensions: Valence, arousal, or both in that order.
        """
        super().__init__()
        self.settings = loss
        self.dimensions = tuple(dimensions)
        self.outputs = len(self.dimensions)
        self._columns = [DIMENSIONS.index(name) for name in self.dimensions]

    def _target(self, batch: Batch) -> torch.Tensor:
        target: torch.Tensor = batch["va"][..., self._columns]
        return target.reshape(-1, self.outputs)

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch; all processes must call this.

        Args:
            output: Shape (..., D).
            batch: Gives ``va``, shape (..., 2), NaN where not annotated.

        Returns:
            A scalar, on the settings' scale, whose mean over processes is the loss of their batches as one.
        """
        prediction, target = output.float().reshape(-1, self.outputs), self._target(batch)
        if self.settings.name == "ccc":
            return _ccc_loss_of_all(prediction, target)
        error = mse_loss(prediction, target, shared_evenly(target.isfinite().sum(dim=0)))
        error = error * self.settings.scale**2
        if self.settings.name == "mse":
            return error
        share = self.settings.ccc_weight
        return share * _ccc_loss_of_all(prediction, target) + (1 - share) * error

    def score(self, predicted: Predicted) -> dict[str, torch.Tensor]:
        """The metrics of an evaluation; values that are not annotated do not count."""
        metrics = VAMetrics(self.dimensions, sync_on_compute=False)  # predictions are gathered already
        metrics.update(predicted.va, predicted.target[:, self._columns])
        return metrics.compute()


def _ccc_loss_of_all(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """``ccc_loss`` of all processes' batches as one; each process follows its own predictions.

    Args:
        prediction: Shape (n, D).
        target: Shape (n, D).

    Returns:
        The same scalar in all processes, with gradients whose mean over processes is that of one process.
    """
    (predictions, targets), own = rows_of_all(prediction, target)
    _, world = processes()
    if world == 1:
        return ccc_loss(predictions, targets)
    predictions[own] = prediction
    loss = ccc_loss(predictions, targets)
    return loss.detach() + world * (loss - loss.detach())

"""The landmark task: 68 points of a face, in the iBUG order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn
from torch.nn import functional as F

from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.faces.landmarks import IBUG
from affectzoo.losses.landmarks import wing
from affectzoo.metrics.landmarks import nme
from affectzoo.metrics.predictions import Predicted
from affectzoo.processes import shared_evenly
from affectzoo.sample import Batch

LandmarkLossName = Literal["wing", "smooth_l1"]


@dataclass(frozen=True)
class LandmarkLoss:
    """How predicted landmarks are judged; lengths are in hundredths of the input's edge.

    Attributes:
        name: ``wing`` (Feng et al., CVPR 2018) or ``smooth_l1`` (Girshick, Fast R-CNN, ICCV 2015, eq. 3).
        width: Errors from which on ``wing`` is linear.
        curvature: Of ``wing`` below that.
    """

    name: LandmarkLossName = "wing"
    width: float = 10.0
    curvature: float = 2.0

    def __post_init__(self) -> None:
        if self.name not in get_args(LandmarkLossName):
            raise UnknownNameError("landmark_loss", self.name, get_args(LandmarkLossName))
        if not (0 < self.width < math.inf and 0 < self.curvature < math.inf):
            raise OptionError(
                f"landmark_loss: width is {self.width} and curvature {self.curvature}; expected both above 0"
            )


class LandmarkTask(nn.Module):
    """Loss and metric of the ``points`` head."""

    head = "points"
    outputs = 2 * IBUG

    def __init__(self, loss: LandmarkLoss) -> None:
        """Say how predictions are judged."""
        super().__init__()
        self.settings = loss

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch; all processes must call this.

        Args:
            output: Shape (B, 136), -1 to 1 from the input's one edge to the other.
            batch: Gives ``points``, the annotated ones likewise, NaN for none; see ``annotated_points``.

        Returns:
            A scalar, the mean over coordinates; its mean over processes is the loss of their batches as one.
        """
        target: torch.Tensor = batch["points"]
        known = target.isfinite()
        error = 50 * (output.float() - target)[known]  # hundredths of the edge, of which there are 2 units
        if self.settings.name == "wing":
            judged = wing(error, self.settings.width, self.settings.curvature)
        else:
            judged = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")
        return judged.sum() / shared_evenly(known.sum()).clamp_min(1)

    def score(self, predicted: Predicted) -> dict[str, torch.Tensor]:
        """The metric of an evaluation; clips as a whole have none."""
        errors = nme(predicted.points, predicted.true_points)
        known = errors.isfinite()
        return {"nme": errors[known].mean()} if known.any() else {}

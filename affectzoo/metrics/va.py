"""Metrics of valence and arousal over a whole epoch, exact under any batching and over processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torchmetrics import Metric

from affectzoo.metrics.regression import from_sums, terms


class VAMetrics(Metric):
    """CCC, PCC, ICC, RMSE, MSE and SAGR of each dimension, and the mean CCC, from double-precision sums.

    Population moments throughout, as in Aff-Wild's eq. 1 (torchmetrics' own concordance mixes in
    ``n - 1``). CCC, PCC and ICC are 0 where a constant leaves them undefined, so that an untrained model
    cannot put NaN into a checkpoint's score. SAGR is the share of values whose signs agree
    (AffectNet, eq. 4); zero is a sign of its own.
    """

    full_state_update = False
    sums: torch.Tensor

    def __init__(self, names: Sequence[str] = ("valence", "arousal"), **options: Any) -> None:
        """Start at nothing seen.

        Args:
            names: What the columns are.
            **options: As for every metric of torchmetrics.
        """
        super().__init__(**options)
        self.names = tuple(names)
        zeros = torch.zeros(7, len(self.names), dtype=torch.float64)
        self.add_state("sums", zeros, dist_reduce_fx="sum")

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Take in values.

        Args:
            prediction: Shape (N, D).
            target: Shape (N, D); NaN marks values that do not count.
        """
        self.sums += terms(prediction, target).sum(dim=1)

    def compute(self) -> dict[str, torch.Tensor]:
        """``ccc`` and, for each dimension, ``from_sums`` as ``ccc_<name>``, ``icc_<name>``, ..."""
        columns = from_sums(self.sums)
        values = {
            f"{metric}_{name}": column[i].float()
            for metric, column in columns.items()
            for i, name in enumerate(self.names)
        }
        return {"ccc": columns["ccc"].mean().float()} | values

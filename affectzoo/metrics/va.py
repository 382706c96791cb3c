"""Metrics of valence and arousal over a whole epoch, exact under any batching and over processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torchmetrics import Metric


class VAMetrics(Metric):
    """CCC, PCC, RMSE, MSE and SAGR of each dimension, and the mean CCC, from double-precision sums.

    Population moments throughout, as in Aff-Wild's eq. 1 (torchmetrics' own concordance mixes in
    ``n - 1``). CCC and PCC are 0 where a constant leaves them undefined, so that an untrained model
    cannot put NaN into a checkpoint's score. SAGR is the share of values whose signs agree
    (AffectNet, eq. 9); zero is a sign of its own.
    """

    full_state_update = False
    sums: torch.Tensor
    agreed: torch.Tensor

    def __init__(self, names: Sequence[str] = ("valence", "arousal"), **options: Any) -> None:
        """Start at nothing seen.

        Args:
            names: What the columns are.
            **options: As for every metric of torchmetrics.
        """
        super().__init__(**options)
        self.names = tuple(names)
        zeros = torch.zeros(6, len(self.names), dtype=torch.float64)
        self.add_state("sums", zeros, dist_reduce_fx="sum")
        self.add_state("agreed", zeros[0].clone(), dist_reduce_fx="sum")

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Take in values.

        Args:
            prediction: Shape (N, D).
            target: Shape (N, D); NaN marks values that do not count.
        """
        known = target.isfinite()
        p = torch.where(known, prediction.detach().double(), 0.0)
        t = torch.where(known, target.double(), 0.0)
        terms = (known.double(), p, t, p * p, t * t, p * t)
        self.sums += torch.stack([term.sum(dim=0) for term in terms])
        self.agreed += ((p.sign() == t.sign()) & known).sum(dim=0)

    def compute(self) -> dict[str, torch.Tensor]:
        """``ccc`` and, for each dimension, ``ccc_``, ``pcc_``, ``rmse_``, ``mse_`` and ``sagr_<name>``."""
        n = self.sums[0].clamp_min(1)
        mean_p, mean_t, square_p, square_t, product = self.sums[1:] / n
        var_p = (square_p - mean_p**2).clamp_min(0)
        var_t = (square_t - mean_t**2).clamp_min(0)
        covariance = product - mean_p * mean_t
        mse = (square_p - 2 * product + square_t).clamp_min(0)
        spread, scale = var_p + var_t + (mean_p - mean_t) ** 2, (var_p * var_t).sqrt()
        tiny = 1e-12  # rounding of the sums, on a scale where values are within [-1, 1]
        columns = {
            "ccc": torch.where(spread > tiny, 2 * covariance / spread.clamp_min(tiny), 0.0),
            "pcc": torch.where(scale > tiny, covariance / scale.clamp_min(tiny), 0.0),
            "rmse": mse.sqrt(),
            "mse": mse,
            "sagr": self.agreed / n,
        }
        values = {
            f"{metric}_{name}": column[i].float()
            for metric, column in columns.items()
            for i, name in enumerate(self.names)
        }
        return {"ccc": columns["ccc"].mean().float()} | values

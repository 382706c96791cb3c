"""Losses on valence and arousal; a value that is not annotated is NaN and does not count."""

from __future__ import annotations

import torch


def moments(
    prediction: torch.Tensor, target: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Count, both means, both variances and the covariance per column, population normalized.

    Args:
        prediction: Shape (N, D).
        target: Shape (N, D); NaN marks values that do not count.

    Returns:
        Six tensors of shape (D,); 0 where nothing counts.
    """
    known = target.isfinite()
    count = known.sum(dim=0)
    share = known / count.clamp_min(1)
    truth = torch.where(known, target, 0.0)
    mean_p, mean_t = (prediction * share).sum(dim=0), (truth * share).sum(dim=0)
    off_p, off_t = prediction - mean_p, truth - mean_t
    var_p, var_t = (off_p.square() * share).sum(dim=0), (off_t.square() * share).sum(dim=0)
    return count, mean_p, mean_t, var_p, var_t, (off_p * off_t * share).sum(dim=0)


def ccc(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Concordance correlation coefficient per column (Kollias et al., Aff-Wild, IJCV 2019, eq. 1).

    ``2 s_xy / (s_x^2 + s_y^2 + (mean_x - mean_y)^2)`` with population moments. 0 where it is not
    defined, that is where prediction and target are the same constant.

    Args:
        prediction: Shape (N, D).
        target: Shape (N, D); NaN marks values that do not count.

    Returns:
        Shape (D,), in [-1, 1].
    """
    _, mean_p, mean_t, var_p, var_t, covariance = moments(prediction, target)
    spread = var_p + var_t + (mean_p - mean_t).square()
    defined = spread > 0
    return torch.where(defined, 2 * covariance / torch.where(defined, spread, 1.0), 0.0)


def ccc_loss(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """``1 - mean CCC`` of a batch over the columns with a value (Aff-Wild, section 4.2.1).

    The CCC of a batch is not the epoch's: this is for training, the metric is
    ``affectzoo.metrics.va.VAMetrics``.

    Args:
        prediction: Shape (N, D).
        target: Shape (N, D); NaN marks values that do not count.
    """
    annotated = target.isfinite().any(dim=0)
    if not annotated.any():
        return prediction.sum() * 0.0
    return 1 - ccc(prediction, target)[annotated].mean()


def mse_loss(
    prediction: torch.Tensor, target: torch.Tensor, share: torch.Tensor | None = None
) -> torch.Tensor:
    """AffectNet's euclidean loss ``1/(2N) sum (p - t)^2``, summed over columns (section 4.3).

    Args:
        prediction: Shape (N, D).
        target: Shape (N, D); NaN marks values that do not count.
        share: What stands for N, shape (D,): each process's share of a batch over several; by default how
            many values count.
    """
    known = target.isfinite()
    error = torch.where(known, prediction - torch.where(known, target, 0.0), 0.0)
    counts = known.sum(dim=0) if share is None else share
    return (error.square().sum(dim=0) / (2 * torch.where(counts > 0, counts, 1))).sum()

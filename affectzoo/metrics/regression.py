"""Metrics of one dimension, valence or arousal, each a function of all its values.

=========  ==================================================  ===============================================
``mse``    ``mean (p - t)^2``                                  Kollias et al., Aff-Wild, IJCV 2019, eq. 2
``rmse``   its root                                            Mollahosseini et al., AffectNet, 2019, eq. 1
``pcc``    ``s_pt / (s_p s_t)``                                AffectNet, eq. 2
``ccc``    ``2 s_pt / (s_p^2 + s_t^2 + (mean_p - mean_t)^2)``  AffectNet, eq. 3; Aff-Wild, eq. 1
``icc``    ``2 s_pt / (s_p^2 + s_t^2)``                        Ulloa Rodríguez, 2019, eq. 5.3
``sagr``   share of values whose signs agree                   AffectNet, eq. 4
=========  ==================================================  ===============================================

Moments are population moments in double precision (Aff-Wild calls ``s_x`` and ``s_y`` variances; read as
standard deviations, its eq. 1 is AffectNet's eq. 3). Everything follows from sums over the values (``terms``,
``from_sums``), which may be taken batch by batch and with any multiplicities: see ``counts``.
"""

from __future__ import annotations

import torch

from affectzoo.errors import DataError
from affectzoo.metrics.arrays import Array, as_tensor

CONSTANT = 1e-12
"""A variance below this share of the mean square is rounding: the values are one constant."""


def terms(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """What each value adds to the sums that ``from_sums`` takes.

    Args:
        prediction: Any shape.
        target: The same shape; NaN marks values that do not count.

    Returns:
        Shape (7, ...), float64: count, p, t, p^2, t^2, p t, and whether the signs agree. Zero is a sign of
        its own.
    """
    known = target.isfinite()
    p = torch.where(known, prediction.detach().double(), 0.0)
    t = torch.where(known, target.double(), 0.0)
    return torch.stack([known.double(), p, t, p * p, t * t, p * t, ((p.sign() == t.sign()) & known).double()])


def from_sums(sums: torch.Tensor) -> dict[str, torch.Tensor]:
    """All metrics.

    Args:
        sums: Sums of ``terms`` over the values, shape (7, ...).

    Returns:
        ``ccc``, ``pcc``, ``icc``, ``rmse``, ``mse`` and ``sagr``, each of the shape (...). A metric is 0
        where a constant leaves it undefined, and all are where no value counts.
    """
    n = sums[0].clamp_min(1)
    mean_p, mean_t, square_p, square_t, product, agreed = sums[1:] / n
    var_p, var_t = _variance(mean_p, square_p), _variance(mean_t, square_t)
    covariance = torch.where((var_p > 0) & (var_t > 0), product - mean_p * mean_t, 0.0)
    mse = (square_p - 2 * product + square_t).clamp_min(0)
    return {
        "ccc": _quotient(2 * covariance, var_p + var_t + (mean_p - mean_t) ** 2),
        "pcc": _quotient(covariance, var_p.sqrt() * var_t.sqrt()),
        "icc": _quotient(2 * covariance, var_p + var_t),
        "rmse": mse.sqrt(),
        "mse": mse,
        "sagr": agreed,
    }


def _variance(mean: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
    variance = square - mean**2
    return torch.where(variance > CONSTANT * square, variance, 0.0)


def _quotient(value: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    return torch.where(by > 0, value / by, 0.0)


def regression_metrics(
    prediction: Array, target: Array, counts: Array | None = None
) -> dict[str, torch.Tensor]:
    """All metrics of this module at once.

    Args:
        prediction: Shape (N,).
        target: Shape (N,); NaN marks values that do not count.
        counts: How often each value counts, shape (N, T) for T countings; by default once.

    Returns:
        As ``from_sums``, in double precision, each of shape (), or (T,) with ``counts``. 0 where undefined.

    Raises:
        DataError: The shapes do not fit, or a prediction that counts is NaN or infinite.
    """
    p, t = as_tensor(prediction), as_tensor(target)
    if p.ndim != 1 or p.shape != t.shape:
        raise DataError(
            f"metrics: predictions {tuple(p.shape)}, targets {tuple(t.shape)}; expected (N,) both"
        )
    wrong = (t.isfinite() & ~p.isfinite()).nonzero()
    if len(wrong):
        row = int(wrong[0])
        value = p[row].item()
        raise DataError(f"metrics: prediction {row} is {value}; {len(wrong)} of {len(p)} are not finite")
    each = terms(p, t)
    return from_sums(each.sum(dim=1) if counts is None else each @ as_tensor(counts).double())


def mse(prediction: Array, target: Array, counts: Array | None = None) -> torch.Tensor:
    """Mean squared error (Aff-Wild, eq. 2); arguments as ``regression_metrics``."""
    return regression_metrics(prediction, target, counts)["mse"]


def rmse(prediction: Array, target: Array, counts: Array | None = None) -> torch.Tensor:
    """Root mean squared error (AffectNet, eq. 1); arguments as ``regression_metrics``."""
    return regression_metrics(prediction, target, counts)["rmse"]


def pcc(prediction: Array, target: Array, counts: Array | None = None) -> torch.Tensor:
    """Pearson's correlation coefficient (AffectNet, eq. 2); arguments as ``regression_metrics``.

    0 where either side is a constant.
    """
    return regression_metrics(prediction, target, counts)["pcc"]


def ccc(prediction: Array, target: Array, counts: Array | None = None) -> torch.Tensor:
    """Concordance correlation coefficient (AffectNet, eq. 3); arguments as ``regression_metrics``.

    0 where either side is a constant; for two equal constants that is by definition of this function.
    """
    return regression_metrics(prediction, target, counts)["ccc"]


def icc(prediction: Array, target: Array, counts: Array | None = None) -> torch.Tensor:
    """The thesis' intra-class correlation, ``2 cov / (var + var)`` (Ulloa Rodríguez, eq. 5.3).

    Of the several coefficients of that name it is ICC(3,1), consistency, of Shrout and Fleiss with prediction
    and truth as the two raters. It is not ICC(1,1) nor ICC(2,1), which measure absolute agreement: a constant
    offset costs nothing here. It is the CCC without the difference of the means, so never nearer to 0.

    Arguments as ``regression_metrics``; 0 where either side is a constant.
    """
    return regression_metrics(prediction, target, counts)["icc"]


def sagr(prediction: Array, target: Array, counts: Array | None = None) -> torch.Tensor:
    """Share of values whose signs agree (AffectNet, eq. 4); arguments as ``regression_metrics``.

    Zero is a sign of its own; minus zero is zero.
    """
    return regression_metrics(prediction, target, counts)["sagr"]

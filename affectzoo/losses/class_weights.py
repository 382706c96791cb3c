"""Weights of the loss per class, from the training part's counts."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

ClassWeights = Literal["none", "inverse", "effective"]


def class_weights(counts: npt.ArrayLike, kind: ClassWeights, beta: float = 0.9999) -> npt.NDArray[np.float64]:
    """How much an error on each class counts.

    ``inverse`` is ``f_min / f_i``. AffectNet's eq. 10 prints the inverse of that, which would weigh
    frequent classes more, while its text and results penalize errors on rare classes more; the text
    is followed. ``effective`` is ``(1 - beta) / (1 - beta^n_i)``, scaled to mean 1 (Cui et al.,
    "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, eq. 2).

    Args:
        counts: Faces per class, shape (C,). A class without faces gets weight 0.
        kind: Which weights; ``none`` gives ones.
        beta: Of the effective number, in [0, 1).

    Returns:
        Shape (C,).
    """
    counts = np.asarray(counts, dtype=np.float64)
    present = counts > 0
    weights = np.zeros_like(counts)
    if kind == "none" or not present.any():
        return np.ones_like(counts)
    if kind == "inverse":
        weights[present] = counts[present].min() / counts[present]
        return weights
    weights[present] = (1 - beta) / -np.expm1(counts[present] * np.log(beta)) if beta else 1.0
    scaled: npt.NDArray[np.float64] = weights / weights[present].mean()
    return scaled

"""Losses on landmarks."""

from __future__ import annotations

import math

import torch


def wing(error: torch.Tensor, width: float = 10.0, curvature: float = 2.0) -> torch.Tensor:
    """The wing loss of single errors.

    Feng et al., "Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural Networks", CVPR
    2018, equation 5: ``w ln(1 + |x| / e)`` below ``w``, and ``|x| - C`` from there on. Small errors
    weigh more than under L1 or L2, so that points that are nearly right get right.

    Args:
        error: ``x``, of any shape.
        width: ``w``, in the unit of the errors.
        curvature: ``e``, in the same unit.

    Returns:
        The same shape, not negative.
    """
    size = error.abs()
    offset = width * (1 - math.log1p(width / curvature))
    return torch.where(size < width, width * torch.log1p(size / curvature), size - offset)

"""Losses on class scores."""

import torch
from torch.nn import functional as F


def soft_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, class_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy against distributions, ``-1/B sum_b sum_c w_c t_bc log p_bc``.

    With one-hot targets this is AffectNet's weighted loss (Mollahosseini et al., eq. 6): the mean
    is over faces, not over weights.

    Args:
        logits: Class scores, shape (B, C).
        target: Distributions, shape (B, C).
        class_weights: Shape (C,), or ``None`` for ones.
    """
    return F.cross_entropy(logits, target, weight=class_weights)


def max_target(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The multi-label loss of FER+: ``-1/B sum_b log max_c t_bc p_bc`` (Barsoum et al., eq. 2).

    Args:
        logits: Class scores, shape (B, C).
        target: 1 for each accepted class, small elsewhere, shape (B, C).
    """
    log_product = F.log_softmax(logits, dim=1) + target.clamp_min(1e-12).log()
    return -log_product.amax(dim=1).mean()

"""What affectzoo computes, computed plainly."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from affectzoo.models import AffectModel


def ccc(p: np.ndarray[Any, Any], t: np.ndarray[Any, Any]) -> float:
    """Lin's concordance of predictions and the truth."""
    covariance = np.mean((p - p.mean()) * (t - t.mean()))
    return float(2 * covariance / (p.var() + t.var() + (p.mean() - t.mean()) ** 2))


def prepared(model: AffectModel, rgb: np.ndarray[Any, Any]) -> torch.Tensor:
    """A face as the model takes it, but of its own size, shape (1, 3, H, W)."""
    mean, std = (torch.tensor(values) * 255 for values in (model.preprocess.mean, model.preprocess.std))
    return ((torch.from_numpy(rgb) - mean) / std).permute(2, 0, 1)[None].float()

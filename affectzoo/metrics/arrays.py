"""What metrics take: tensors and NumPy arrays alike."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

Array: TypeAlias = torch.Tensor | npt.NDArray[Any]


def as_tensor(values: Array) -> torch.Tensor:
    """Values as a tensor; arrays that torch cannot take as they are, such as pandas' columns, are copied."""
    if isinstance(values, np.ndarray):
        values = np.require(values, requirements=["C", "W"])
    return torch.as_tensor(values)

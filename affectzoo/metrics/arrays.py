"""What metrics take: tensors and NumPy arrays alike."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

Array: TypeAlias = torch.Tensor | npt.NDArray[Any]


def as_tensor(values: Array) -> torch.Tensor:
    """Values as a tensor; arrays that may not be written to, such as pandas' columns, are copied."""
    return torch.as_tensor(
        values if isinstance(values, torch.Tensor) else np.require(values, requirements="W")
    )

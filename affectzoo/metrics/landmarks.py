"""The error of landmarks."""

from __future__ import annotations

import torch

from affectzoo.faces.landmarks import OUTER_CORNERS


def nme(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The normalized mean error of each face: mean distance over that of the outer eye corners.

    As in the 300-W challenge (Sagonas et al., "300 Faces In-the-Wild Challenge", ICCV Workshops 2013), whose
    inter-ocular distance is between these corners.

    Args:
        prediction: Shape (N, 136), x and y in turn, in any unit.
        target: The same of the annotation; NaN where there is none.

    Returns:
        Shape (N,), as a share, 0.04 for 4 %; NaN where there is no annotation.
    """
    shape = (len(target), target.shape[1] // 2, 2)
    found, true = prediction.reshape(shape), target.reshape(shape)
    left, right = OUTER_CORNERS
    apart = torch.linalg.vector_norm(true[:, left] - true[:, right], dim=-1)
    error: torch.Tensor = torch.linalg.vector_norm(found - true, dim=-1).mean(dim=-1) / apart
    return error

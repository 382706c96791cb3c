"""Facial landmarks as a second input of a trunk."""

from __future__ import annotations

import torch

from affectzoo.errors import OptionError


def join_landmarks(features: torch.Tensor, landmarks: torch.Tensor | None, points: int) -> torch.Tensor:
    """Put landmarks behind the features of the same faces.

    Kollias et al., "Deep Affect Prediction in-the-wild: Aff-Wild Database and Challenge, Deep Architectures,
    and Beyond", IJCV 2019, section 4.2.1: both enter the first fully connected layer together.

    Args:
        features: Shape (B, D).
        landmarks: Shape (B, points, 2): x and y, -1 and 1 at the input's edges. Not looked at where
            ``points`` is 0.
        points: Landmarks that the trunk takes; 0 for none.

    Returns:
        Shape (B, D + 2 * points).

    Raises:
        OptionError: The landmarks are missing or of another shape.
    """
    if not points:
        return features
    if landmarks is None:
        raise OptionError(
            f"landmarks are missing: this model takes {points} points of each face beside its "
            "image; give them, or build the model with landmarks=False"
        )
    expected = (features.shape[0], points, 2)  # len() would fix the number of faces in exports
    if landmarks.shape != expected:
        raise OptionError(
            f"landmarks have shape {tuple(landmarks.shape)}, expected {expected}: "
            f"x and y of {points} points for each face"
        )
    return torch.cat([features, landmarks.flatten(1).to(features.dtype)], dim=1)

"""What passes between loaders, networks and tasks."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch

Batch = dict[str, Any]
"""One batch of faces: ``image`` (B, C, H, W) float32; ``mask`` (B,), False where no image could be read, so
that nothing counts it; ``label`` (B,) class index, -1 for none; ``target`` (B, classes), a distribution, NaN
where unknown; ``va`` (B, 2), valence and arousal in [-1, 1], NaN where unknown; ``index`` (B,) row of the
index table; ``clip`` (B,) number of the clip, -1 for none; ``path``, a list; ``landmarks`` (B, N, 2), pixels
of the input, where the data has them; ``unreadable``, messages about images that could not be read.

A batch of clips has (B, T, ...) instead and no ``path``; ``mask`` (B, T) is also False for frames that only
fill a window up."""


class GroundTruth(NamedTuple):
    """The ground truth of faces, one entry per row of an index table.

    Attributes:
        label: Class index, -1 for none. Shape (N,).
        target: Distribution over the classes, NaN where unknown. Shape (N, classes).
        va: Valence and arousal in [-1, 1], NaN where unknown. Shape (N, 2).
        clip: Number of the clip, -1 for none. Shape (N,).
    """

    label: torch.Tensor
    target: torch.Tensor
    va: torch.Tensor
    clip: torch.Tensor


ClipRule = Literal["logits", "probabilities", "vote"]
"""How frames' class scores become their clip's: the mean of the scores, of the probabilities, or the share of
frames won (a tie goes to the higher mean probability)."""


class AffectOutput(NamedTuple):
    """What a network says of a batch; a head that it lacks is ``None``.

    Attributes:
        features: The last hidden layer, shape (B, D).
        expression: Class scores before softmax, shape (B, classes).
        va: Valence and arousal, each in [-1, 1] where trained so, shape (B, 2).
        points: Landmarks, x and y in turn, -1 to 1 from the input's one edge to the other, shape (B, 136).
    """

    features: torch.Tensor
    expression: torch.Tensor | None = None
    va: torch.Tensor | None = None
    points: torch.Tensor | None = None


def from_edge_to_edge(landmarks: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Say landmarks in shares of a network's input, as trunks take and heads give them.

    Args:
        landmarks: Shape (..., N, 2), x and y in pixels of ``image``; whole numbers are pixel centers.
        image: Shape (..., H, W).

    Returns:
        Shape (..., N, 2), -1 to 1 from the one edge to the other.
    """
    edges = landmarks.new_tensor((image.shape[-1], image.shape[-2]))
    return (landmarks * 2 + 1) / edges - 1


def annotated_points(batch: Batch) -> torch.Tensor:
    """A batch's landmarks as ``AffectOutput.points`` has them, shape (..., 136), NaN for none."""
    points = from_edge_to_edge(batch["landmarks"], batch["image"]).flatten(-2)
    return torch.where(batch["mask"][..., None], points, torch.nan)

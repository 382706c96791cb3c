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
    """

    features: torch.Tensor
    expression: torch.Tensor | None = None
    va: torch.Tensor | None = None

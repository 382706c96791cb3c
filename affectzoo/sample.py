"""What passes between loaders, networks and tasks."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch

Batch = dict[str, Any]
"""One batch of faces: ``image`` (B, C, H, W) float32; ``label`` (B,) class index, -1 for none; ``target``
(B, classes), a distribution, NaN where unknown; ``va`` (B, 2), valence and arousal in [-1, 1], NaN where
unknown; ``index`` (B,) row of the index table; ``path``, a list; ``clip`` (B,) number of the clip, -1 for
none, where the data has clips; ``landmarks`` (B, N, 2), pixels of the input, where the data has them;
``unreadable``, messages of faces left out.

A batch of clips has (B, T, ...) instead, and ``mask`` (B, T), False for frames that only fill a window up."""


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

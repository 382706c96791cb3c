"""Skew-normalised metrics of classes: what they would be if all classes were equally frequent.

AffectNet's section 4.2: "performed by random under-sampling of the classes in the test set. This process is
repeated 200 times, and the skew-normalized score is the average of the score on multiple trials" (after Jeni,
Cohn, De la Torre, "Facing Imbalanced Data", ACII 2013).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from affectzoo.errors import DataError
from affectzoo.metrics.arrays import Array
from affectzoo.metrics.classification import ClassMetrics, class_metrics, labelled

BLOCK = 2_000_000
"""Counts held at once, faces times trials: bounds memory."""


class SkewNormalised(NamedTuple):
    """Metrics on equally frequent classes.

    Attributes:
        metrics: Means over the trials; ``metrics.averages()`` are the paper's "Norm" columns.
        deviation: Standard deviations over the trials; 0 for one trial.
        faces: Faces drawn of each class.
        trials: How many; 1 where the classes are equally frequent already, for then every trial is the same.
        left_out: Classes that no face has.
    """

    metrics: ClassMetrics
    deviation: ClassMetrics
    faces: int
    trials: int
    left_out: tuple[int, ...]


def skew_normalised(scores: Array, labels: Array, *, trials: int = 200, seed: int = 0) -> SkewNormalised:
    """All class metrics, skew-normalised.

    Each trial draws, without replacement, as many faces of each class as the rarest one has.

    Args:
        scores: Shape (N, C); what the areas need is said at ``classification.areas``.
        labels: Class indices, -1 for none, shape (N,).
        trials: How often to draw.
        seed: Of the draws.

    Raises:
        DataError: No face has a label, the shapes do not fit, or a score is NaN.
        LabelError: A label is not -1 and no class.
    """
    if trials < 1:
        raise DataError(f"skew normalization: {trials} trials; expected at least 1")
    s, y, _ = labelled(scores, labels)
    sizes = y.bincount(minlength=s.shape[1])
    occurring = sizes[sizes > 0]
    if not len(occurring):
        raise DataError("skew normalization: no face has a label")
    smallest = int(occurring.min())
    if int(occurring.max()) == smallest:
        trials = 1
    blocks = [
        class_metrics(s, y, counts) for counts in _undersampled(y.cpu().numpy(), smallest, trials, seed)
    ]
    every = [torch.cat(values) for values in zip(*blocks, strict=True)]
    return SkewNormalised(
        ClassMetrics(*(values.mean(dim=0) for values in every)),
        ClassMetrics(*(values.std(dim=0, correction=min(trials - 1, 1)) for values in every)),
        smallest,
        trials,
        tuple((sizes == 0).nonzero()[:, 0].tolist()),
    )


def _undersampled(
    labels: npt.NDArray[np.int64], size: int, trials: int, seed: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Which faces each trial draws: 0 and 1, shape (N, T), some trials at a time."""
    random = np.random.default_rng(seed)
    at_once = max(1, BLOCK // len(labels))
    for first in range(0, trials, at_once):
        number = min(at_once, trials - first)
        counts = np.zeros((len(labels), number), dtype=np.float32)
        for label in np.unique(labels):
            (faces,) = np.nonzero(labels == label)
            keys = random.random((number, len(faces)))
            drawn = faces[np.argpartition(keys, size - 1, axis=1)[:, :size]]
            counts[drawn, np.arange(number)[:, None]] = 1
        yield counts

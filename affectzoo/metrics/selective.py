"""Answering only where a model is sure: how many faces are answered then, and how many of these rightly.

Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017, with the probability
of the likeliest class as what the model is sure by.
"""

from __future__ import annotations

from typing import NamedTuple

from affectzoo.metrics.arrays import Array
from affectzoo.metrics.classification import labelled

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(6, 20))
"""Probabilities of the likeliest class that are tried: 0.3, 0.35, ... 0.95."""


class Selective(NamedTuple):
    """What one threshold leaves.

    Attributes:
        threshold: The least probability of the likeliest class of an answered face.
        answered: Share of the faces that are answered.
        accuracy: Share of these whose class is right; NaN where none is answered.
    """

    threshold: float
    answered: float
    accuracy: float


def selective(probabilities: Array, labels: Array) -> list[Selective]:
    """What each of ``THRESHOLDS`` leaves.

    Args:
        probabilities: Shape (N, C).
        labels: Class indices, -1 for none, shape (N,).

    Raises:
        DataError: No face has a label, the shapes do not fit, or a probability is NaN.
        LabelError: A label is not -1 and no class.
    """
    shares, truth, _ = labelled(probabilities, labels)
    sureness, found = shares.max(dim=1)
    right = (found == truth).double()
    rows = []
    for threshold in THRESHOLDS:
        answered = sureness >= threshold
        rows.append(Selective(threshold, float(answered.double().mean()), float(right[answered].mean())))
    return rows


def sure_enough(rows: list[Selective], accuracy: float, answered: float = 0.0) -> Selective | None:
    """The threshold that answers most faces with at least this accuracy; ``None`` where none does.

    Args:
        rows: See ``selective``.
        accuracy: Of the answered faces, 0 to 1.
        answered: The least share of the faces to answer, 0 to 1; a few say little of the accuracy.
    """
    return next((row for row in rows if row.accuracy >= accuracy and row.answered >= answered), None)

"""From annotators' votes to a label: the official FER+ rules, vote column by vote column.

Source: Barsoum et al., "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution", ICMI 2016, section 3.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

VoteRule = Literal["majority", "probability", "crossentropy", "multi_target"]

PLACES: Mapping[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "happiness": (0.85, 0.40),
    "surprise": (0.25, 0.85),
    "sadness": (-0.75, -0.45),
    "anger": (-0.70, 0.60),
    "disgust": (-0.75, 0.30),
    "fear": (-0.45, 0.80),
    "contempt": (-0.50, 0.10),
}
"""Valence and arousal by which the votes for a class count: a convention, near the means that Russell and
Mehrabian (Evidence for a three-factor theory of emotions, 1977) report for the words."""


def label_distribution(
    votes: npt.ArrayLike, rule: VoteRule, *, rejects: int = 2
) -> npt.NDArray[np.float64] | None:
    """Turn one face's votes into a distribution over its classes.

    Args:
        votes: Vote counts, shape ``(classes + rejects,)``; the last ``rejects`` columns are the
            answers that are no class (FER+: unknown, not a face).
        rule: ``majority`` keeps the one class that holds more than half of the votes;
            ``probability`` and ``crossentropy`` keep the highest classes until 75 % of the votes
            are covered, three at most; ``multi_target`` keeps each class with at least 30 %.
        rejects: How many trailing columns are no class.

    Returns:
        Shape ``(classes,)``, summing to 1; ``None`` where the rule discards the face.
    """
    left = np.array(votes, dtype=np.float64)
    left[left <= 1] = 0.0  # a single vote is an outlier
    total = left.sum()
    classes = len(left) - rejects
    kept = np.zeros_like(left)
    if total == 0:
        return None
    if rule == "majority":
        top = int(left.argmax())
        if left[top] > 0.5 * total:
            kept[top] = left[top]
    elif rule == "multi_target":
        kept = np.where(left >= 0.3 * total, left, 0.0)
        if kept.sum() <= 0.5 * total:
            return None
    else:
        kept = _highest(left, classes)
        if kept.sum() <= 0.5 * total or np.count_nonzero(kept) > 3:
            return None
    if kept.sum() == 0 or int(kept.argmax()) >= classes:
        return None
    distribution: npt.NDArray[np.float64] = kept[:classes] / kept[:classes].sum()
    return distribution


def _highest(votes: npt.NDArray[np.float64], classes: int) -> npt.NDArray[np.float64]:
    """The highest cells, equal ones together, until 75 % are covered or three are taken.

    A reject column ends the search: it is kept only when nothing came before it.
    """
    left, kept = votes.copy(), np.zeros_like(votes)
    while kept.sum() < 0.75 * votes.sum() and np.count_nonzero(kept) < 3:
        for cell in np.flatnonzero(left == left.max()):
            if cell >= classes:
                if kept.sum() == 0:
                    kept[cell] = left[cell]
                return kept
            kept[cell], left[cell] = left[cell], 0.0
    return kept


def place(votes: npt.ArrayLike, classes: Sequence[str]) -> tuple[float, float] | None:
    """Project one face's votes on the circumplex: the mean of the classes' ``PLACES``, by votes.

    A stand-in for valence and arousal that nobody annotated: weak and strong expressions differ only by the
    annotators' doubt.

    Args:
        votes: Vote counts, one for each class, then any for answers that are no class.
        classes: The classes' names, each in ``PLACES``.

    Returns:
        Valence and arousal in [-1, 1]; ``None`` where no class has more than a single vote.
    """
    counts = np.array(votes, dtype=np.float64)[: len(classes)]
    counts[counts <= 1] = 0.0  # a single vote is an outlier
    if not counts.any():
        return None
    valence, arousal = counts @ np.array([PLACES[name] for name in classes]) / counts.sum()
    return float(valence), float(arousal)

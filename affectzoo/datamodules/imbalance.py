"""Resampling the training part for rare classes, as AffectNet does.

Mollahosseini, Hasani, Mahoor, TAC 10(1), 2019, section 4.2. Its fourth strategy, a weighted loss,
is ``affectzoo.losses.class_weights``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Imbalance = Literal["as_is", "down", "up", "weighted", "quadrants"]

BY_CLASS = ("down", "up", "weighted")
"""The strategies that go by the faces' classes."""

QUADRANT_SHARES = {(1, 1): 0.43, (-1, 1): 0.24, (1, -1): 0.19, (-1, -1): 0.14}
"""Signs of valence and arousal to the share of Aff-Wild's training frames after over-sampling (Kollias et
al., IJCV 2019, section 4.2)."""

IntArray = npt.NDArray[np.int64]


def resample(labels: npt.ArrayLike, strategy: Imbalance, cap: int, seed: int) -> IntArray:
    """The rows that one epoch goes through.

    Args:
        labels: Class index of each face, shape (N,); faces without a class (-1) are kept as they
            are.
        strategy: ``as_is`` and ``weighted`` (which the sampler does): every row once; ``down``: at
            most ``cap`` rows of a class, drawn once; ``up``: each class replicated up to the
            largest.
        cap: Most rows per class under ``down`` (AffectNet: 15,000).
        seed: For the draws.

    Returns:
        Row numbers in ascending order, shape (M,).
    """
    labels = np.asarray(labels)
    rows = np.arange(len(labels))
    if strategy in ("as_is", "weighted"):
        return rows
    random = np.random.default_rng(seed)
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    chosen = [rows[labels < 0]]
    for label, count in zip(classes, counts, strict=True):
        members = rows[labels == label]
        if strategy == "down":
            chosen.append(random.permutation(members)[:cap])
        else:
            whole, rest = divmod(int(counts.max()), int(count))
            chosen += [np.tile(members, whole), random.permutation(members)[:rest]]
    return np.sort(np.concatenate(chosen))


def sample_weights(labels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Weigh faces so that a sampler draws every class equally often.

    Args:
        labels: Class index of each face, shape (N,). Faces without a class (-1) are no class of their own:
            they keep the share of the draws that they have among the faces.

    Returns:
        Chance of each face to be drawn, shape (N,), summing to 1.
    """
    labels = np.asarray(labels)
    known = labels >= 0
    weights = np.full(len(labels), 1.0 / max(1, len(labels)))
    _, inverse, counts = np.unique(labels[known], return_inverse=True, return_counts=True)
    if len(counts):
        weights[known] = known.mean() / (len(counts) * counts[inverse])
    return weights


def resample_quadrants(va: npt.ArrayLike) -> IntArray:
    """Duplicate samples of rare quadrants until the quadrants have Aff-Wild's shares.

    Nothing is excluded: the quadrant that exceeds its share most stays as it is, each of the others is
    repeated in order, whole rounds first.

    Args:
        va: Valence and arousal of each face or window, shape (N, 2). 0 counts as positive; samples without
            annotation (NaN) are kept once.

    Returns:
        Row numbers in ascending order, shape (M,), M >= N.
    """
    va = np.asarray(va)
    known = np.isfinite(va).all(axis=1)
    signs = np.where(va < 0, -1, 1)
    members = {q: np.flatnonzero(known & (signs == q).all(axis=1)) for q in QUADRANT_SHARES}
    total = max(len(rows) / QUADRANT_SHARES[q] for q, rows in members.items())
    chosen = [np.flatnonzero(~known)]
    chosen += [
        np.resize(rows, max(len(rows), round(total * QUADRANT_SHARES[q])))
        for q, rows in members.items()
        if len(rows)
    ]
    return np.sort(np.concatenate(chosen))

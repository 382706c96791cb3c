"""Signs that a system's outputs are read in another order, sign or scale than they were trained in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from affectzoo.errors import DataError
from affectzoo.metrics.arrays import Array
from affectzoo.metrics.regression import ccc

Floats = npt.NDArray[np.float64]
CHANGES: Mapping[str, Callable[[Floats], Floats]] = {
    "swap valence and arousal": lambda va: va[:, ::-1],
    "negate valence": lambda va: va * (-1, 1),
    "negate arousal": lambda va: va * (1, -1),
    "divide by 10": lambda va: va / 10,
    "multiply by 10": lambda va: va * 10,
}


def label_order_probe(
    confusion: Array, names: Sequence[str], threshold: float = 0.05
) -> list[dict[str, Any]]:
    """Look for predicted classes whose names would fit better in another order.

    Args:
        confusion: Faces, true class by predicted class, shape (C, C).
        names: The classes.
        threshold: Least gain in accuracy to report.

    Returns:
        For each pair of predicted names whose swap alone would gain more, the largest gain first, ``kind``
        ``swap``, ``classes``, ``accuracy`` and ``would_be``. Where the best order of all gains more too and
        is none of those swaps, ``kind`` ``order`` with ``order``: what each output in turn should be called.

    Raises:
        DataError: The shape does not fit the names.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    classes = len(names)
    if counts.shape != (classes, classes):
        raise DataError(f"probe: confusion of shape {counts.shape} for {classes} classes")
    total, right = counts.sum(), counts.trace()
    if total == 0:
        return []

    def entry(kind: str, details: dict[str, Any], would_be: float) -> dict[str, Any]:
        return {
            "kind": kind,
            **details,
            "accuracy": float(right / total),
            "would_be": float(would_be / total),
        }

    least = right + threshold * total
    swaps = {
        (i, j): right - counts[i, i] - counts[j, j] + counts[i, j] + counts[j, i]
        for i, j in combinations(range(classes), 2)
    }
    found = [
        entry("swap", {"classes": [names[i], names[j]]}, would_be)
        for (i, j), would_be in sorted(swaps.items(), key=lambda swap: -swap[1])
        if would_be > least
    ]
    # Less than one face in favor of staying: classes without faces are not moved about.
    outputs, should_be = linear_sum_assignment(counts.T + np.eye(classes) / (classes + 1), maximize=True)
    would_be = counts[should_be, outputs].sum()
    if would_be > least and (should_be != outputs).sum() > 2:
        found.append(entry("order", {"order": [names[i] for i in should_be]}, would_be))
    return found


def value_order_probe(prediction: Array, target: Array, threshold: float = 0.1) -> list[dict[str, Any]]:
    """Look for valence and arousal in another order, with another sign or on another scale.

    Args:
        prediction: Valence and arousal, shape (N, 2); a face with a NaN does not count.
        target: Annotated ones, shape (N, 2), NaN for none.
        threshold: Least gain in the mean CCC of both to report.

    Returns:
        For each change that alone would gain more, the largest gain first: ``kind`` ``values``, ``change``,
        ``ccc`` and ``would_be``.

    Raises:
        DataError: The shapes do not fit.
    """
    va, truth = np.asarray(prediction, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if va.ndim != 2 or va.shape[1] != 2 or va.shape != truth.shape:
        raise DataError(f"probe: predictions {va.shape}, targets {truth.shape}; expected (N, 2) both")
    known = np.isfinite(va).all(axis=1)

    def mean_ccc(values: Floats) -> float:
        return float(np.mean([ccc(p, t) for p, t in zip(values.T, truth[known].T, strict=True)]))

    now = mean_ccc(va[known])
    would_be = {change: mean_ccc(changed(va[known])) for change, changed in CHANGES.items()}
    return [
        {"kind": "values", "change": change, "ccc": now, "would_be": value}
        for change, value in sorted(would_be.items(), key=lambda item: -item[1])
        if value > now + threshold
    ]

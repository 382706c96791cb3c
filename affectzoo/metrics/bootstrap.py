"""How sure a figure is: bootstrap intervals, paired differences, McNemar's test.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals). Faces of
one person or one clip are alike; resampling faces as if they were independent makes intervals too narrow.
Give ``groups`` to resample whole subjects or clips.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import stats

from affectzoo.errors import DataError
from affectzoo.metrics.arrays import Array, as_tensor

BLOCK = 2_000_000
"""Counts held at once, faces times resamples: bounds memory."""

Metric = Callable[..., Any]
"""``metric(prediction, truth)`` gives a number, or an array or tensor of any shape.

One that has a parameter ``counts``, such as those of ``regression`` and ``classification``, is given many
resamples at once: ``counts`` of shape (N, T) says how often each face counts, and the result has T in front.
"""


class Interval(NamedTuple):
    """A figure and its confidence interval, each of the metric's shape, float64.

    Attributes:
        value: On the faces as they are.
        low: Lower end.
        high: Upper end.
        undefined: Resamples in which the metric was NaN; they are excluded of the interval.
    """

    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    undefined: npt.NDArray[np.int64]


class McNemar(NamedTuple):
    """McNemar's test of two systems on the same faces.

    Attributes:
        only_first: Faces that only the first system has right.
        only_second: Faces that only the second has right.
        exact: Two-sided binomial p-value; the one to quote.
        statistic: Chi-squared with continuity correction, one degree of freedom.
        chi_squared: Its p-value; an approximation for ``only_first + only_second`` of 25 and more.
    """

    only_first: int
    only_second: int
    exact: float
    statistic: float
    chi_squared: float


def bootstrap(
    metric: Metric,
    prediction: Array,
    truth: Array,
    groups: Sequence[Any] | None = None,
    *,
    less: Array | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Bootstrap a metric, or the difference between two systems' on the same faces: a percentile interval.

    All of AffectNet's averages at once::

        bootstrap(
            lambda p, t, counts=None: torch.stack([*class_metrics(p, t, counts).averages().values()], -1),
            probabilities, labels, groups=subjects,
        )

    Args:
        metric: See ``Metric``.
        prediction: One row per face, shape (N, ...).
        truth: One row per face, shape (N, ...).
        groups: Subject or clip of each face; whole groups are then drawn. By default faces are.
        less: Another system's predictions, whose metric is subtracted in each resample. The systems differ at
            this level where 0 lies outside the interval.
        resamples: How many.
        level: Share of the resamples inside the interval.
        seed: Of the draws.

    Raises:
        DataError: The sizes differ, there is no face, a group is missing, or an option is out of range.
    """
    predictions = [prediction] if less is None else [prediction, less]
    faces = len(truth)
    if faces == 0 or any(len(prediction) != faces for prediction in predictions):
        raise DataError(f"bootstrap: {[len(p) for p in predictions]} predictions for {faces} faces")
    if resamples < 1 or not 0 < level < 1:
        raise DataError(f"bootstrap: {resamples} resamples, level {level}; expected 1 or more, in (0, 1)")
    of, number = np.arange(faces), faces
    if groups is not None:
        of, number = _group_numbers(groups, faces)

    def figure(counts: npt.NDArray[np.int64] | None) -> npt.NDArray[np.float64]:
        found = [_values(metric, one, truth, counts) for one in predictions]
        return found[0] if len(found) == 1 else found[0] - found[1]

    every = np.concatenate([figure(counts[of]) for counts in _resampled(number, faces, resamples, seed)])
    undefined = np.isnan(every)
    never = undefined.all(axis=0)
    tail = (1 - level) / 2
    ends = np.nanquantile(np.where(never, 0, every), [tail, 1 - tail], axis=0)
    low, high = np.where(never, np.nan, ends)
    return Interval(*map(np.asarray, (figure(None), low, high, undefined.sum(axis=0))))


def _group_numbers(groups: Sequence[Any], faces: int) -> tuple[npt.NDArray[np.int64], int]:
    numbers, names = pd.factorize(np.asarray(groups, dtype=object))
    if len(numbers) != faces:
        raise DataError(f"bootstrap: {len(numbers)} groups for {faces} faces")
    if (numbers < 0).any():
        row = int(np.flatnonzero(numbers < 0)[0])
        raise DataError(f"bootstrap: face {row} has no group; give every face one, or leave such faces out")
    return numbers.astype(np.int64), len(names)


def _resampled(units: int, faces: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """How often each unit is drawn, shape (units, T), some resamples at a time."""
    random = np.random.default_rng(seed)
    at_once = max(1, BLOCK // faces)
    for first in range(0, resamples, at_once):
        number = min(at_once, resamples - first)
        drawn = random.integers(0, units, (number, units)) * number + np.arange(number)[:, None]
        yield np.bincount(drawn.ravel(), minlength=units * number).reshape(units, number)


def _values(
    metric: Metric, prediction: Array, truth: Array, counts: npt.NDArray[np.int64] | None
) -> npt.NDArray[np.float64]:
    if counts is None:
        return _array(metric(prediction, truth))
    if "counts" in inspect.signature(metric).parameters:
        return _array(metric(prediction, truth, counts=counts))
    rows = (np.repeat(np.arange(len(counts)), column) for column in counts.T)
    return np.stack([_array(metric(prediction[row], truth[row])) for row in rows])


def _array(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values.cpu() if isinstance(values, torch.Tensor) else values, dtype=np.float64)


def mcnemar(first: Array, second: Array, truth: Array) -> McNemar:
    """McNemar's test: do two systems have as many faces right that the other has wrong?

    Args:
        first: One system's classes, shape (N,).
        second: The other's, of the same faces.
        truth: Class indices, -1 for none, shape (N,).

    Returns:
        p-values of 1 where no face tells the systems apart.

    Raises:
        DataError: The shapes differ.
    """
    one, other, true = (np.asarray(as_tensor(values).cpu()) for values in (first, second, truth))
    if not one.shape == other.shape == true.shape or true.ndim != 1:
        raise DataError(f"mcnemar: {one.shape}, {other.shape} and {true.shape}; expected (N,) three times")
    known = true >= 0
    only_first = int((known & (one == true) & (other != true)).sum())
    only_second = int((known & (one != true) & (other == true)).sum())
    told = only_first + only_second
    if told == 0:
        return McNemar(0, 0, 1.0, 0.0, 1.0)
    statistic = max(abs(only_first - only_second) - 1, 0) ** 2 / told
    return McNemar(
        only_first,
        only_second,
        float(stats.binomtest(only_first, told).pvalue),
        statistic,
        float(stats.chi2.sf(statistic, 1)),
    )

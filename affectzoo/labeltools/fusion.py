"""One trace of valence or arousal out of several annotators'.

Kollias et al., "Deep Affect Prediction in-the-wild: Aff-Wild Database and Challenge, Deep Architectures, and
Beyond", IJCV 127, 2019, section 3.4: for each video, the correlations between all annotators are computed,
two experts watch it and approve of the most correlated annotations, two to four of them, and their mean is
the annotation. How many to keep is the experts' choice, so ``most_correlated`` asks for it; who agrees with
whom is in ``correlations``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from affectzoo.errors import DataError
from affectzoo.labeltools.answers import numbers

FEWEST, MOST = 2, 4
"""How many annotators the paper keeps."""


def correlations(traces: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlation of each two annotators.

    Args:
        traces: Valence or arousal of one video: one row per frame, one column per annotator.

    Returns:
        Annotators by annotators; NaN for one whose trace does not move.

    Raises:
        DataError: There are fewer than two frames or annotators, an annotator is there twice, or a value
            is missing or not finite; frame and annotator are named.
    """
    _check(traces)
    return traces.astype(np.float64).corr()


def most_correlated(traces: pd.DataFrame, count: int) -> tuple[Hashable, ...]:
    """The annotators of whom each two are, on average, the most correlated.

    Args:
        traces: Valence or arousal of one video: one row per frame, one column per annotator.
        count: How many to keep, 2 to 4.

    Returns:
        Their names, in the order of the columns; the first such group where several are as good.

    Raises:
        DataError: As ``correlations``; or ``count`` is out of range, or more than there are annotators
            whose trace moves.
    """
    if not FEWEST <= count <= MOST:
        raise DataError(f"fusion: count is {count}, expected {FEWEST} to {MOST} annotators")
    table = correlations(traces)
    matrix = table.to_numpy()
    moving = np.flatnonzero(np.isfinite(matrix.diagonal()))
    if len(moving) < count:
        raise DataError(f"fusion: {len(moving)} annotators whose trace moves, expected {count} or more")
    groups = [list(group) for group in combinations(moving.tolist(), count)]
    # The diagonal is 1 for every annotator, so that the mean of all entries ranks groups as the pairs' does.
    best = max(groups, key=lambda group: float(matrix[np.ix_(group, group)].mean()))
    return tuple(table.columns[best])


def fuse(traces: pd.DataFrame, annotators: Iterable[Hashable]) -> pd.Series[float]:
    """The mean of some annotators' traces.

    Args:
        traces: Valence or arousal of one video: one row per frame, one column per annotator.
        annotators: Whom to keep, for example by ``most_correlated``.

    Returns:
        One value per frame.

    Raises:
        DataError: As ``correlations``; or an annotator is not there, is named twice, or none is named.
    """
    _check(traces)
    chosen = list(annotators)
    unknown = [name for name in chosen if name not in traces.columns]
    if unknown or not chosen or len(set(chosen)) < len(chosen):
        raise DataError(f"fusion: annotators {chosen}, expected different ones of {traces.columns.tolist()}")
    return traces[chosen].astype(np.float64).mean(axis=1)


def _check(traces: pd.DataFrame) -> None:
    frames, annotators = traces.shape
    if frames < 2 or annotators < 2:
        raise DataError(f"fusion: {frames} frames, {annotators} annotators; expected two or more of each")
    if not traces.columns.is_unique:
        raise DataError(f"fusion: annotator {traces.columns[traces.columns.duplicated()][0]} is there twice")
    missing = np.argwhere(~np.isfinite(numbers(traces, "fusion")))
    if len(missing):
        row, column = missing[0]
        raise DataError(
            f"fusion: frame {traces.index[row]} has no value of annotator {traces.columns[column]}; bring "
            "the traces to the same frames, or leave such frames out"
        )

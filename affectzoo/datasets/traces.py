"""Traces of valence and arousal: read, brought to the times of video frames, and fused over annotators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from affectzoo.console import counted
from affectzoo.datasets.fields import SANE, parsed
from affectzoo.errors import DataError
from affectzoo.files.text import Line, lines

Floats = npt.NDArray[np.float64]

TIE = 1e-9
"""Seconds by which two equal distances may differ in floating point."""


class Trace(NamedTuple):
    """What one annotator, or the mean of several, said over time.

    Attributes:
        times: Shape (N,), seconds, never decreasing.
        values: Shape (N,), in [-1, 1].
    """

    times: Floats
    values: Floats


def at_times(
    times: npt.ArrayLike, values: npt.ArrayLike, wanted: npt.ArrayLike, reach: float = math.inf
) -> Floats:
    """The annotation nearest in time to each frame, the mean of two where they are equally far.

    So Aff-Wild matched annotations and frames (Kollias et al., IJCV 2019, section 3.3). Annotations of the
    same time count as one, their mean.

    Args:
        times: Of the annotations, shape (N,), seconds, at least one, never decreasing.
        values: Shape (N,) or (N, D).
        wanted: Times of the frames, shape (K,), seconds.
        reach: How far the nearest annotation may be, seconds.

    Returns:
        Shape (K,) or (K, D); NaN where no annotation is within reach.

    Raises:
        DataError: There are no annotations, not as many times as values, or the times decrease or are not
            finite.
    """
    known, given, frames = (np.asarray(array, dtype=np.float64) for array in (times, values, wanted))
    if known.ndim != 1 or not 1 <= len(known) == len(given):
        raise DataError(
            f"{known.size} annotation times and {len(given)} values, expected as many, at least 1"
        )
    if not np.isfinite(known).all() or (np.diff(known) < 0).any():
        raise DataError("annotation times must be finite and never decrease")
    known, starts, counts = np.unique(known, return_index=True, return_counts=True)
    per_row = (-1, *(1,) * (given.ndim - 1))
    given = np.add.reduceat(given, starts) / counts.reshape(per_row)
    after = np.searchsorted(known, frames)
    before, after = (after - 1).clip(min=0), after.clip(max=len(known) - 1)
    to_before, to_after = abs(frames - known[before]), abs(frames - known[after])
    tie = (abs(to_before - to_after) <= TIE).reshape(per_row)
    nearest = np.where(to_before < to_after, before, after)
    found = np.where(tie, (given[before] + given[after]) / 2, given[nearest])
    found[np.minimum(to_before, to_after) > reach + TIE] = np.nan
    return found


def average(traces: Sequence[Trace], wanted: npt.ArrayLike, reach: float = math.inf) -> Floats:
    """The mean of several annotators at each frame, of those who annotated near it.

    Args:
        traces: One per annotator, at least one; they need not be equally long.
        wanted: Times of the frames, shape (K,), seconds.
        reach: How far an annotator's nearest annotation may be, seconds.

    Returns:
        Shape (K,); NaN where no annotator is within reach.
    """
    each = np.stack([at_times(trace.times, trace.values, wanted, reach) for trace in traces])
    near = np.isfinite(each)
    count = near.sum(axis=0)
    total = np.where(near, each, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def gold_standard(ratings: npt.ArrayLike) -> Floats:
    """The gold standard of AVEC 2016 from simultaneous ratings of one recording.

    Each annotator's agreement is the mean of the concordance correlation coefficients (CCC) with the others.
    All are shifted to one common level, the mean of their levels weighted by agreement, then averaged.
    Where disagreement puts that level outside of theirs, it is their plain mean.

    Args:
        ratings: Shape (N, R), one column per annotator.

    Returns:
        Shape (N,).
    """
    given = np.asarray(ratings, dtype=np.float64)
    level, spread = given.mean(axis=0), given.var(axis=0)
    if given.shape[1] == 1:
        return given[:, 0]
    apart = spread[:, None] + spread + (level[:, None] - level) ** 2
    covariance = (given - level).T @ (given - level) / len(given)
    ccc = np.divide(2 * covariance, apart, out=np.zeros_like(apart), where=apart > 0)
    np.fill_diagonal(ccc, 0.0)
    agreement = ccc.sum(axis=0)
    common = (level * agreement).sum() / agreement.sum() if agreement.sum() else math.nan
    if not level.min() <= common <= level.max():  # too, where it is NaN
        common = level.mean()
    fused: Floats = (given - level).mean(axis=1) + common
    return fused


def text_lines(path: Path) -> list[Line]:
    """The lines of a text file, stripped, without empty ones at its end.

    Raises:
        DataError: As ``affectzoo.files.text.lines`` says.
    """
    found = [line._replace(text=line.text.strip()) for line in lines(path)]
    while found and not found[-1].text:
        found.pop()
    return found


def is_text(name: str) -> bool:
    """Whether a file's name ends with ``.txt``."""
    return name.lower().endswith(".txt")


def number_table(path: Path, rows: Sequence[tuple[int, Sequence[str]]], columns: int) -> Floats:
    """Texts as a table of finite numbers.

    Args:
        path: The file, for messages.
        rows: Line number and fields of each row.
        columns: How many fields each row must have.

    Returns:
        Shape (N, columns).

    Raises:
        DataError: A row has another number of fields or a field is no finite number; the line is named.
    """
    for line, fields in rows:
        if len(fields) != columns:
            raise DataError(f"{path}, line {line}: {counted(len(fields), 'field')}, expected {columns}")
    table = np.array([[parsed(field) for field in fields] for _, fields in rows]).reshape(-1, columns)
    bad = np.flatnonzero(~(abs(table) <= SANE).all(axis=1))
    if len(bad):
        line, fields = rows[bad[0]]
        raise DataError(f"{path}, line {line}: '{' '.join(fields)}', expected finite numbers")
    return table


def checked(times: Floats, values: Floats, path: Path, numbers: Sequence[int]) -> None:
    """See that times never decrease and that values lie in [-1, 1].

    Args:
        times: Shape (N,), seconds.
        values: Shape (N,) or (N, D).
        path: The file, for messages.
        numbers: Line number of each row, for messages.

    Raises:
        DataError: They do not; file and line are named.
    """
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        i = back[0] + 1
        raise DataError(f"{path}, line {numbers[i]}: time {times[i]:g} follows {times[i - 1]:g}")
    outside = np.argwhere(abs(values) > 1)
    if len(outside):
        value = values[tuple(outside[0])]
        raise DataError(f"{path}, line {numbers[outside[0][0]]}: value {value:g}, expected -1..1")

"""Is one system better than another on the same faces, or is the difference within chance?

From tables of predictions as ``affectzoo benchmark`` writes them: the difference of a metric with a paired
bootstrap interval and, for accuracy, McNemar's test. On folds the metric is that of all folds' faces
together, not the mean over folds. Of several runs the mean counts; the interval then tells what other faces
would change, not what other seeds would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from affectzoo.console import counted
from affectzoo.errors import DataError, UnknownNameError
from affectzoo.evaluation.scoring import Drawn, groups_of
from affectzoo.metrics.bootstrap import McNemar, Metric, bootstrap, mcnemar
from affectzoo.metrics.classification import accuracy, class_metrics, confusion
from affectzoo.metrics.columns import LABEL, TRUE, score_columns
from affectzoo.metrics.names import CLASS_METRICS, COMPARED, DIMENSIONS, METRICS, family
from affectzoo.metrics.regression import regression_metrics

Floats = npt.NDArray[np.float64]

KEY = ["fold", "id"]
TRUE_LABEL = f"{TRUE}{LABEL}"


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same faces.

    Attributes:
        first: One system's name.
        second: The other's.
        metric: What was compared.
        values: The metric of each, on all faces; of several runs their mean.
        difference: The first's less the second's.
        low: Lower end of its bootstrap interval.
        high: Upper end.
        level: Share of the resamples inside the interval.
        units: What was drawn: subjects, clips or faces.
        faces: How many have a label, or values, and count.
        missing: For how many of them each system (or some run of it) has no answer: wrong, or 0, 0.
        folds: Of how many folds the faces are, one after the other.
        mcnemar: McNemar's test, for accuracy of one run each; it takes faces as independent.
        runs: How many of each system.
    """

    first: str
    second: str
    metric: str
    values: tuple[float, float]
    difference: float
    low: float
    high: float
    level: float
    units: Drawn
    faces: int
    missing: tuple[int, int]
    folds: int = 1
    mcnemar: McNemar | None = None
    runs: tuple[int, int] = (1, 1)

    @property
    def lower_is_better(self) -> bool:
        """Whether the metric is an error."""
        known = METRICS.get(family(self.metric))
        return known is not None and known.lower_is_better

    @property
    def better(self) -> str | None:
        """Which system is, ``None`` where 0 lies inside the interval."""
        if not (self.low > 0 or self.high < 0):
            return None
        return self.first if (self.low > 0) != self.lower_is_better else self.second

    @property
    def verdict(self) -> str:
        """One sentence; with what else must be known to read it."""
        if math.isnan(self.difference) or math.isnan(self.low):
            return f"{self.metric} is undefined on these faces; {self.first} and {self.second} not compared"
        sign = -1 if self.better is not None and self.high < 0 else 1
        ends = sorted((sign * self.low, sign * self.high))
        over = "" if self.units == "faces" else f" over {self.units}"
        tests = [f"{100 * self.level:g} % interval{over} {ends[0]:.4f} to {ends[1]:.4f}"]
        if self.mcnemar is not None:
            tests.append(f"McNemar p = {self.mcnemar.exact:.2g}")
        size = f"{sign * self.difference:.4f}"
        if self.better is None:
            said = (
                f"no difference found between {self.first} and {self.second}: {self.metric} differs by {size}"
            )
        else:
            said = f"{self.better} is better by {size} {self.metric}"
        return "; ".join([f"{said} ({'; '.join(tests)})", *self._notes()])

    def _notes(self) -> list[str]:
        how = "as wrong" if self.metric in CLASS_METRICS else "as 0"
        notes = [
            f"{counted(number, 'face')} without an answer of {name} "
            f"{'counts' if number == 1 else 'count'} {how}"
            for name, number in zip((self.first, self.second), self.missing, strict=True)
            if number
        ]
        if self.runs != (1, 1):
            told = " and ".join(map(str, dict.fromkeys(self.runs)))
            notes.insert(0, f"means over {told} runs, which other seeds would change, too")
        return [f"faces of {self.folds} folds together", *notes] if self.folds > 1 else notes

    def to_dict(self, group: str | None = None) -> dict[str, Any]:
        """A JSON-ready form; what is undefined is ``None``.

        Args:
            group: The protocol, or what else the systems are compared under.

        Returns:
            ``group``, ``first``, ``second``, ``metric``, ``values``, ``difference``, ``low``, ``high``,
            ``level``, ``units``, ``faces``, ``missing`` (each system's), ``folds``, ``runs`` (each system's),
            ``p_exact``, ``only_first``, ``only_second`` and ``verdict``.
        """
        numbers = {"difference": self.difference, "low": self.low, "high": self.high}
        test = self.mcnemar
        return {
            "group": group,
            "first": self.first,
            "second": self.second,
            "metric": self.metric,
            "values": [_finite(value) for value in self.values],
            **{name: _finite(value) for name, value in numbers.items()},
            "level": self.level,
            "units": self.units,
            "faces": self.faces,
            "missing": list(self.missing),
            "folds": self.folds,
            "runs": list(self.runs),
            "p_exact": None if test is None else test.exact,
            "only_first": None if test is None else test.only_first,
            "only_second": None if test is None else test.only_second,
            "verdict": self.verdict,
        }


def compare(
    one: pd.DataFrame | Sequence[pd.DataFrame],
    other: pd.DataFrame | Sequence[pd.DataFrame],
    metric: str | None = None,
    *,
    first: str = "first",
    second: str = "second",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two systems on the same faces.

    Args:
        one: One system's table of predictions, see ``predictions.read_table``, or one for each of its runs.
        other: The other's.
        metric: One of ``affectzoo.metrics.names.COMPARED``; by default accuracy where there are classes,
            else ``ccc``, the mean of both dimensions.
        first: What to call the one system.
        second: What to call the other.
        resamples: Of the bootstrap, over subjects or clips where ``groups_of`` finds some.
        level: Share of the resamples inside the interval.
        seed: Of the draws.

    Raises:
        UnknownNameError: There is no such metric.
        DataError: The tables are not of the same faces with the same truth, or lack what the metric needs.
    """
    some, others = ([given] if isinstance(given, pd.DataFrame) else list(given) for given in (one, other))
    if metric is None:
        metric = "accuracy" if LABEL in some[0] else "ccc"
    if metric not in COMPARED:
        raise UnknownNameError("metric", metric, COMPARED)
    names = [*_run_names(first, len(some)), *_run_names(second, len(others))]
    tables = _joined([*some, *others], names)
    prepare = _classes if metric in CLASS_METRICS else _values
    truth, answers, missing = prepare(tables, metric, names)
    counted = np.flatnonzero(truth >= 0 if truth.ndim == 1 else np.isfinite(truth).any(axis=1))
    if len(counted) == 0:
        raise DataError(f"{first} and {second}: no face has what {metric} needs to be compared with")
    table, truth = tables[0].iloc[counted], truth[counted]
    runs = len(some)
    a, b = (np.stack(told, axis=1)[counted] for told in (answers[:runs], answers[runs:]))
    silent = [np.any(told, axis=0)[counted] for told in (missing[:runs], missing[runs:])]
    function = _mean_over_runs(_figure(metric))
    units, groups = groups_of(table)
    drawn = None if groups is None else list(groups)
    found = bootstrap(function, a, truth, drawn, less=b, resamples=resamples, level=level, seed=seed)
    return Comparison(
        first=first,
        second=second,
        metric=metric,
        values=(float(function(a, truth)), float(function(b, truth))),
        difference=float(found.value),
        low=float(found.low),
        high=float(found.high),
        level=level,
        units=units,
        faces=len(counted),
        missing=(int(silent[0].sum()), int(silent[1].sum())),
        folds=table["fold"].nunique(),
        mcnemar=mcnemar(a[:, 0].argmax(axis=1), b[:, 0].argmax(axis=1), truth)
        if metric == "accuracy" and len(tables) == 2
        else None,
        runs=(runs, len(others)),
    )


def _run_names(name: str, runs: int) -> list[str]:
    return [name] if runs == 1 else [f"run {number} of {name}" for number in range(1, runs + 1)]


def missing_as_wrong(scores: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """Class scores under which a face without an answer is wrong.

    Args:
        scores: Shape (N, C), a row with NaN where there is no answer.
        labels: True classes, -1 for none, shape (N,).

    Returns:
        Shape (N, C + 1): the last class is no answer. It is the highest of faces without one, whose true
        class is the lowest, below every score of another face.
    """
    missing: npt.NDArray[np.bool_] = np.isnan(scores.sum(axis=1))
    known = scores[~missing]
    low, high = (known.min() - 1, known.max() + 1) if known.size else (0.0, 1.0)
    found: Floats = np.column_stack([np.where(missing[:, None], low, scores), np.where(missing, high, low)])
    wrong = missing & (labels >= 0)
    found[wrong, labels[wrong]] = low - 1
    return found


def _joined(given: Sequence[pd.DataFrame], names: Sequence[str]) -> list[pd.DataFrame]:
    """All in the order of fold and id.

    Raises:
        DataError: The tables cover different faces or disagree on the labels.
    """
    tables: list[pd.DataFrame] = []
    for table, name in zip(given, names, strict=True):
        numbers = table["fold"].fillna(0) if "fold" in table else 0
        found = table.assign(fold=numbers).sort_values(KEY, ignore_index=True)
        twice = found[found.duplicated(KEY)]
        if len(twice):
            raise DataError(f"{name}: the face {twice['id'].iloc[0]} is there twice")
        if tables:
            _check_same(tables[0], found, (names[0], name))
        tables.append(found)
    return tables


def _check_same(one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str]) -> None:
    sides = one[KEY].merge(other[KEY], how="outer", on=KEY, indicator=True)
    apart = sides[sides["_merge"] != "both"]
    if len(apart):
        fold, face, side = apart.iloc[0]
        holder = names[0] if side == "left_only" else names[1]
        raise DataError(
            f"{names[0]} and {names[1]} are not on the same faces: {len(apart)} are only of one, first "
            f"{face} (fold {fold}), only of {holder}. Compare systems under one protocol"
        )
    for column in (f"{TRUE}{name}" for name in (LABEL, *DIMENSIONS)):
        if column in one and column in other:
            differs = (one[column] != other[column]) & ~(one[column].isna() & other[column].isna())
            for row in np.flatnonzero(differs)[:1]:
                what = f"{column.removeprefix(TRUE)} of {one['id'][row]}"
                raise DataError(
                    f"{names[0]} and {names[1]} disagree on the truth: {what} is {one[column][row]} and "
                    f"{other[column][row]}"
                )


Prepared = tuple[npt.NDArray[Any], list[Floats], list[npt.NDArray[np.bool_]]]
"""Truth, each table's answers, and which of them are missing."""


def _classes(tables: Sequence[pd.DataFrame], metric: str, names: Sequence[str]) -> Prepared:
    """Class indices (N,) and scores (N, C + 1)."""
    for table, name in zip(tables, names, strict=True):
        if not {LABEL, TRUE_LABEL} <= set(table):
            raise DataError(f"{name}: {metric} needs columns {LABEL} and {TRUE_LABEL}")
    classes = _class_names(tables, names)
    truth = _places(tables[0][TRUE_LABEL], classes)
    answers, missing = [], []
    for table, name in zip(tables, names, strict=True):
        columns = score_columns(map(str, table))
        if not columns and CLASS_METRICS[metric].needs_scores:
            raise DataError(f"{name} names classes only: {metric} needs scores; take accuracy or f1")
        silent = table[LABEL].isna().to_numpy(bool)
        if columns:
            scores = table[[columns[c] for c in classes]].to_numpy(np.float64)
        else:
            said = _places(table[LABEL], classes)
            scores = (said[:, None] == np.arange(len(classes))).astype(np.float64)
        answers.append(missing_as_wrong(np.where(silent[:, None], np.nan, scores), truth))
        missing.append(silent)
    return truth, answers, missing


def _places(names: pd.Series[Any], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Class indices, -1 where empty."""
    return pd.Index(classes).get_indexer(pd.Index(names)).astype(np.int64)


def _class_names(tables: Sequence[pd.DataFrame], names: Sequence[str]) -> list[str]:
    scored = [
        (n, list(cols)) for n, t in zip(names, tables, strict=True) if (cols := score_columns(map(str, t)))
    ]
    for name, columns in scored[1:]:
        first, known = scored[0]
        if set(columns) != set(known):
            raise DataError(f"{first} has the classes {', '.join(known)}, {name} has {', '.join(columns)}")
    used = {name for t in tables for c in (LABEL, TRUE_LABEL) for name in t[c].dropna()}
    classes = scored[0][1] if scored else sorted(used)
    if not used <= set(classes):
        unknown = ", ".join(sorted(used - set(classes)))
        raise DataError(f"{' and '.join(names)}: no column of scores for {unknown}")
    return classes


def _values(tables: Sequence[pd.DataFrame], metric: str, names: Sequence[str]) -> Prepared:
    """Annotated and predicted values, shape (N, D)."""
    wanted = DIMENSIONS if metric == "ccc" else (metric.partition("_")[2],)
    for table, name in zip(tables, names, strict=True):
        lacking = {*wanted, *(f"{TRUE}{d}" for d in wanted)} - set(table)
        if lacking:
            raise DataError(f"{name}: {metric} needs columns {', '.join(sorted(lacking))}")
    truth = tables[0][[f"{TRUE}{d}" for d in wanted]].to_numpy(np.float64)
    answers = [table[list(wanted)].to_numpy(np.float64) for table in tables]
    missing = [np.isnan(answer).any(axis=1) for answer in answers]
    return truth, [np.where(m[:, None], 0.0, a) for a, m in zip(answers, missing, strict=True)], missing


def _figure(metric: str) -> Metric:
    """The metric as the bootstrap takes it."""

    def of_classes(scores: Any, truth: Any, counts: Any = None) -> torch.Tensor:
        if metric == "accuracy":  # the areas of all metrics take most of the time
            return accuracy(confusion(scores, truth, counts))
        return class_metrics(scores, truth, counts).averages()[metric]

    def of_values(va: Any, truth: Any, counts: Any = None) -> torch.Tensor:
        name = metric.partition("_")[0]
        each = [regression_metrics(p, t, counts)[name] for p, t in zip(va.T, truth.T, strict=True)]
        return torch.stack(each).mean(dim=0)

    return of_classes if metric in CLASS_METRICS else of_values


def _mean_over_runs(metric: Metric) -> Metric:
    """The same of answers of several runs, shape (N, R, ...)."""

    def mean(answers: Any, truth: Any, counts: Any = None) -> torch.Tensor:
        return torch.stack([metric(answers[:, run], truth, counts) for run in range(answers.shape[1])]).mean(
            0
        )

    return mean


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""From predictions and ground truth to figures: everything that is measured is scored here, nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from affectzoo.datasets.index import FaceIndex
from affectzoo.evaluation.probe import label_order_probe, value_order_probe
from affectzoo.labels import LabelSpace
from affectzoo.metrics.bootstrap import bootstrap
from affectzoo.metrics.classification import accuracy, class_metrics, f1, recalls
from affectzoo.metrics.predictions import ClipRule, Predicted
from affectzoo.metrics.regression import from_sums, terms
from affectzoo.metrics.skew import skew_normalised
from affectzoo.tasks.va import DIMENSIONS

Floats = npt.NDArray[np.float64]
Drawn = Literal["subjects", "clips", "faces"]
ScoreKind = Literal["probabilities", "decisions", "labels"]
GRADED = ("auc", "auc_pr", "f1_top2")
"""Metrics that need more than the predicted class."""
LEVEL, RESAMPLES = 0.95, 1000


@dataclass(frozen=True)
class Answers:
    """What a system says of each face of an index, in its order.

    Attributes:
        scores: Class scores, shape (N, C), a row of NaN where it says nothing; ``None``: it knows no classes.
        va: Values, shape (N, D), a row with NaN where it says nothing; ``None``: it knows no values.
        kind: What the scores are: ``probabilities``, ``decisions`` on any scale, or ``labels``, 1 for the
            class that was named.
        dimensions: What the columns of ``va`` are.
        rule: How the scores of frames become their clip's.
    """

    scores: Floats | None = None
    va: Floats | None = None
    kind: ScoreKind = "probabilities"
    dimensions: tuple[str, ...] = DIMENSIONS
    rule: ClipRule = "probabilities"

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Faces of which the system says all that it can, shape (N,)."""
        return _complete(self.scores, self.va)

    def only(self, faces: npt.NDArray[np.bool_]) -> Answers:
        """The same answers, but none for the other faces."""
        scores, va = (
            None if t is None else np.where(faces[:, None], t, np.nan) for t in (self.scores, self.va)
        )
        return replace(self, scores=scores, va=va)

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Answers:
        """The answers of some of the faces."""
        scores, va = (None if t is None else t[chosen] for t in (self.scores, self.va))
        return replace(self, scores=scores, va=va)


def _complete(*tables: Floats | None) -> npt.NDArray[np.bool_]:
    known = [np.isfinite(table).all(axis=1) for table in tables if table is not None]
    return np.asarray(np.stack(known).all(axis=0))


@dataclass(frozen=True)
class Part:
    """The faces of one test part with a system's answers.

    Attributes:
        index: The faces.
        answers: What a system says of them.
        labels: The protocol's classes, the columns of the scores; ``None`` for a protocol without.
        unit: What one result counts, a face or a clip.
    """

    index: FaceIndex
    answers: Answers
    labels: LabelSpace | None
    unit: Literal["face", "clip"] = "face"


@dataclass(frozen=True)
class Units:
    """What is counted, faces or clips, a row each.

    Attributes:
        truth: Class indices, -1 for none, shape (N,).
        target: Annotated values, NaN for none, shape (N, D).
        scores: As of ``Answers``.
        va: As of ``Answers``.
        groups: The subject or clip of each, which the bootstrap draws; ``None``: it draws the rows.
    """

    truth: npt.NDArray[np.int64]
    target: Floats
    scores: Floats | None
    va: Floats | None
    groups: npt.NDArray[Any] | None

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """As of ``Answers``."""
        return _complete(self.scores, self.va)

    def rows(self, chosen: npt.NDArray[Any]) -> Units:
        """Some of the rows."""
        columns: list[Any] = [None if column is None else column[chosen] for column in self._columns()]
        return Units(*columns)

    def beside(self, others: Sequence[Units]) -> Units:
        """All rows of this and others, one below the other."""
        columns = zip(self._columns(), *(other._columns() for other in others), strict=True)
        joined: list[Any] = [
            None if any(part is None for part in column) else np.concatenate(column) for column in columns
        ]
        return Units(*joined)

    def _columns(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]


def units(part: Part) -> tuple[Units, str]:
    """What a part counts.

    Returns:
        The rows, and what the bootstrap draws: ``subjects``, ``clips`` or ``faces``.
    """
    table, answers = part.index.table, part.answers
    places = {} if part.labels is None else {name: i for i, name in enumerate(part.labels.names)}
    truth = np.array([places.get(name, -1) for name in table["label"]], dtype=np.int64)
    target = table[list(answers.dimensions)].to_numpy(np.float64, na_value=np.nan)
    drawn, groups = groups_of(table)
    faces = Units(truth, target, answers.scores, answers.va, groups)
    if part.unit == "face":
        return faces, drawn
    clips = _clips(faces, table["clip"].to_numpy(str), answers)
    return (clips, drawn) if drawn == "subjects" else (replace(clips, groups=None), "clips")


def groups_of(table: pd.DataFrame) -> tuple[Drawn, npt.NDArray[Any] | None]:
    """What a bootstrap shall draw: subjects, else clips, else faces.

    Args:
        table: With columns ``subject`` and ``clip``, such as an index table or one of predictions.

    Returns:
        What it is, and each face's subject or clip; ``None`` for faces. Subjects count where every face has
        one and there are several, and so do clips.
    """
    kinds: tuple[tuple[Drawn, str], ...] = (("subjects", "subject"), ("clips", "clip"))
    for units, column in kinds:
        if column in table and table[column].notna().all() and table[column].nunique() > 1:
            return units, table[column].to_numpy(object)
    return "faces", None


def _clips(faces: Units, names: npt.NDArray[np.str_], answers: Answers) -> Units:
    """A row per clip, its answered frames joined by ``Predicted.by_clip``."""
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    shares = answers.kind != "decisions"
    rule: ClipRule = answers.rule if shares else "logits"
    every = len(names)
    with np.errstate(divide="ignore"):
        logits = None if faces.scores is None else np.log(faces.scores) if shares else faces.scores
    columns = [np.arange(every), number, faces.truth, faces.target]
    columns += [np.zeros((every, 0)) if table is None else table for table in (logits, faces.va)]
    frames = Predicted(*map(torch.as_tensor, columns))
    truth = frames.by_clip(rule)
    told = Predicted(*(column[torch.as_tensor(faces.answered)] for column in frames)).by_clip(rule)
    if shares:
        told = told._replace(expression=told.expression.softmax(dim=1))

    def spread(values: torch.Tensor) -> Floats:
        whole = np.full((len(first), values.shape[1]), np.nan)
        whole[told.row.numpy()] = values.numpy()
        return whole

    return Units(
        truth.label.numpy(),
        truth.target.numpy(),
        None if faces.scores is None else spread(told.expression),
        None if faces.va is None else spread(told.va),
        None if faces.groups is None else faces.groups[first],
    )


def score(parts: Sequence[Part]) -> dict[str, Any]:
    """All figures of a system under a protocol.

    Args:
        parts: Its test parts, one per fold, or one.

    Returns:
        ``metrics``, ``metrics_all`` where some faces have no answer, ``normalised``, ``per_class``,
        ``confusion``, ``probes``, ``interval`` and ``folds`` (each fold's metrics). On folds a metric is the
        mean over folds with its standard deviation, else it has a bootstrap interval. Counts by class,
        normalised figures and probes are of all folds' faces together.
    """
    first = parts[0]
    counted = [units(part) for part in parts]
    every = [rows for rows, _ in counted]
    answered = [rows.rows(rows.answered) for rows in every]
    result: dict[str, Any] = {"folds": [], "interval": None}
    if len(parts) == 1:
        result["metrics"] = _intervals(answered[0], first)
        result["interval"] = {"level": LEVEL, "resamples": RESAMPLES, "units": counted[0][1]}
    else:
        result["folds"] = [_figures(rows, first) for rows in answered]
        result["metrics"] = _over_folds(result["folds"])
    if not all(rows.answered.all() for rows in every):
        told = [_figures_of_all(rows, first) for rows in every]
        result["metrics_all"] = (
            _over_folds(told) if len(told) > 1 else {n: {"value": v} for n, v in told[0].items()}
        )
    joined = answered[0].beside(answered[1:])
    probes: list[dict[str, Any]] = []
    if first.labels is not None and joined.scores is not None and (joined.truth >= 0).any():
        result |= _by_class(joined, first.labels, first.answers.kind)
        probes += label_order_probe(np.array(result["confusion"]), first.labels.names)
    if joined.va is not None and first.answers.dimensions == DIMENSIONS:
        probes += value_order_probe(joined.va, joined.target)
    return result | {"probes": probes}


def clip_figures(part: Part) -> dict[str, Any] | None:
    """Figures over the clips of a part whose faces are counted.

    Returns:
        ``clips``, their number, ``rule``, how frames make a clip's class, and ``metrics``; ``None`` where no
        face belongs to a clip.
    """
    inside = part.index.table["clip"].notna().to_numpy(bool)
    if not inside.any():
        return None
    frames = Part(part.index.rows(inside), part.answers.rows(inside), part.labels, "clip")
    rows, _ = units(frames)
    figures = _figures(rows.rows(rows.answered), frames)
    rule = None if part.labels is None else part.answers.rule
    metrics = {name: {"value": value} for name, value in figures.items()}
    return {"clips": len(rows.truth), "rule": rule, "metrics": metrics}


Figures = dict[str, torch.Tensor]


def _class_figures(part: Part) -> Callable[..., Figures]:
    def figures(scores: Any, truth: Any, counts: Any = None) -> Figures:
        return _told(class_metrics(scores, truth, counts).averages(), part.answers.kind)

    return figures


def _told(values: Mapping[str, Any], kind: ScoreKind) -> dict[str, Any]:
    """What a system's answers are enough for."""
    return {name: value for name, value in values.items() if kind != "labels" or name not in GRADED}


def _value_figures(part: Part) -> Callable[..., Figures]:
    names, scale = part.answers.dimensions, part.index.scale

    def figures(va: Any, target: Any, counts: Any = None) -> Figures:
        each = terms(torch.as_tensor(va), torch.as_tensor(target))
        weights = torch.ones(each.shape[1], 1) if counts is None else torch.as_tensor(counts)
        values = from_sums(torch.einsum("snd,nt->std", each, weights.double()))
        found = {f"{metric}_{name}": v[:, i] for metric, v in values.items() for i, name in enumerate(names)}
        if scale != 1:
            errors = {f"rmse_{name}": scale for name in names} | {f"mse_{name}": scale**2 for name in names}
            found |= {f"own_scale_{name}": found[name] * factor for name, factor in errors.items()}
        if names == DIMENSIONS:
            found = {"ccc": values["ccc"].mean(dim=-1)} | found
        return found if counts is not None else {name: value[0] for name, value in found.items()}

    return figures


def _computable(rows: Units, part: Part) -> list[tuple[Callable[..., Figures], Floats, Any, Any]]:
    """Metrics with predictions, truth and groups of the rows that have a truth."""
    found: list[tuple[Callable[..., Figures], Floats, Any, Any]] = []
    labelled = rows.rows(rows.truth >= 0)
    annotated = rows.rows(np.asarray(np.isfinite(rows.target).any(axis=1)))
    if labelled.scores is not None and len(labelled.truth):
        found.append((_class_figures(part), labelled.scores, labelled.truth, labelled.groups))
    if annotated.va is not None and len(annotated.truth):
        found.append((_value_figures(part), annotated.va, annotated.target, annotated.groups))
    return found


def _figures(rows: Units, part: Part) -> dict[str, float]:
    return {
        name: float(value)
        for metric, predicted, truth, _ in _computable(rows, part)
        for name, value in metric(predicted, truth).items()
    }


def _intervals(rows: Units, part: Part) -> dict[str, dict[str, float]]:
    found = {}
    for metric, predicted, truth, groups in _computable(rows, part):
        names = list(metric(predicted, truth))

        def together(p: Any, t: Any, counts: Any = None, metric: Any = metric) -> torch.Tensor:
            return torch.stack([*metric(p, t, counts).values()], dim=-1)

        interval = bootstrap(together, predicted, truth, groups, resamples=RESAMPLES, level=LEVEL)
        for i, name in enumerate(names):
            ends = (interval.value[i], interval.low[i], interval.high[i])
            found[name] = dict(zip(("value", "low", "high"), map(float, ends), strict=True))
    return found


def _over_folds(folds: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for fold in folds for name in fold)
    table = {name: np.array([fold.get(name, np.nan) for fold in folds]) for name in names}
    return {
        n: {"value": float(values.mean()), "sd": float(values.std(ddof=1))} for n, values in table.items()
    }


def _figures_of_all(rows: Units, part: Part) -> dict[str, float]:
    """Without an answer a class is wrong, and values are 0, 0."""
    found: dict[str, float] = {}
    known = rows.truth >= 0
    if rows.scores is not None and known.any():
        none = rows.scores.shape[1]
        predicted = np.where(rows.answered, np.nan_to_num(rows.scores).argmax(axis=1), none)
        counts = np.zeros((none + 1, none + 1))
        np.add.at(counts, (rows.truth[known], predicted[known]), 1)
        confusion = torch.as_tensor(counts)
        means = (accuracy(confusion), recalls(confusion).nanmean(), f1(confusion).nanmean())
        found |= dict(zip(("accuracy", "mean_diagonal", "f1"), map(float, means), strict=True))
    if rows.va is not None:
        found |= _figures(replace(rows, scores=None, va=np.where(rows.answered[:, None], rows.va, 0.0)), part)
    return found


def _by_class(rows: Units, labels: LabelSpace, kind: ScoreKind) -> dict[str, Any]:
    found = class_metrics(rows.scores, rows.truth)  # type: ignore[arg-type]
    even = skew_normalised(rows.scores, rows.truth).metrics  # type: ignore[arg-type]
    right, predicted = found.confusion.diagonal(), found.confusion.sum(dim=0)
    columns = {
        "support": found.confusion.sum(dim=1),
        "recall": found.recall,
        "precision": torch.where(predicted > 0, right / predicted, torch.nan),
        "f1": found.f1,
        "auc": found.auc,
        "auc_pr": found.auc_pr,
    }
    by_column = {name: values.tolist() for name, values in _told(columns, kind).items()}
    return {
        "confusion": found.confusion.long().tolist(),
        "per_class": {
            name: {column: values[i] for column, values in by_column.items()}
            for i, name in enumerate(labels.names)
        },
        "normalised": {n: {"value": float(v)} for n, v in _told(even.averages(), kind).items()},
    }

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
from affectzoo.evaluation.predictions import (
    Answers,
    Floats,
    ScoreKind,
    beside,
    complete,
    errors_of,
    predictions_table,
    scores_of,
    values_of,
)
from affectzoo.evaluation.probe import label_order_probe, value_order_probe
from affectzoo.labels import LabelSpace
from affectzoo.metrics.bootstrap import bootstrap
from affectzoo.metrics.classification import accuracy, class_metrics, f1, recalls, weighted
from affectzoo.metrics.columns import ERROR, LABEL, TRUE
from affectzoo.metrics.names import CLASS_METRICS, DIMENSIONS
from affectzoo.metrics.predictions import Predicted
from affectzoo.metrics.regression import from_sums, terms
from affectzoo.metrics.selective import Selective, selective
from affectzoo.metrics.skew import skew_normalised
from affectzoo.sample import ClipRule

Drawn = Literal["subjects", "clips", "faces"]
LEVEL, RESAMPLES = 0.95, 1000
PLAIN = ("accuracy", "mean_diagonal", "ccc", "ccc_valence", "ccc_arousal")
"""The figures of ``plain_score``."""


@dataclass(frozen=True)
class Part:
    """A system's predictions of the faces of one test part.

    Attributes:
        table: Predictions beside the ground truth, see ``predictions_table``.
        classes: The protocol's, in order; ``None`` for a protocol without.
        unit: What one result counts, a face or a clip.
        rule: How the scores of frames become their clip's.
        scale: Of the data set's own valence and arousal, see ``FaceIndex``.
    """

    table: pd.DataFrame
    classes: Sequence[str] | None
    unit: Literal["face", "clip"] = "face"
    rule: ClipRule = "probabilities"
    scale: float = 1.0

    @classmethod
    def of(
        cls,
        index: FaceIndex,
        answers: Answers,
        labels: LabelSpace | None,
        unit: Literal["face", "clip"] = "face",
        fold: int | None = None,
    ) -> Part:
        """Put a system's answers beside the faces of an index."""
        classes = None if labels is None else labels.names
        table = predictions_table(index, answers, classes, fold)
        return cls(table, classes, unit, answers.rule, index.scale)

    @property
    def kind(self) -> ScoreKind:
        """What the scores are."""
        return scores_of(self.table, self.classes or ())[1]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names of the values."""
        return values_of(self.table)[1]

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Faces of which the system says all that it can, shape (N,)."""
        tables = scores_of(self.table, self.classes or ())[0], values_of(self.table)[0], errors_of(self.table)
        return complete(*tables)

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Part:
        """Some of the faces."""
        return replace(self, table=self.table[chosen].reset_index(drop=True))


@dataclass(frozen=True)
class Units:
    """What is counted, faces or clips, a row each.

    Attributes:
        truth: Class indices, -1 for none, shape (N,).
        target: Annotated values, NaN for none, shape (N, D).
        scores: See ``Answers``.
        va: See ``Answers``.
        errors: See ``Answers``.
        groups: The subject or clip of each, which the bootstrap draws; ``None``: it draws the rows.
    """

    truth: npt.NDArray[np.int64]
    target: Floats
    scores: Floats | None
    va: Floats | None
    errors: Floats | None
    groups: npt.NDArray[Any] | None

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Rows of which the system says all that it can, shape (N,)."""
        return complete(self.scores, self.va, self.errors)

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
    table, classes = part.table, part.classes or ()
    scores, _ = scores_of(table, classes)
    va, dimensions = values_of(table)
    count = len(table)
    truth = (
        np.full(count, -1)
        if scores is None
        else pd.Index(classes).get_indexer(pd.Index(table[f"{TRUE}{LABEL}"]))
    )
    columns = [f"{TRUE}{name}" for name in dimensions]
    target = table[columns].to_numpy(np.float64, na_value=np.nan) if columns else np.zeros((count, 0))
    drawn, groups = groups_of(table)
    faces = Units(truth.astype(np.int64), target, scores, va, errors_of(table), groups)
    if part.unit == "face":
        return faces, drawn
    clips = _clips(faces, table["clip"].to_numpy(str), part)
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


def _clips(faces: Units, names: npt.NDArray[np.str_], part: Part) -> Units:
    """A row per clip, its answered frames joined by ``Predicted.by_clip``."""
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    shares = part.kind != "decisions"
    rule: ClipRule = part.rule if shares else "logits"
    every = len(names)
    with np.errstate(divide="ignore"):
        logits = None if faces.scores is None else np.log(faces.scores) if shares else faces.scores
    columns = [np.arange(every), number, faces.truth, faces.target]
    columns += [np.zeros((every, 0)) if table is None else table for table in (logits, faces.va, None, None)]
    frames = Predicted(*map(torch.tensor, columns))  # copies: pandas' arrays are read-only
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
        None,
        None if faces.groups is None else faces.groups[first],
    )


def score(parts: Sequence[Part]) -> dict[str, Any]:
    """All figures of a system under a protocol.

    Args:
        parts: Its test parts, one per fold, or one.

    Returns:
        ``metrics``, ``metrics_all`` where some faces have no answer, ``normalised``, ``per_class``,
        ``per_threshold`` of probabilities (see ``selective``), ``confusion``, ``probes``, ``interval`` and
        ``folds`` (each fold's metrics). On folds a metric is the mean over folds with its standard deviation,
        else it has a bootstrap interval. Counts by class, normalized figures, thresholds and probes are of
        all folds' faces together.
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
        result["metrics"] = over_folds(result["folds"])
    if not all(rows.answered.all() for rows in every):
        told = [_figures_of_all(rows, first) for rows in every]
        result["metrics_all"] = (
            over_folds(told) if len(told) > 1 else {n: {"value": v} for n, v in told[0].items()}
        )
    joined = answered[0].beside(answered[1:])
    probes: list[dict[str, Any]] = []
    if first.classes is not None and joined.scores is not None and (joined.truth >= 0).any():
        result |= _by_class(joined, first.classes, first.kind)
        probes += label_order_probe(np.array(result["confusion"]), first.classes)
    if joined.va is not None and first.dimensions == DIMENSIONS:
        probes += value_order_probe(joined.va, joined.target)
    return result | {"probes": probes}


def plain_score(parts: Sequence[Part]) -> dict[str, float]:
    """The main figures of a system by name, means over folds; faces without an answer count as wrong.

    Args:
        parts: See ``score``.
    """
    told = [_figures_of_all(units(part)[0], parts[0]) for part in parts]
    known = [name for name in PLAIN if any(name in one for one in told)]
    return {name: float(np.mean([one.get(name, np.nan) for one in told])) for name in known}


def clip_table(part: Part, fold: int | None = None) -> pd.DataFrame:
    """Put a part's predictions of clips beside the ground truth, a row per clip."""
    rows, _ = units(part)
    clips, first = np.unique(part.table["clip"].to_numpy(str), return_index=True)
    data = part.table["id"].to_numpy(str)[first]
    classes = np.array([*(part.classes or ()), None], dtype=object)
    truth = {LABEL: classes[rows.truth], **dict(zip(part.dimensions, rows.target.T, strict=True))}
    names = [f"{one.partition('/')[0]}/{clip}" for one, clip in zip(data, clips, strict=True)]
    where = {"id": names, "fold": fold, "subject": rows.groups}
    return beside(where, truth, rows.scores, rows.va, part.kind, part.dimensions, part.classes or ())


def clip_figures(part: Part) -> dict[str, Any] | None:
    """Figures over the clips of a part whose faces are counted.

    Returns:
        ``clips``, their number, ``rule``, how frames make a clip's class, and ``metrics``; ``None`` where no
        face belongs to a clip, or for landmarks, which a clip as a whole does not have.
    """
    inside = part.table["clip"].notna().to_numpy(bool)
    if not inside.any() or ERROR in part.table:
        return None
    frames = replace(part.rows(inside), unit="clip")
    rows, _ = units(frames)
    figures = _figures(rows.rows(rows.answered), frames)
    rule = None if part.classes is None else part.rule
    metrics = {name: {"value": value} for name, value in figures.items()}
    return {"clips": len(rows.truth), "rule": rule, "metrics": metrics}


Figures = dict[str, torch.Tensor]


def _class_figures(part: Part) -> Callable[..., Figures]:
    kind = part.kind

    def figures(scores: Any, truth: Any, counts: Any = None) -> Figures:
        return _told(class_metrics(scores, truth, counts).averages(), kind)

    return figures


def _told(values: Mapping[str, Any], kind: ScoreKind) -> dict[str, Any]:
    """What a system's answers are enough for."""
    graded = {name for name, metric in CLASS_METRICS.items() if metric.needs_scores}
    return {name: value for name, value in values.items() if kind != "labels" or name not in graded}


def _value_figures(part: Part) -> Callable[..., Figures]:
    names, scale = part.dimensions, part.scale

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


def _error_figures(errors: Any, truth: Any, counts: Any = None) -> Figures:
    weights = torch.ones(len(errors), 1) if counts is None else torch.as_tensor(counts)
    mean = (torch.as_tensor(errors[:, 0]) @ weights.double()) / weights.double().sum(dim=0)
    return {ERROR: mean if counts is not None else mean[0]}


def _computable(rows: Units, part: Part) -> list[tuple[Callable[..., Figures], Floats, Any, Any]]:
    """Metrics with predictions, truth and groups of the rows that have a truth."""
    found: list[tuple[Callable[..., Figures], Floats, Any, Any]] = []
    labelled = rows.rows(rows.truth >= 0)
    annotated = rows.rows(np.asarray(np.isfinite(rows.target).any(axis=1)))
    if labelled.scores is not None and len(labelled.truth):
        found.append((_class_figures(part), labelled.scores, labelled.truth, labelled.groups))
    if annotated.va is not None and len(annotated.truth):
        found.append((_value_figures(part), annotated.va, annotated.target, annotated.groups))
    if rows.errors is not None and len(rows.errors):
        known = rows.answered
        groups = None if rows.groups is None else rows.groups[known]
        found.append((_error_figures, rows.errors[known], rows.target[known], groups))
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


def over_folds(folds: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of each figure over folds; NaN where a fold lacks it."""
    names = dict.fromkeys(name for fold in folds for name in fold)
    table = {n: np.array([fold.get(n, np.nan) for fold in folds], dtype=np.float64) for n in names}
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
        by_class = f1(confusion)
        found |= {
            "accuracy": float(accuracy(confusion)),
            "mean_diagonal": float(recalls(confusion).nanmean()),
            "f1": float(by_class.nanmean()),
            "weighted_f1": float(weighted(by_class, confusion)),
        }
    if rows.va is not None:
        found |= _figures(replace(rows, scores=None, va=np.where(rows.answered[:, None], rows.va, 0.0)), part)
    return found


def _by_class(rows: Units, classes: Sequence[str], kind: ScoreKind) -> dict[str, Any]:
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
    sure = selective(rows.scores, rows.truth) if kind == "probabilities" else []  # type: ignore[arg-type]
    return {
        **({"per_threshold": _by_threshold(sure)} if sure else {}),
        "confusion": found.confusion.long().tolist(),
        "per_class": {
            name: {column: values[i] for column, values in by_column.items()}
            for i, name in enumerate(classes)
        },
        "normalised": {n: {"value": float(v)} for n, v in _told(even.averages(), kind).items()},
    }


def _by_threshold(rows: Sequence[Selective]) -> dict[str, dict[str, float]]:
    return {f"{row.threshold:.2f}": {"answered": row.answered, "accuracy": row.accuracy} for row in rows}

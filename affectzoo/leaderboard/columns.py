"""Columns that several tables of the leaderboard share, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from affectzoo.leaderboard.groups import METRICS, ON_TEST, Entry, Figures, Record, at, family, title
from affectzoo.leaderboard.tables import Cell, Column, text

SYSTEM = Column("system", "name given on the command line; several runs of one recipe share a row")
KIND = Column(
    "kind",
    "zoo: a model; features: a classifier on a model's features; classical: a classifier on computed "
    "features; external: another system's outputs",
)
TRAINED = Column("trained on", "data that the system has learnt from")
EPOCH = Column("epoch", "how the epoch was chosen")
NOTES = Column("notes", "read them before the figures of the row")


def metric_column(metric: str, on_test: bool = False) -> Column:
    """The column of a metric.

    Args:
        metric: Its name.
        on_test: Whether the column is that of systems whose epoch the test part chose.
    """
    if on_test:
        return Column(f"{title(metric)}, {ON_TEST}")
    scale = "; in the data set's own units" if metric.startswith("own_scale_") else ""
    explanation = METRICS.get(family(metric), "")
    return Column(title(metric), explanation + scale if explanation else "")


def metric_columns(metrics: Iterable[str]) -> list[Column]:
    """The columns of metrics, then those of the same metrics where the test part chose the epoch."""
    return [metric_column(metric, on_test) for on_test in (False, True) for metric in metrics]


def metric_cells(entry: Entry, figures: Figures, metrics: Iterable[str]) -> dict[Column, Cell]:
    """An entry's figures under the columns of its metrics.

    Args:
        entry: Which.
        figures: Its own, such as ``entry.metrics``.
        metrics: Those to show.
    """
    return {metric_column(metric, entry.on_test): figures.get(metric) for metric in metrics}


def common(values: Iterable[Any]) -> Cell:
    """The one value that all have, else the different ones as text."""
    different = list(dict.fromkeys(value for value in values if value is not None))
    if len(different) < 2:
        return different[0] if different else None
    return ", ".join(text(value) for value in different)


def trained_on(record: Record) -> str | None:
    """The data of the model and, for features, of the classifier: the protocol's training part."""
    own = at(record, "model", "training", "data")
    fitted = at(record, "protocol", "data", "train")
    if record["kind"] == "classical":
        return str(fitted) if fitted else None
    if record["kind"] == "features":
        return f"{own or 'unknown'}; classifier: {fitted}"
    return None if own is None else str(own)

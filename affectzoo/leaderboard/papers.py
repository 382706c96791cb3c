"""What papers report, to stand beside a benchmark's own figures.

The figures lie in ``assets/published.yaml``, as printed, with their tables. ``published`` gives the rows that
the zoo's metrics measure, ``facts`` the few figures beyond. A row is comparable where faces and rules are the
protocol's as far as the paper says; else it says why not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from affectzoo.evaluation.protocols import find_protocol

FILE = Path(__file__).parents[1] / "assets" / "published.yaml"

Chosen = Literal["test", "valid", "last", "not said", "none"]
"""How an epoch was chosen: best on the test part, by a validation part, the last one of a schedule fixed
beforehand, not said, or there are no epochs (a classifier fitted at once, people)."""

Kind = Literal["network", "features+svm", "features+lda", "hand-crafted", "human", "several", "not said"]
"""What a system is; ``several``: each figure is that of another system."""


@dataclass(frozen=True)
class PublishedRow:
    """What a paper reports of one system on the faces of one protocol, or faces near to these.

    Attributes:
        source: Who reports it, and where.
        table: The paper's table or tables.
        protocol: The nearest of the zoo's protocols; ``None`` where none is near.
        comparable: Whether faces and rules are the protocol's, as far as the paper says.
        why_not: Where they are not: in what they differ. Empty where they do not.
        system: What was measured, as a reader would call it.
        kind: What it is.
        metrics: By the names of ``affectzoo.metrics.names``; shares, not percentages.
        normalised: The same, skew-normalised.
        epoch: How the epoch was chosen, as far as the paper says.
        note: What else a reader should know. May be empty, like the following.
        epoch_note: Evidence for ``epoch``.
        also: Further protocols beside which it is of use, though not comparable.
        per_class: Recall and other figures of classes, each by class.
        normalised_per_class: The same, skew-normalised.
        confusion: By true class, the shares predicted as each class, in the order of the keys. Its diagonal
            is the recall in ``per_class``.
    """

    source: str
    table: str
    protocol: str | None
    comparable: bool
    why_not: str
    system: str
    kind: Kind
    metrics: Mapping[str, float]
    normalised: Mapping[str, float]
    epoch: Chosen
    note: str = ""
    epoch_note: str = ""
    also: tuple[str, ...] = ()
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    normalised_per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusion: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def protocols(self) -> tuple[str, ...]:
        """All protocols beside which it is of use."""
        return (() if self.protocol is None else (self.protocol,)) + self.also


@dataclass(frozen=True)
class PublishedFact:
    """A figure that no metric of the zoo measures.

    Attributes:
        source: Who reports it, and where.
        table: The paper's table or section.
        protocol: The nearest of the zoo's protocols; ``None`` where none is near.
        system: What was measured.
        what: What the figure is.
        value: The figure as printed.
        unit: Its unit, empty for none.
        note: What else a reader should know.
    """

    source: str
    table: str
    protocol: str | None
    system: str
    what: str
    value: float
    unit: str = ""
    note: str = ""


def published(protocol: str | None = None) -> tuple[PublishedRow, ...]:
    """Published rows, in the order of the file.

    Args:
        protocol: Only those of this protocol, or of use beside it; by default all.

    Raises:
        UnknownNameError: There is no such protocol.
    """
    rows = _bundled()[0]
    if protocol is None:
        return rows
    find_protocol(protocol)
    return tuple(row for row in rows if protocol in row.protocols)


def facts() -> tuple[PublishedFact, ...]:
    """The published figures that no metric of the zoo measures, in the order of the file."""
    return _bundled()[1]


@cache
def _bundled() -> tuple[tuple[PublishedRow, ...], tuple[PublishedFact, ...]]:
    """All that the file holds; the tests check it."""
    document = yaml.load(FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # figures as printed
    sources = document["sources"]
    rows = [
        _row(**{**table, **row, "source": sources[table["source"]]})
        for table in document["tables"]
        for row in table.pop("rows")
    ]
    told = [
        {**fact, "source": sources[fact["source"]], "value": float(fact["value"])}
        for fact in document["other"]
    ]
    return tuple(rows), tuple(PublishedFact(**{"protocol": None, **fact}) for fact in told)


def _row(
    *,
    comparable: str,
    also: Any = (),
    printed: str = "",
    metrics: Any,
    normalised: Any = None,
    per_class: Any = None,
    normalised_per_class: Any = None,
    confusion: Any = None,
    **texts: Any,
) -> PublishedRow:
    """Make a row of the file's fields; a confusion matrix gives the recalls."""

    def shares(told: Any, percent: bool = printed == "percent") -> Any:
        if isinstance(told, dict):
            return {name: shares(value, percent) for name, value in told.items()}
        return float(Decimal(told).scaleb(-2 if percent else 0))

    matrix = {name: tuple(shares(value, True) for value in row) for name, row in (confusion or {}).items()}
    recalls = {"recall": {name: row[i] for i, (name, row) in enumerate(matrix.items())}} if matrix else {}
    return PublishedRow(
        **{"protocol": None, "why_not": "", **texts},
        comparable=comparable == "true",
        also=tuple(also),
        metrics=shares(metrics),
        normalised=shares(normalised or {}),
        per_class=shares(per_class or {}) | recalls,
        normalised_per_class=shares(normalised_per_class or {}),
        confusion=matrix,
    )

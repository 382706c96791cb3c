"""What papers report, to stand beside a benchmark's own figures.

The figures lie in ``assets/published.yaml``, as printed, with their tables. ``published`` gives the rows that
the zoo's metrics measure, ``facts`` the few figures beyond. A row is comparable where faces and rules are the
protocol's as far as the paper says; else it says why not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import yaml

from affectzoo.errors import DataError
from affectzoo.evaluation.protocols import PROTOCOLS, find_protocol
from affectzoo.labels import NOT_A_CLASS, SPACES
from affectzoo.metrics import names
from affectzoo.metrics.names import ORDER, OWN_SCALE, family

FILE = Path(__file__).parents[1] / "assets" / "published.yaml"

Chosen = Literal["test", "valid", "last", "not said", "none"]
"""How an epoch was chosen: best on the test part, by a validation part, the last one of a schedule fixed
beforehand, not said, or there are no epochs (a classifier fitted at once, people)."""

Kind = Literal["network", "features+svm", "features+lda", "hand-crafted", "human", "several", "not said"]
"""What a system is; ``several``: each figure is that of another system."""

Range = tuple[float, float]

_WIDEST = {"rmse": 10.0, "mse": 100.0}  # -10..10 is the widest scale of the zoo's data sets


def _range(name: str) -> Range:
    known = names.METRICS[family(name)]
    return known.low, known.high * (_WIDEST[family(name)] if name.startswith(OWN_SCALE) else 1.0)


METRICS: Mapping[str, Range] = MappingProxyType({name: _range(name) for name in ORDER})
"""The zoo's metrics by name, each with its least and greatest value; values are in [-1, 1] but for
``own_scale_``."""

PER_CLASS: Mapping[str, Range] = MappingProxyType(
    {
        "recall": (0.0, 1.0),
        "precision": (0.0, 1.0),
        **{name: METRICS[name] for name in ("f1", "f1_top2", "kappa", "alpha", "auc", "auc_pr")},
    }
)
"""The metrics of one class, likewise."""

CLASSES = NOT_A_CLASS.union(*(space.names for space in SPACES.values()))
"""The zoo's classes, and what annotators answer instead."""


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
        metrics: By the names of ``METRICS``; shares, not percentages.
        normalised: The same, skew-normalised.
        epoch: How the epoch was chosen, as far as the paper says.
        note: What else a reader should know. May be empty, like the following.
        epoch_note: Evidence for ``epoch``.
        also: Further protocols beside which it is of use, though not comparable.
        per_class: By the names of ``PER_CLASS``, each by class.
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


class Figures(NamedTuple):
    """All that the file holds."""

    rows: tuple[PublishedRow, ...]
    facts: tuple[PublishedFact, ...]


def published(protocol: str | None = None) -> tuple[PublishedRow, ...]:
    """Published rows, in the order of the file.

    Args:
        protocol: Only those of this protocol, or of use beside it; by default all.

    Raises:
        UnknownNameError: There is no such protocol.
    """
    rows = _bundled().rows
    if protocol is None:
        return rows
    find_protocol(protocol)
    return tuple(row for row in rows if protocol in row.protocols)


def facts() -> tuple[PublishedFact, ...]:
    """The published figures that no metric of the zoo measures, in the order of the file."""
    return _bundled().facts


@cache
def _bundled() -> Figures:
    return parse(FILE.read_text(encoding="utf-8"), FILE.name)


def parse(text: str, name: str) -> Figures:
    """Read and check such a file.

    Args:
        text: YAML.
        name: What to call it in messages.

    Raises:
        DataError: A name, a figure or a combination that cannot be right; says in which row.
    """
    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)  # all is text, so that figures stay as printed
    except yaml.YAMLError as error:
        raise DataError(f"{name}: this is no YAML: {error}") from None
    top = _Entry(document, name)
    top.expect({"sources", "tables"}, {"other"})
    sources = top.mapping("sources").fields
    rows = []
    for number, table in enumerate(top.entries("tables"), start=1):
        shared = _Entry(table, f"{name}: table {number}")
        if "rows" not in shared.fields:
            raise shared.error("`rows` is missing")
        for row in shared.entries("rows"):
            own = _Entry(row, f"{shared.where}: a row").fields
            fields = {key: value for key, value in shared.fields.items() if key != "rows"} | own
            rows.append(_row(_Entry(fields, name), sources))
    times = Counter((row.source, row.protocol, row.system) for row in rows)
    for (source, protocol, system), count in times.items():
        if count > 1:
            raise DataError(f"{name}: {source}: '{system}' is there {count} times for protocol {protocol}")
    return Figures(tuple(rows), tuple(_fact(_Entry(fact, name), sources) for fact in top.entries("other")))


class _Entry:
    """A mapping of the file, whose readers raise errors that say where."""

    def __init__(self, fields: Any, where: str) -> None:
        if not isinstance(fields, dict):
            raise DataError(f"{where}: expected fields with values, not {fields!r}")
        names = (fields.get(key) for key in ("source", "table", "system"))
        told = ", ".join(name for name in names if isinstance(name, str))
        self.fields: dict[str, Any] = fields
        self.where = f"{where}: {told}" if told else where

    def error(self, message: str) -> DataError:
        return DataError(f"{self.where}: {message}")

    def expect(self, required: Set[str], optional: Set[str]) -> None:
        for key in sorted(required - self.fields.keys()):
            raise self.error(f"`{key}` is missing")
        for key in sorted(self.fields.keys() - required - optional):
            raise self.error(f"unknown field `{key}`; known: {', '.join(sorted(required | optional))}")

    def text(self, key: str) -> str:
        value = self.fields.get(key, "")
        if not isinstance(value, str):
            raise self.error(f"`{key}` is {value!r}; expected text")
        return value

    def one_of(self, key: str, known: Collection[str]) -> Any:
        return self.known(key, self.text(key), known)

    def known(self, what: str, name: Any, known: Collection[str]) -> Any:
        if name not in known:
            raise self.error(f"unknown {what} '{name}'; known: {', '.join(sorted(known))}")
        return name

    def mapping(self, key: str) -> _Entry:
        return _Entry(self.fields.get(key, {}), f"{self.where}: {key}")

    def entries(self, key: str) -> list[Any]:
        value = self.fields.get(key, [])
        if not isinstance(value, list):
            raise self.error(f"`{key}` is {value!r}; expected a list")
        return value

    def number(self, what: str, printed: Any, percent: bool = False) -> float:
        try:
            return float(Decimal(printed).scaleb(-2 if percent else 0))
        except (ArithmeticError, TypeError, ValueError):
            raise self.error(f"{what} is {printed!r}; expected a number") from None

    def numbers(self, ranges: Mapping[str, Range], percent: bool) -> Mapping[str, float]:
        """All fields, each within the range that its name has."""
        found = {}
        for name, printed in self.fields.items():
            low, high = ranges[self.known("name", name, ranges)]
            found[name] = self.number(name, printed, percent)
            if not low <= found[name] <= high:
                hint = "" if percent else " (percentages need `printed: percent`)"
                raise self.error(f"{name} is {printed}; expected {low:g} to {high:g}{hint}")
        return MappingProxyType(found)

    def by_class(self, percent: bool) -> dict[str, Mapping[str, float]]:
        """All fields, each a metric of classes."""
        return {
            name: self.mapping(name).numbers(
                dict.fromkeys(CLASSES, PER_CLASS[self.known("name", name, PER_CLASS)]), percent
            )
            for name in self.fields
        }

    def confusion(self) -> dict[str, tuple[float, ...]]:
        """All fields, each a true class, as shares of it."""
        found = {}
        for name in self.fields:
            printed = self.entries(self.known("class", name, CLASSES))
            found[name] = tuple(self.number(name, value, percent=True) for value in printed)
            if len(printed) != len(self.fields) or not 0.99 <= sum(found[name]) <= 1.01:
                raise self.error(f"{name} has {printed}; expected {len(self.fields)} shares, 100 % together")
        return found


def _row(entry: _Entry, sources: Mapping[str, str]) -> PublishedRow:
    entry.expect(
        {"source", "table", "system", "comparable", "kind", "epoch", "metrics"},
        {"protocol", "also", "why_not", "epoch_note", "note", "printed", "normalised"}
        | {"per_class", "normalised_per_class", "confusion"},
    )
    comparable = entry.one_of("comparable", {"true", "false"}) == "true"
    if comparable == bool(entry.text("why_not")):
        raise entry.error("a comparable row has no `why_not`, any other row has one")
    also = tuple(entry.known("protocol", name, PROTOCOLS) for name in entry.entries("also"))
    protocol = _protocol(entry)
    if comparable and (also or protocol is None):
        raise entry.error("a comparable row has one `protocol` and no `also`")
    percent = "printed" in entry.fields and entry.one_of("printed", {"percent"}) == "percent"
    per_class = entry.mapping("per_class").by_class(percent)
    confusion = entry.mapping("confusion").confusion()
    if confusion:
        if "recall" in per_class:
            raise entry.error("recalls are there twice: the diagonal of `confusion` gives them")
        diagonal = {name: shares[i] for i, (name, shares) in enumerate(confusion.items())}
        per_class["recall"] = MappingProxyType(diagonal)
    return PublishedRow(
        source=sources[entry.one_of("source", sources)],
        table=entry.text("table"),
        protocol=protocol,
        comparable=comparable,
        why_not=entry.text("why_not"),
        system=entry.text("system"),
        kind=entry.one_of("kind", get_args(Kind)),
        metrics=entry.mapping("metrics").numbers(METRICS, percent),
        normalised=entry.mapping("normalised").numbers(METRICS, percent),
        epoch=entry.one_of("epoch", get_args(Chosen)),
        note=entry.text("note"),
        epoch_note=entry.text("epoch_note"),
        also=also,
        per_class=MappingProxyType(per_class),
        normalised_per_class=MappingProxyType(entry.mapping("normalised_per_class").by_class(percent)),
        confusion=MappingProxyType(confusion),
    )


def _fact(entry: _Entry, sources: Mapping[str, str]) -> PublishedFact:
    entry.expect({"source", "table", "system", "what", "value"}, {"protocol", "unit", "note"})
    return PublishedFact(
        source=sources[entry.one_of("source", sources)],
        table=entry.text("table"),
        protocol=_protocol(entry),
        system=entry.text("system"),
        what=entry.text("what"),
        value=entry.number("value", entry.fields["value"]),
        unit=entry.text("unit"),
        note=entry.text("note"),
    )


def _protocol(entry: _Entry) -> str | None:
    return entry.one_of("protocol", PROTOCOLS) if "protocol" in entry.fields else None

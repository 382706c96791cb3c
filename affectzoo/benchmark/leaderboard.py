"""From records and published figures to the leaderboard's tables, and these as Markdown.

Figures can be compared only on the same faces, so every set of faces has tables of its own. What was measured
here, what papers say and what weights claim about themselves are kept apart: only the first is known to be
measured in one way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from affectzoo.datatools.protocols import PROTOCOLS
from affectzoo.errors import AffectZooError
from affectzoo.tasks.va import DIMENSIONS

if TYPE_CHECKING:
    from affectzoo.benchmark.published import PublishedRow

Record = Mapping[str, Any]
"""What one system did on one protocol, as ``affectzoo benchmark`` writes it."""

Figures = Mapping[str, "Figure | None"]

ON_TEST = "best epoch on the test part"


class Figure(NamedTuple):
    """A value and, as text, how sure it is: ``0.8470..0.8710``, ``± 0.0031 over 3 runs``."""

    value: float
    spread: str = ""


Cell = str | int | float | Figure | None


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its heading.
        explanation: One sentence for readers.
        digits: Decimals of its figures.
    """

    title: str
    explanation: str = ""
    digits: int = 4


@dataclass(frozen=True)
class Table:
    """Cells under columns; the first column names the row.

    Attributes:
        name: Unique within its section, for anchors.
        caption: What it shows.
        columns: From left to right.
        rows: From top to bottom, a cell per column.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Group:
    """Records on the same faces.

    Attributes:
        id: Name and the start of the faces' hash; unique among groups.
        name: The protocol's, or data, split and task.
        records: All of them, as they came.
        warning: Says that the same protocol was also measured on other faces.
    """

    id: str
    name: str
    records: tuple[Record, ...]
    warning: str | None = None

    @property
    def protocol(self) -> Mapping[str, Any]:
        """As the first record says."""
        protocol: Mapping[str, Any] = self.records[0]["protocol"]
        return protocol

    @property
    def split(self) -> str | None:
        """The split that is tested on."""
        known = PROTOCOLS.get(self.protocol.get("name") or "")
        return known.test.split if known else self.protocol.get("split")

    @property
    def main(self) -> str:
        """The metric that sorts: of classes the first that the protocol names, of values CCC."""
        if self.protocol["task"] == "va":
            return "ccc"
        return next((name for name in self.named if name in _CLASS_METRICS), "accuracy")

    @property
    def named(self) -> tuple[str, ...]:
        """The metrics that the protocol names, in its order."""
        found = _METRIC.findall(str(self.protocol.get("metrics") or ""))
        names = (re.sub("[ -]", "_", name.lower()) for name in found)
        return tuple(dict.fromkeys("pcc" if name == "corr" else name for name in names))


@dataclass(frozen=True)
class Entry:
    """One system in a group: one row; several records are its runs.

    Attributes:
        system: Its name.
        on_test: Whether the test part chose its epoch.
        records: Of its runs.
    """

    system: str
    on_test: bool
    records: tuple[Record, ...]

    @property
    def label(self) -> str:
        """Its name in tables where one column serves all."""
        return f"{self.system} ({ON_TEST})" if self.on_test else self.system

    @cached_property
    def metrics(self) -> Figures:
        """Over the faces that it answered for."""
        return _joined(self.records, lambda record: record.get("metrics"))

    @cached_property
    def metrics_all(self) -> Figures:
        """Over all faces."""
        return _joined(self.records, lambda record: record.get("metrics_all") or record.get("metrics"))

    @cached_property
    def normalised(self) -> Figures:
        """Skew-normalised."""
        return _joined(self.records, lambda record: record.get("normalised"))

    def classes(self, measure: str) -> Mapping[str, Cell]:
        """One measure by class; ``support`` without a spread."""
        found = _joined(self.records, lambda record: _measure(record, measure))
        return {name: number(figure) for name, figure in found.items()} if measure == "support" else found

    def runs(self) -> Iterable[tuple[str, Record]]:
        """Each run with a label of its own."""
        for run, record in enumerate(self.records, 1):
            seed = _at(record, "model", "training", "seed")
            which = f"run {run}" if seed is None else f"seed {seed}"
            yield (self.label if len(self.records) == 1 else f"{self.label}, {which}"), record

    def notes(self) -> list[str]:
        """What readers should know before they believe the row."""
        found = []
        seeds = Counter(_at(record, "model", "training", "seed") for record in self.records)
        files = Counter(file for r in self.records for file in set(_at(r, "model", "sha256") or ()))
        recipes = {_at(record, "model", "training", "recipe_hash") for record in self.records}
        if len(recipes - {None}) > 1:
            found.append("its runs do not have one recipe")
        if twice := sorted(file[:8] for file, times in files.items() if times > 1):
            found.append(f"the same weights count twice: {', '.join(twice)}")
        elif twice := sorted(str(seed) for seed, n in seeds.items() if n > 1 and seed is not None):
            found.append(f"runs share a seed: {', '.join(twice)}")
        if any(_at(record, "model", "training", "on_protocol") is False for record in self.records):
            found.append("trained on other faces than the protocol's training part")
        renamed = {k: v for r in self.records for k, v in (r.get("mapping") or {}).items() if k != v}
        if renamed:
            classes = (f"{name} by its {own}" if own else f"no {name}" for name, own in renamed.items())
            found.append(f"answers {', '.join(classes)}")
        return found


@dataclass(frozen=True)
class Board:
    """All about one group.

    Attributes:
        group: Which.
        facts: What was measured on which faces, by heading.
        warnings: To be seen before the figures.
        measured: Systems by their main metric, the highest first; the two others stand apart from it.
        published: What papers say, in their order.
        claimed: What weights claim beside what was measured.
        details: Further metrics, by class, skew-normalised, by fold.
        commands: Label and command of each record.
    """

    group: Group
    facts: Mapping[str, str]
    warnings: tuple[str, ...]
    measured: Table
    published: Table | None
    claimed: Table | None
    details: tuple[Table, ...]
    commands: tuple[tuple[str, str], ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them, in reading order."""
        first = (self.measured, self.published, self.claimed)
        return (*(table for table in first if table is not None), *self.details)


@dataclass(frozen=True)
class Leaderboard:
    """The whole page.

    Attributes:
        date: When it was made, ``YYYY-MM-DD``.
        versions: Of affectzoo, that measured.
        boards: One per group.
        cross: Systems by the data they were tested on, where there is more than one group.
        comparisons: Pairs of systems on the same faces.
        hardware: Machines and versions.
    """

    date: str
    versions: tuple[str, ...]
    boards: tuple[Board, ...]
    cross: Table | None
    comparisons: Table | None
    hardware: Table

    def explanations(self) -> dict[str, str]:
        """What columns mean, by their titles; those of one meaning share a line."""
        tables = [table for board in self.boards for table in board.tables]
        tables += [table for table in (self.cross, self.comparisons, self.hardware) if table is not None]
        titles: dict[str, dict[str, None]] = {}
        for column in (column for table in tables for column in table.columns if column.explanation):
            titles.setdefault(column.explanation, {})[column.title] = None
        return {" / ".join(names): explanation for explanation, names in titles.items()}


_CLASS_METRICS = {
    "accuracy": "share of faces whose class is right",
    "mean_diagonal": "mean of the recalls of the classes",
    "f1": "mean of the F1 scores of the classes",
    "f1_top2": "the same where either of the two highest scores may be right",
    "kappa": "mean of Cohen's kappa of each class against the rest",
    "alpha": "mean of Krippendorff's alpha of each class against the rest",
    "auc": "mean area under the ROC curve of each class against the rest",
    "auc_pr": "mean of the average precision of each class against the rest",
    "multiclass_kappa": "Cohen's kappa of all classes together",
    "multiclass_alpha": "Krippendorff's alpha of all classes together",
}
_VALUE_METRICS = {
    "ccc": "concordance correlation coefficient; without a dimension, the mean of both",
    "pcc": "Pearson's correlation",
    "icc": "intraclass correlation",
    "rmse": "root of the mean squared error; lower is better",
    "mse": "mean squared error; lower is better",
    "sagr": "share of values with the right sign",
}
_METRICS = _CLASS_METRICS | _VALUE_METRICS
_ORDER = (
    *_CLASS_METRICS,
    "ccc",
    *(
        f"{scale}{name}_{dimension}"
        for name in _VALUE_METRICS
        for scale in ("", "own_scale_")
        for dimension in DIMENSIONS
    ),
)
_BASIC = {
    "expression": ("accuracy", "mean_diagonal", "f1"),
    "va": ("ccc", "pcc", "rmse"),
    "multitask": ("accuracy", "mean_diagonal", "f1", "ccc", "pcc", "rmse"),
}
"""Shown in the first table whatever the protocol names."""
_LONGEST_FIRST = sorted((*_METRICS, "corr"), key=len, reverse=True)
_METRIC = re.compile("|".join(rf"\b{name.replace('_', '[ _-]')}\b" for name in _LONGEST_FIRST), re.IGNORECASE)
_UPPER = {name: name.upper() for name in ("f1", "auc", "ccc", "pcc", "icc", "rmse", "mse", "sagr")} | {
    "pr": "PR",
    "top2": "top 2",
}
_PER_CLASS = {
    "recall": "Recall",
    "precision": "Precision",
    "f1": "F1 score",
    "f1_top2": "F1 score of two guesses",
    "kappa": "Cohen's kappa",
    "alpha": "Krippendorff's alpha",
    "auc": "Area under the ROC curve",
    "auc_pr": "Average precision",
    "support": "Faces",
}
_PUBLISHED_EPOCHS = {
    "test": ON_TEST,
    "valid": "best on the validation part",
    "last": "the last one",
    "none": "there are none",
}
_SYSTEM = Column("system", "name given on the command line; several runs of one recipe share a row")
_KIND = Column(
    "kind",
    "zoo: a model; features: a classifier on a model's features; classical: a classifier on computed "
    "features; external: another system's outputs",
)
_RUNS = Column("runs", "records in the row; with several, figures are mean ± standard deviation over runs")
_ANSWERED = Column("answered", "faces that the system answered for; its metrics are over these")
_MISSING = Column("missing", "faces without an answer")
_DETECTOR = Column(
    "faces cut by", "detector that found the faces; without one, they are as the data set has them"
)
_TRAINED = Column("trained on", "data that the system has learnt from")
_EPOCH = Column("epoch", "how the epoch was chosen")
_PARAMETERS = Column("parameters", "of the model")
_GFLOPS = Column("GFLOPs", "floating-point operations per face, in billions")
_LATENCY = Column(
    "latency, ms", "milliseconds for one face; of a model for clips, a frame's share of its window", 2
)
_THROUGHPUT = Column("faces/s", "faces per second in large batches", 1)
_TIMED = Column("timed on", "device of latency and faces per second")
_LICENCE = Column("licence", "of the weights")
_NOTES = Column("notes", "read them before the figures of the row")
_SOURCE = Column("source", "where the figure was published")
_COMPARABLE = Column(
    "comparable", "whether the published figure is of the same faces and rules and, if not, why"
)


def text(cell: Cell, digits: int = 4) -> str:
    """A cell without its spread, for people; ``-`` where there is nothing to say."""
    if isinstance(cell, Figure):
        return text(cell.value, digits)
    if cell is None or cell == "" or cell != cell:
        return "-"
    if isinstance(cell, float):
        least = 10**-digits
        if 0 < cell < least / 2:
            return f"<{least:.{digits}f}"
        return f"{cell:,.{digits}f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def number(cell: Cell) -> float | None:
    """What to sort a cell by; ``None`` for text and for no figure."""
    value = cell.value if isinstance(cell, Figure) else cell
    return None if value is None or isinstance(value, str) or value != value else float(value)


def title(metric: str) -> str:
    """A metric's name for people: ``CCC valence`` for ``ccc_valence``."""
    return " ".join(_UPPER.get(word, word) for word in metric.split("_"))


def groups(records: Sequence[Record]) -> tuple[Group, ...]:
    """Sort records by the faces that they are about.

    Args:
        records: In any order.

    Returns:
        One group per protocol (or data, split and task) and hash of the faces, in order of first occurrence.

    Raises:
        AffectZooError: There is no record.
    """
    if not records:
        raise AffectZooError("leaderboard: there is no record to show; run affectzoo benchmark first")
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((_name(record["protocol"]), record["protocol"]["hash"]), []).append(record)
    hashes: dict[str, list[str]] = {}
    for name, faces in found:
        hashes.setdefault(name, []).append(faces)
    return tuple(
        Group(
            f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{faces[:8]}",
            name,
            tuple(members),
            _other_faces(name, faces, hashes[name]),
        )
        for (name, faces), members in found.items()
    )


def entries(group: Group) -> list[Entry]:
    """A row per system, the highest main metric first, those whose epoch the test part chose last."""
    found: dict[tuple[str, bool], list[Record]] = {}
    for record in group.records:
        on_test = _at(record, "epoch", "on_test") is True
        found.setdefault((record["system"], on_test), []).append(record)

    def place(entry: Entry) -> tuple[bool, float, str]:
        value = number(entry.metrics_all.get(group.main) or entry.metrics.get(group.main))
        return entry.on_test, float("inf") if value is None else -value, entry.system

    return sorted((Entry(*key, tuple(members)) for key, members in found.items()), key=place)


def leaderboard(
    records: Sequence[Record],
    published: Sequence[PublishedRow],
    comparisons: Sequence[Mapping[str, Any]],
    date: str,
) -> Leaderboard:
    """Everything, as tables.

    Args:
        records: In any order.
        published: Figures of papers; those of protocols without a record are left out.
        comparisons: With ``group``, ``first``, ``second``, ``metric``, ``difference``, ``low``, ``high``,
            ``p_exact`` or ``None``, ``faces`` and ``verdict``.
        date: ``YYYY-MM-DD``.

    Raises:
        AffectZooError: There is no record.
    """
    found = groups(records)
    versions = dict.fromkeys(str(_at(record, "versions", "affectzoo") or "-") for record in records)
    return Leaderboard(
        date,
        tuple(versions),
        tuple(board(group, published) for group in found),
        _cross(found) if len(found) > 1 else None,
        _comparisons(comparisons),
        _hardware(records),
    )


def board(group: Group, published: Sequence[PublishedRow]) -> Board:
    """Tables of one group.

    Args:
        group: Of ``groups``.
        published: Figures of papers, of any protocol.
    """
    ranked = entries(group)
    reported = [row for row in published if group.protocol.get("name") in row.protocols]
    metrics = list(dict.fromkeys(name for entry in ranked for name in entry.metrics))
    families = dict.fromkeys((group.main, *group.named, *_BASIC[group.protocol["task"]]))
    shown = [name for family in families for name in metrics if _family(name) == family]
    further = [name for name in metrics if name not in shown]
    details = [
        _table(
            "further",
            "Further metrics",
            [{_SYSTEM: entry.system, **_metric_cells(entry, entry.metrics, further)} for entry in ranked],
            _metric_columns(further),
        ),
        *_class_tables("class", "", [(e.label, e.classes) for e in ranked]),
        _normalised(ranked),
        _folds(group, ranked),
        *_class_tables("published", ", published", [(_reported(r), _of(r.per_class)) for r in reported]),
        *_class_tables(
            "published-normalised",
            ", skew-normalised, published",
            [(_reported(r), _of(r.normalised_per_class)) for r in reported],
        ),
    ]
    return Board(
        group,
        _facts(group),
        _warnings(group, ranked),
        _measured(group, ranked, shown),
        _published(group, reported),
        _claimed(group, ranked),
        tuple(table for table in details if table is not None),
        tuple(
            (label, record["command"]) for e in ranked for label, record in e.runs() if record.get("command")
        ),
    )


def markdown(page: Leaderboard, plots: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """The leaderboard in GitHub's Markdown.

    Args:
        page: What to show.
        plots: By group id, caption and link of each picture.

    Returns:
        The same tables as the HTML page.
    """
    lines = [
        "# affectzoo leaderboard",
        f"Made on {page.date} with affectzoo {', '.join(page.versions)}.",
        "## How to read this",
        "\n".join(f"- {line}" for line in READING),
        "\n".join(f"- **{_escaped(name)}**: {_escaped(what)}" for name, what in page.explanations().items()),
    ]
    for one in page.boards:
        lines.append(f"## {_escaped(one.group.name)}")
        lines += [f"> **{_escaped(warning)}**" for warning in one.warnings]
        lines.append("\n".join(f"- {name}: {_escaped(what)}" for name, what in one.facts.items()))
        for table in one.tables:
            lines += [f"### {_escaped(table.caption)}", _markdown_table(table)]
        lines += [f"![{_escaped(caption)}]({link})" for caption, link in plots.get(one.group.id, ())]
        lines.append("### How to reproduce")
        lines += [f"{_escaped(label)}:\n\n```shell\n{command}\n```" for label, command in one.commands]
    for last in (page.cross, page.comparisons, page.hardware):
        if last is not None:
            lines += [f"## {_escaped(last.caption)}", _markdown_table(last)]
    return "\n\n".join(line for line in lines if line) + "\n"


READING = (
    "Compare figures only within one table of measured systems: all its rows are about the same faces.",
    "Measured systems are sorted by the first metric, over all faces.",
    "The range beside a figure is its confidence interval. ± is a standard deviation: over runs where it "
    "says so, else over folds or, of skew-normalised figures, over the draws.",
    "Where two intervals overlap much, the order of the rows may be chance; see the comparisons.",
    f"Figures under '{ON_TEST}' are too high: the faces that they are measured on also chose the epoch.",
    "Published and claimed figures are not sorted in: they may be of other faces or follow other rules.",
    "A dash means that there is no such figure.",
)
"""For both pages."""


def _name(protocol: Mapping[str, Any]) -> str:
    if protocol.get("name"):
        return str(protocol["name"])
    return f"{protocol['data']['test']} {protocol.get('split') or 'all faces'}, {protocol['task']}"


def _other_faces(name: str, faces: str, hashes: Sequence[str]) -> str | None:
    others = ", ".join(other[:8] for other in hashes if other != faces)
    if not others:
        return None
    return (
        f"{name} was also measured on other faces (hash {others}; here {faces[:8]}): the copies of the data "
        "differ, and figures of these tables cannot be compared."
    )


def _joined(records: Sequence[Record], part: Callable[[Record], Mapping[str, Any] | None]) -> Figures:
    """One figure per name; of several runs their mean, ``None`` where a run has none."""
    runs = [part(record) or {} for record in records]
    return {
        name: _figure([run.get(name) for run in runs]) for name in dict.fromkeys(n for r in runs for n in r)
    }


def _figure(runs: Sequence[Mapping[str, Any] | None]) -> Figure | None:
    values = [run["value"] for run in runs if run is not None and _known(run.get("value"))]
    if len(values) < len(runs):
        return None
    if len(values) > 1:
        return Figure(fmean(values), f"± {stdev(values):.4f} over {len(values)} runs")
    return Figure(float(values[0]), _spread(runs[0] or {}))


def _spread(figure: Mapping[str, Any]) -> str:
    if figure.get("sd") is not None:
        return f"± {figure['sd']:.4f}"
    if figure.get("low") is None or figure.get("high") is None:
        return ""
    return f"{figure['low']:.4f}..{figure['high']:.4f}"


def _known(value: float | None) -> bool:
    return value is not None and value == value


def _measure(record: Record, measure: str) -> dict[str, dict[str, Any]]:
    return {name: {"value": of.get(measure)} for name, of in (record.get("per_class") or {}).items()}


def _at(record: Mapping[str, Any], *path: str) -> Any:
    """What stands at a path of names; ``None`` where a part of it is absent."""
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _common(values: Iterable[Any]) -> Cell:
    """The one value that all have, else the different ones as text."""
    different = list(dict.fromkeys(value for value in values if value is not None))
    if len(different) < 2:
        return different[0] if different else None
    return ", ".join(text(value) for value in different)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _family(metric: str) -> str:
    return metric.removeprefix("own_scale_").removesuffix("_valence").removesuffix("_arousal")


def _metric(metric: str, on_test: bool = False) -> Column:
    if on_test:
        return Column(f"{title(metric)}, {ON_TEST}")
    scale = "; in the data set's own units" if metric.startswith("own_scale_") else ""
    explanation = _METRICS.get(_family(metric), "")
    return Column(title(metric), explanation + scale if explanation else "")


def _metric_columns(metrics: Iterable[str]) -> list[Column]:
    return [_metric(metric, on_test) for on_test in (False, True) for metric in metrics]


def _metric_cells(entry: Entry, figures: Figures, metrics: Iterable[str]) -> dict[Column, Cell]:
    return {_metric(metric, entry.on_test): figures.get(metric) for metric in metrics}


def _table(
    name: str,
    caption: str,
    rows: Sequence[Mapping[Column, Cell]],
    columns: Iterable[Column] = (),
    always: Iterable[Column] = (),
) -> Table | None:
    """A table of the columns in which a row says something.

    Args:
        name: For anchors.
        caption: Above it.
        rows: Cells by column, the row's name first.
        columns: Order of the columns beside the first; by default as they occur.
        always: Columns to keep when no row says anything.

    Returns:
        ``None`` where only the first column would remain.
    """
    first = next(iter(rows[0])) if rows else None
    order = dict.fromkeys([*columns, *(column for row in rows for column in row)])
    kept = [c for c in order if c != first and (c in always or any(text(row.get(c)) != "-" for row in rows))]
    if first is None or not kept:
        return None
    shown = (first, *kept)
    return Table(name, caption, shown, tuple(tuple(row.get(column) for column in shown) for row in rows))


def _measured(group: Group, ranked: Sequence[Entry], metrics: Sequence[str]) -> Table:
    some_missing = any(_at(record, "faces", "missing") for record in group.records)
    meaning = "faces without an answer count as wrong, or as 0"
    all_faces = [Column(f"{_metric(group.main, t).title}, all faces", meaning) for t in (False, True)]
    rows = []
    for entry in ranked:
        cells: dict[Column, Cell] = {_SYSTEM: entry.system, **_metric_cells(entry, entry.metrics, metrics)}
        if some_missing:
            cells[all_faces[entry.on_test]] = entry.metrics_all.get(group.main)
        rows.append(cells | _circumstances(entry))
    columns = [*_metric_columns(metrics), *all_faces]
    table = _table("measured", "Measured here", rows, columns, (_metric(group.main), _ANSWERED, _MISSING))
    assert table is not None
    return table


def _circumstances(entry: Entry) -> dict[Column, Cell]:
    """What is not a metric."""

    def common(*path: str) -> Cell:
        return _common(_at(record, *path) for record in entry.records)

    def mean(name: str) -> float | None:
        return _mean(_at(record, "compute", name) for record in entry.records)

    flops = mean("flops")
    return {
        _KIND: common("kind"),
        _RUNS: len(entry.records),
        _ANSWERED: common("faces", "predicted"),
        _MISSING: common("faces", "missing"),
        _DETECTOR: common("protocol", "detector"),
        _TRAINED: _common(_trained_on(record) for record in entry.records),
        _EPOCH: _common(_epoch(record) for record in entry.records),
        _PARAMETERS: common("compute", "parameters"),
        _GFLOPS: None if flops is None else flops / 1e9,
        _LATENCY: mean("latency_ms"),
        _THROUGHPUT: mean("throughput"),
        _TIMED: _common(_device(record) for record in entry.records),
        _LICENCE: _common(_licence(record) for record in entry.records),
        _NOTES: "; ".join(entry.notes()),
    }


def _trained_on(record: Record) -> str | None:
    """Of the model; for features also of the classifier, which learns from the protocol's training part."""
    own = _at(record, "model", "training", "data")
    fitted = _at(record, "protocol", "data", "train")
    if record["kind"] == "classical":
        return str(fitted) if fitted else None
    if record["kind"] == "features":
        return f"{own or 'unknown'}; classifier: {fitted}"
    return None if own is None else str(own)


def _epoch(record: Record) -> str | None:
    rule = _at(record, "epoch", "rule")
    known = _at(record, "epoch", "on_test") is not None
    return rule if known or not rule else f"{rule}; not known whether the test part chose it"


def _device(record: Record) -> str | None:
    device, threads = _at(record, "compute", "device"), _at(record, "compute", "threads")
    return f"{device}, {threads} threads" if device == "cpu" and threads else device


def _licence(record: Record) -> str | None:
    licence = _at(record, "model", "licence")
    return licence.get("weights") if licence else None


def _published(group: Group, rows: Sequence[PublishedRow]) -> Table | None:
    names = {name for row in rows for name in row.metrics}
    columns = _metric_columns(name for name in _ORDER if name in names)
    same = "with the protocol; this copy differs, see above" if _own_warnings(group) else "yes"
    cells: list[dict[Column, Cell]] = []
    for row in rows:
        elsewhere = "" if row.protocol == group.name else f"it belongs to {row.protocol}"
        why_not = "; ".join(why for why in (elsewhere, row.why_not) if why)
        cells.append(
            {
                _SYSTEM: row.system,
                **{_metric(name, row.epoch == "test"): value for name, value in row.metrics.items()},
                **{Column(f"{title(n)}, skew-normalised"): value for n, value in row.normalised.items()},
                _KIND: row.kind,
                _EPOCH: _PUBLISHED_EPOCHS.get(row.epoch, row.epoch),
                _COMPARABLE: f"no: {why_not}" if elsewhere or not row.comparable else same,
                _SOURCE: f"{row.source}, {row.table}",
                _NOTES: ". ".join(note for note in (row.note, row.epoch_note) if note),
            }
        )
    return _table("published", "Published, as the papers say", cells, columns)


def _claimed(group: Group, ranked: Sequence[Entry]) -> Table | None:
    """Claims about the tested data set; the difference only where the split is the same."""
    protocol, rows = group.protocol, []
    for entry in ranked:
        for label, record in entry.runs():
            for claim in record.get("claimed") or ():
                if claim.get("data") != protocol["data"]["test"]:
                    continue
                same = claim.get("split") == group.split
                rows += [
                    _claim(label, record, claim, name, same) for name in claim if name in record["metrics"]
                ]
    return _table("claimed", "Claimed by the weights, beside what was measured", rows)


def _claim(
    label: str, record: Record, claim: Mapping[str, Any], metric: str, same: bool
) -> dict[Column, Cell]:
    claimed = claim[metric]
    measured = record["metrics"][metric]["value"] if same else None
    difference = measured - claimed if _known(claimed) and _known(measured) else None
    return {
        _SYSTEM: label,
        Column("metric"): title(metric),
        Column("claimed", "what the weights' own metadata say"): claimed,
        Column("measured", "on the faces of this table; only for the same split"): measured,
        Column("difference", "measured less claimed, or first less second"): difference,
        Column("split"): claim.get("split"),
        Column("faces claimed"): claim.get("faces"),
        Column("faces measured"): _at(record, "faces", "predicted") if same else None,
    }


def _class_tables(
    name: str, ending: str, systems: Sequence[tuple[str, Callable[[str], Mapping[str, Cell]]]]
) -> Iterable[Table | None]:
    """A table per measure: systems by class.

    Args:
        name: Start of the tables' names.
        ending: Of their captions.
        systems: Each one's label, and from a measure to its cells by class.
    """
    for measure, what in _PER_CLASS.items():
        digits = 0 if measure == "support" else 4
        rows: list[dict[Column, Cell]] = [
            {_SYSTEM: label, **{Column(c, digits=digits): cell for c, cell in cells(measure).items()}}
            for label, cells in systems
            if cells(measure)
        ]
        yield _table(f"{name}-{measure}", f"{what} by class{ending}", rows)


def _reported(row: PublishedRow) -> str:
    return f"{row.system} ({row.source})"


def _of(per_class: Mapping[str, Mapping[str, float]]) -> Callable[[str], Mapping[str, Cell]]:
    return lambda measure: per_class.get(measure, {})


def _normalised(ranked: Sequence[Entry]) -> Table | None:
    rows = [
        {_SYSTEM: e.system, **_metric_cells(e, e.normalised, e.normalised)} for e in ranked if e.normalised
    ]
    names = dict.fromkeys(name for entry in ranked for name in entry.normalised)
    caption = "Skew-normalised: as if all classes were equally frequent"
    return _table("normalised", caption, rows, _metric_columns(names))


def _folds(group: Group, ranked: Sequence[Entry]) -> Table | None:
    rows: list[dict[Column, Cell]] = []
    for entry in ranked:
        for label, record in entry.runs():
            folds = record.get("folds") or ()
            figures = {Column(f"fold {f['fold']}"): _at(f, "metrics", group.main) for f in folds}
            rows += [{_SYSTEM: label, **figures}] if len(folds) > 1 else []
    return _table("folds", f"{title(group.main)} by fold", rows)


def _cross(found: Sequence[Group]) -> Table | None:
    """As Table 4 of Ulloa Rodriguez, 2019: what a system was trained on by what it is tested on."""
    rows: dict[tuple[str, Cell], dict[Column, Cell]] = {}
    for group in found:
        name = f"{group.name}, {group.protocol['hash'][:8]}" if group.warning else group.name
        column = Column(f"{name}: {title(group.main)}")
        for entry in entries(group):
            trained = _common(_trained_on(record) for record in entry.records)
            row = rows.setdefault((entry.label, trained), {_SYSTEM: entry.label, _TRAINED: trained})
            row[column] = entry.metrics.get(group.main)
    return _table("cross", "Across data sets", list(rows.values()))


def _comparisons(comparisons: Sequence[Mapping[str, Any]]) -> Table | None:
    rows: list[dict[Column, Cell]] = [
        {
            Column("first"): one["first"],
            Column("second"): one["second"],
            Column("on"): one["group"],
            Column("metric"): title(one["metric"]),
            Column("difference", "measured less claimed, or first less second"): _figure(
                [{"value": one["difference"], "low": one.get("low"), "high": one.get("high")}]
            ),
            Column(
                "p", "McNemar's exact test: chance of so unequal a result if both were equally good"
            ): one.get("p_exact"),
            Column("faces"): one.get("faces"),
            Column("verdict"): one.get("verdict"),
        }
        for one in comparisons
    ]
    return _table("comparisons", "Comparisons of two systems on the same faces", rows)


def _hardware(records: Sequence[Record]) -> Table:
    found: dict[tuple[tuple[str, Any], ...], list[Record]] = {}
    for record in records:
        facts = {**(record.get("hardware") or {}), **(record.get("versions") or {})}
        found.setdefault(tuple(facts.items()), []).append(record)
    rows: list[dict[Column, Cell]] = [
        {
            Column("machine"): machine,
            **{Column(name): value for name, value in facts},
            Column("records"): len(members),
            Column("seconds", "to measure all its records", 1): _sum(r.get("seconds") for r in members),
        }
        for machine, (facts, members) in enumerate(found.items(), 1)
    ]
    table = _table("hardware", "Hardware and versions", rows)
    assert table is not None
    return table


def _sum(values: Iterable[float | None]) -> float:
    return float(sum(value for value in values if value is not None))


def _facts(group: Group) -> dict[str, str]:
    protocol, first = group.protocol, group.records[0]
    faces, interval = first["faces"], first.get("interval") or {}
    counts = [f"{faces[what]:,} {what}" for what in ("subjects", "clips") if faces.get(what)]
    facts = {
        "What": protocol.get("title"),
        "Data": " to ".join(dict.fromkeys(name for name in protocol["data"].values() if name)),
        "Faces": ", ".join([f"{faces['total']:,}", *counts])
        + f"; a result per {protocol.get('unit', 'face')}",
        "Folds": str(protocol["folds"]) if protocol.get("folds", 1) > 1 else None,
        "Hash of the faces": protocol["hash"],
        "Sorted by": title(group.main),
        "Protocol reports": protocol.get("metrics"),
        "Intervals": "{level:.0%}, bootstrap of {resamples:,} resamples over {units}".format(**interval)
        if interval
        else None,
        "Follows": protocol.get("paper"),
        "Decided here": protocol.get("ours"),
    }
    return {name: what for name, what in facts.items() if what}


def _warnings(group: Group, ranked: Sequence[Entry]) -> tuple[str, ...]:
    found = [group.warning] if group.warning else []
    found += _own_warnings(group)
    for record in group.records:
        left_out = _at(record, "faces", "left_out") or {}
        found += [f"{count:,} faces are left out: {reason}" for reason, count in left_out.items() if count]
    for entry in ranked:
        for label, record in entry.runs():
            found += [f"{label}: {_probe(probe)}" for probe in record.get("probes") or ()]
    return tuple(dict.fromkeys(found))


def _own_warnings(group: Group) -> list[str]:
    """In what the faces are not the protocol's."""
    found = []
    for record in group.records:
        protocol = record["protocol"]
        found += [_deviation(part) for part in protocol.get("deviations") or () if not part["equal"]]
        found += [protocol["note"]] if protocol.get("note") else []
    return found


def _deviation(part: Mapping[str, Any]) -> str:
    published = " or ".join(f"{count:,}" for count in part["published"])
    where = "in all" if part["part"] == "all" else f"in the {part['part']} part"
    return f"this copy: {part['found']:,} {part['what']} {where}; published: {published}"


def _probe(probe: Mapping[str, Any]) -> str:
    metric, change, question = {
        "swap": ("accuracy", f"swapping {' and '.join(probe.get('classes', ()))}", "label order"),
        "order": ("accuracy", f"reading its outputs as {', '.join(probe.get('order', ()))}", "label order"),
        "values": ("ccc", f"to {probe.get('change')}", "order, sign and scale of its values"),
    }[probe["kind"]]
    gain = f"{title(metric)} from {text(probe[metric])} to {text(probe['would_be'])}"
    return f"{change} would raise {gain}: is the {question} right?"


def _markdown_table(table: Table) -> str:
    lines = [[column.title for column in table.columns]]
    columns = zip(*table.rows, strict=True)
    lines.append(["---" if any(isinstance(cell, str) for cell in cells) else "---:" for cells in columns])
    lines += [
        [_with_spread(cell, column) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)


def _with_spread(cell: Cell, column: Column) -> str:
    shown = text(cell, column.digits)
    return f"{shown} ({cell.spread})" if isinstance(cell, Figure) and cell.spread and shown != "-" else shown


def _escaped(cell: str) -> str:
    """Names come from users: nothing in them may be read as Markdown, HTML or the end of a cell."""
    return re.sub(r"([\\|<>*`\[\]])", r"\\\1", " ".join(cell.split()))

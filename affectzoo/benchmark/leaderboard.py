"""From records and published figures to the leaderboard's tables, and these as Markdown.

Figures can be compared only on the same faces, so every set of faces has tables of its own. What was measured
here, what papers say and what weights claim about themselves are kept apart: only the first is known to be
measured in one way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from affectzoo.benchmark.groups import (
    BASIC,
    METRICS,
    ON_TEST,
    ORDER,
    Entry,
    Figures,
    Group,
    Record,
    at,
    entries,
    family,
    figure,
    groups,
    has_value,
    title,
)
from affectzoo.benchmark.published import PublishedFact, PublishedRow
from affectzoo.benchmark.tables import (
    Cell,
    Column,
    Table,
    escaped,
    make_table,
    markdown_table,
    text,
)


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


def leaderboard(
    records: Sequence[Record],
    published: Sequence[PublishedRow | PublishedFact],
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
    versions = dict.fromkeys(str(at(record, "versions", "affectzoo") or "-") for record in records)
    return Leaderboard(
        date,
        tuple(versions),
        tuple(board(group, published) for group in found),
        _cross(found) if len(found) > 1 else None,
        _comparisons(comparisons),
        _hardware(records),
    )


def board(group: Group, published: Sequence[PublishedRow | PublishedFact]) -> Board:
    """Tables of one group.

    Args:
        group: Of ``groups``.
        published: Figures of papers, of any protocol.
    """
    ranked = entries(group)
    name = group.protocol.get("name")
    reported = [row for row in published if isinstance(row, PublishedRow) and name in row.protocols]
    others = [fact for fact in published if isinstance(fact, PublishedFact) and name == fact.protocol]
    metrics = list(dict.fromkeys(name for entry in ranked for name in entry.metrics))
    wanted = dict.fromkeys((group.main, *group.named, *BASIC[group.protocol["task"]]))
    shown = [name for kind in wanted for name in metrics if family(name) == kind]
    further = [name for name in metrics if name not in shown]
    details = [
        make_table(
            "further",
            "Further metrics",
            [{_SYSTEM: entry.system, **_metric_cells(entry, entry.metrics, further)} for entry in ranked],
            _metric_columns(further),
        ),
        *_class_tables("class", "", [(e.label, e.classes) for e in ranked]),
        _normalised(ranked),
        _folds(group, ranked),
        _other_figures(others),
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
        "\n".join(f"- **{escaped(name)}**: {escaped(what)}" for name, what in page.explanations().items()),
    ]
    for one in page.boards:
        lines.append(f"## {escaped(one.group.heading)}")
        lines += [f"> **{escaped(warning)}**" for warning in one.warnings]
        lines.append("\n".join(f"- {name}: {escaped(what)}" for name, what in one.facts.items()))
        for table in one.tables:
            lines += [f"### {escaped(table.caption)}", markdown_table(table)]
        lines += [f"![{escaped(caption)}]({link})" for caption, link in plots.get(one.group.id, ())]
        lines.append("### How to reproduce")
        lines += [f"{escaped(label)}:\n\n```shell\n{command}\n```" for label, command in one.commands]
    for last in (page.cross, page.comparisons, page.hardware):
        if last is not None:
            lines += [f"## {escaped(last.caption)}", markdown_table(last)]
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


def _common(values: Iterable[Any]) -> Cell:
    """The one value that all have, else the different ones as text."""
    different = list(dict.fromkeys(value for value in values if value is not None))
    if len(different) < 2:
        return different[0] if different else None
    return ", ".join(text(value) for value in different)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _metric(metric: str, on_test: bool = False) -> Column:
    if on_test:
        return Column(f"{title(metric)}, {ON_TEST}")
    scale = "; in the data set's own units" if metric.startswith("own_scale_") else ""
    explanation = METRICS.get(family(metric), "")
    return Column(title(metric), explanation + scale if explanation else "")


def _metric_columns(metrics: Iterable[str]) -> list[Column]:
    return [_metric(metric, on_test) for on_test in (False, True) for metric in metrics]


def _metric_cells(entry: Entry, figures: Figures, metrics: Iterable[str]) -> dict[Column, Cell]:
    return {_metric(metric, entry.on_test): figures.get(metric) for metric in metrics}


def _measured(group: Group, ranked: Sequence[Entry], metrics: Sequence[str]) -> Table:
    some_missing = any(at(record, "faces", "missing") for record in group.records)
    meaning = "faces without an answer count as wrong, or as 0"
    all_faces = [Column(f"{_metric(group.main, t).title}, all faces", meaning) for t in (False, True)]
    rows = []
    for entry in ranked:
        cells: dict[Column, Cell] = {_SYSTEM: entry.system, **_metric_cells(entry, entry.metrics, metrics)}
        if some_missing:
            cells[all_faces[entry.on_test]] = entry.metrics_all.get(group.main)
        rows.append(cells | _circumstances(entry))
    columns = [*_metric_columns(metrics), *all_faces]
    table = make_table("measured", "Measured here", rows, columns, (_metric(group.main), _ANSWERED, _MISSING))
    assert table is not None
    return table


def _circumstances(entry: Entry) -> dict[Column, Cell]:
    """What is not a metric."""

    def common(*path: str) -> Cell:
        return _common(at(record, *path) for record in entry.records)

    def mean(name: str) -> float | None:
        return _mean(at(record, "compute", name) for record in entry.records)

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
    own = at(record, "model", "training", "data")
    fitted = at(record, "protocol", "data", "train")
    if record["kind"] == "classical":
        return str(fitted) if fitted else None
    if record["kind"] == "features":
        return f"{own or 'unknown'}; classifier: {fitted}"
    return None if own is None else str(own)


def _epoch(record: Record) -> str | None:
    rule = at(record, "epoch", "rule")
    known = at(record, "epoch", "on_test") is not None
    return rule if known else f"{rule or 'not said'}; not known whether the test part chose it"


def _device(record: Record) -> str | None:
    device, threads = at(record, "compute", "device"), at(record, "compute", "threads")
    return f"{device}, {threads} threads" if device == "cpu" and threads else device


def _licence(record: Record) -> str | None:
    licence = at(record, "model", "licence")
    return licence.get("weights") if licence else None


def _published(group: Group, rows: Sequence[PublishedRow]) -> Table | None:
    names = {name for row in rows for name in row.metrics}
    columns = _metric_columns(name for name in ORDER if name in names)
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
    return make_table("published", "Published, as the papers say", cells, columns)


def _other_figures(facts: Sequence[PublishedFact]) -> Table | None:
    """What papers report that no metric here measures."""
    rows: list[dict[Column, Cell]] = [
        {
            _SYSTEM: fact.system,
            Column("what"): fact.what,
            Column("value"): " ".join(part for part in (str(fact.value), fact.unit) if part),
            _SOURCE: ", ".join(part for part in (fact.source, fact.table) if part),
            _NOTES: fact.note,
        }
        for fact in facts
    ]
    return make_table("other", "Published, of other kinds", rows)


def _claimed(group: Group, ranked: Sequence[Entry]) -> Table | None:
    """Claims about the tested data set; the difference only where the split is the same."""
    protocol, rows = group.protocol, []
    for entry in ranked:
        for label, record in entry.runs():
            for claim in record.get("claimed") or ():
                if claim.get("data") != protocol["data"]["test"]:
                    continue
                same = claim.get("split") == group.split and protocol["folds"] == 1
                rows += [
                    _claim(label, record, claim, name, same) for name in claim if name in record["metrics"]
                ]
    return make_table("claimed", "Claimed by the weights, beside what was measured", rows)


def _claim(
    label: str, record: Record, claim: Mapping[str, Any], metric: str, same: bool
) -> dict[Column, Cell]:
    claimed = claim[metric]
    measured = record["metrics"][metric]["value"] if same else None
    difference = measured - claimed if has_value(claimed) and has_value(measured) else None
    return {
        _SYSTEM: label,
        Column("metric"): title(metric),
        Column("claimed", "what the weights' own metadata say"): claimed,
        Column("measured", "on the faces of this table; only for the same split"): measured,
        Column("difference", "measured less claimed, or first less second"): difference,
        Column("split"): claim.get("split"),
        Column("faces claimed"): claim.get("faces"),
        Column("faces measured"): at(record, "faces", "predicted") if same else None,
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
        yield make_table(f"{name}-{measure}", f"{what} by class{ending}", rows)


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
    return make_table("normalised", caption, rows, _metric_columns(names))


def _folds(group: Group, ranked: Sequence[Entry]) -> Table | None:
    rows: list[dict[Column, Cell]] = []
    for entry in ranked:
        for label, record in entry.runs():
            folds = record.get("folds") or ()
            figures = {Column(f"fold {f['fold']}"): at(f, "metrics", group.main) for f in folds}
            rows += [{_SYSTEM: label, **figures}] if len(folds) > 1 else []
    return make_table("folds", f"{title(group.main)} by fold", rows)


def _cross(found: Sequence[Group]) -> Table | None:
    """As Table 4 of Ulloa Rodriguez, 2019: what a system was trained on by what it is tested on."""
    rows: dict[tuple[str, Cell], dict[Column, Cell]] = {}
    for group in found:
        name = f"{group.heading}, {group.protocol['hash'][:8]}" if group.warning else group.heading
        column = Column(f"{name}: {title(group.main)}")
        for entry in entries(group):
            trained = _common(_trained_on(record) for record in entry.records)
            row = rows.setdefault((entry.label, trained), {_SYSTEM: entry.label, _TRAINED: trained})
            row[column] = entry.metrics.get(group.main)
    return make_table("cross", "Across data sets", list(rows.values()))


def _comparisons(comparisons: Sequence[Mapping[str, Any]]) -> Table | None:
    rows: list[dict[Column, Cell]] = [
        {
            Column("first"): one["first"],
            Column("second"): one["second"],
            Column("on"): one["group"],
            Column("metric"): title(one["metric"]),
            Column("difference", "measured less claimed, or first less second"): figure(
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
    return make_table("comparisons", "Comparisons of two systems on the same faces", rows)


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
    table = make_table("hardware", "Hardware and versions", rows)
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
        left_out = at(record, "faces", "left_out") or {}
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

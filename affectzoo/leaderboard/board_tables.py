"""The tables of one group: what was measured here, what papers report, what weights claim of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from affectzoo.leaderboard.groups import ON_TEST, Entry, Figures, Group, Record, at, has_value, own_warnings
from affectzoo.leaderboard.papers import PublishedFact, PublishedRow
from affectzoo.leaderboard.tables import Cell, Column, Table, make_table, text
from affectzoo.metrics.names import METRICS, ORDER, family, title

SYSTEM = Column("system", "name given on the command line; several runs of one recipe share a row")
KIND = Column(
    "kind",
    "zoo: a model; features: a classifier on a model's features; classical: a classifier on computed "
    "features; external: another system's outputs",
)
TRAINED = Column("trained on", "data that the system has learned from")
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
    known = METRICS.get(family(metric))
    explanation = "" if known is None else known.explanation
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


_RUNS = Column("runs", "records in the row; with several, figures are mean ± standard deviation over runs")
_ANSWERED = Column("answered", "faces that the system answered for; its metrics are over these")
_MISSING = Column("missing", "faces without an answer")
_DETECTOR = Column(
    "faces cut by", "detector that found the faces; without one, they are as the data set has them"
)
_PARAMETERS = Column("parameters", "of the model")
_GFLOPS = Column("GFLOPs", "floating-point operations per face, in billions")
_LATENCY = Column(
    "latency (ms)", "milliseconds for one face; of a model for clips, a frame's share of its window", 2
)
_THROUGHPUT = Column("faces/s", "faces per second in large batches", 1)
_TIMED = Column("timed on", "device of latency and faces per second")
_LICENSE = Column("license", "of the weights")


def damage_table(group: Group, ranked: Sequence[Entry]) -> Table | None:
    """The main metric over all faces, made worse, a row per damage; ``None`` where nobody measured it.

    Args:
        group: Whose faces these are.
        ranked: Its systems.
    """
    rows: dict[str, dict[Column, Cell]] = {}
    for entry in ranked:
        told = [record["per_damage"] for record in entry.records if "per_damage" in record]
        for name in told[0] if told else ():
            values = [one[name].get(group.main) for one in told]
            known = [value for value in values if has_value(value)]
            row = rows.setdefault(name, {Column("damage", "to faces of 48 pixels"): name})
            row[Column(entry.label)] = fmean(known) if known else None
    what = f"{title(group.main)} on faces made worse"
    return make_table("damage", what, list(rows.values()))


def measured_table(group: Group, ranked: Sequence[Entry], metrics: Sequence[str]) -> Table:
    """A row per system: its metrics and the circumstances of its measurement.

    Args:
        group: Whose faces these are.
        ranked: Its systems.
        metrics: Those to show.
    """
    some_missing = any(at(record, "faces", "missing") for record in group.records)
    meaning = "faces without an answer count as wrong, or as 0"
    all_faces = [Column(f"{metric_column(group.main, t).title}, all faces", meaning) for t in (False, True)]
    rows = []
    for entry in ranked:
        cells: dict[Column, Cell] = {SYSTEM: entry.system, **metric_cells(entry, entry.metrics, metrics)}
        if some_missing:
            cells[all_faces[entry.on_test]] = entry.metrics_all.get(group.main)
        rows.append(cells | _circumstances(entry))
    columns = [*metric_columns(metrics), *all_faces]
    table = make_table(
        "measured", "Measured here", rows, columns, (metric_column(group.main), _ANSWERED, _MISSING)
    )
    assert table is not None
    return table


def further_table(ranked: Sequence[Entry], metrics: Sequence[str]) -> Table | None:
    """The metrics that the first table excludes."""
    rows = [{SYSTEM: entry.system, **metric_cells(entry, entry.metrics, metrics)} for entry in ranked]
    return make_table("further", "Further metrics", rows, metric_columns(metrics))


def normalised_table(ranked: Sequence[Entry]) -> Table | None:
    """The skew-normalised metrics, where there are any."""
    rows = [{SYSTEM: e.system, **metric_cells(e, e.normalised, e.normalised)} for e in ranked if e.normalised]
    names = dict.fromkeys(name for entry in ranked for name in entry.normalised)
    caption = "Skew-normalised: as if all classes were equally frequent"
    return make_table("normalised", caption, rows, metric_columns(names))


def folds_table(group: Group, ranked: Sequence[Entry]) -> Table | None:
    """The main metric of each run by fold, where there are several."""
    rows: list[dict[Column, Cell]] = []
    for entry in ranked:
        for label, record in entry.runs():
            folds = record.get("folds") or ()
            figures = {Column(f"fold {f['fold']}"): at(f, "metrics", group.main) for f in folds}
            rows += [{SYSTEM: label, **figures}] if len(folds) > 1 else []
    return make_table("folds", f"{title(group.main)} by fold", rows)


def _circumstances(entry: Entry) -> dict[Column, Cell]:
    """What is not a metric."""

    def told(*path: str) -> Cell:
        return common(at(record, *path) for record in entry.records)

    def mean(name: str) -> float | None:
        return _mean(at(record, "compute", name) for record in entry.records)

    flops = mean("flops")
    return {
        KIND: told("kind"),
        _RUNS: len(entry.records),
        _ANSWERED: told("faces", "predicted"),
        _MISSING: told("faces", "missing"),
        _DETECTOR: told("protocol", "detector"),
        TRAINED: common(trained_on(record) for record in entry.records),
        EPOCH: common(_epoch(record) for record in entry.records),
        _PARAMETERS: told("compute", "parameters"),
        _GFLOPS: None if flops is None else flops / 1e9,
        _LATENCY: mean("latency_ms"),
        _THROUGHPUT: mean("throughput"),
        _TIMED: common(_device(record) for record in entry.records),
        _LICENSE: common(_license(record) for record in entry.records),
        NOTES: "; ".join(entry.notes()),
    }


def _epoch(record: Record) -> str | None:
    rule = at(record, "epoch", "rule")
    known = at(record, "epoch", "on_test") is not None
    return rule if known else f"{rule or 'not said'}; not known whether the test part chose it"


def _device(record: Record) -> str | None:
    device, threads = at(record, "compute", "device"), at(record, "compute", "threads")
    return f"{device}, {threads} threads" if device == "cpu" and threads else device


def _license(record: Record) -> str | None:
    license = at(record, "model", "licence")
    return license.get("weights") if license else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


_PUBLISHED_EPOCHS = {
    "test": ON_TEST,
    "valid": "best on the validation part",
    "last": "the last one",
    "none": "there are none",
}
_SOURCE = Column("source", "where the figure was published")
_COMPARABLE = Column(
    "comparable", "whether the published figure is of the same faces and rules and, if not, why"
)


def published_table(group: Group, rows: Sequence[PublishedRow]) -> Table | None:
    """What papers report of the group's protocol, or of one whose figures are shown beside.

    Args:
        group: Beside which it stands.
        rows: The papers' figures.
    """
    names = {name for row in rows for name in row.metrics}
    columns = metric_columns(name for name in ORDER if name in names)
    same = "with the protocol; this copy differs, see above" if own_warnings(group) else "yes"
    cells: list[dict[Column, Cell]] = []
    for row in rows:
        elsewhere = "" if row.protocol == group.name else f"it belongs to {row.protocol}"
        why_not = "; ".join(why for why in (elsewhere, row.why_not) if why)
        cells.append(
            {
                SYSTEM: row.system,
                **{metric_column(name, row.epoch == "test"): value for name, value in row.metrics.items()},
                **{Column(f"{title(n)}, skew-normalised"): value for n, value in row.normalised.items()},
                KIND: row.kind,
                EPOCH: _PUBLISHED_EPOCHS.get(row.epoch, row.epoch),
                _COMPARABLE: f"no: {why_not}" if elsewhere or not row.comparable else same,
                _SOURCE: f"{row.source}, {row.table}",
                NOTES: ". ".join(note for note in (row.note, row.epoch_note) if note),
            }
        )
    return make_table("published", "Published, as the papers say", cells, columns)


def other_table(facts: Sequence[PublishedFact]) -> Table | None:
    """What papers report that no metric here measures."""
    rows: list[dict[Column, Cell]] = [
        {
            SYSTEM: fact.system,
            Column("what"): fact.what,
            Column("value"): " ".join(part for part in (str(fact.value), fact.unit) if part),
            _SOURCE: ", ".join(part for part in (fact.source, fact.table) if part),
            NOTES: fact.note,
        }
        for fact in facts
    ]
    return make_table("other", "Published, of other kinds", rows)


def claimed_table(group: Group, ranked: Sequence[Entry]) -> Table | None:
    """Claims about the tested data set; the difference only where the split is the same."""
    protocol, rows = group.protocol, []
    for entry in ranked:
        for label, record in entry.runs():
            for claim in record.get("claimed") or ():
                if claim.get("data") != protocol["data"]["test"]:
                    continue
                same = claim.get("split") == group.split and protocol.get("folds", 1) == 1
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
        SYSTEM: label,
        Column("metric"): title(metric),
        Column("claimed", "what the weights' own metadata say"): claimed,
        Column("measured", "on the faces of this table; only for the same split"): measured,
        Column("difference", "measured less claimed, or first less second"): difference,
        Column("split"): claim.get("split"),
        Column("faces claimed"): claim.get("faces"),
        Column("faces measured"): at(record, "faces", "predicted") if same else None,
    }

"""Tables of what was measured here on the faces of one group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from affectzoo.leaderboard.columns import (
    EPOCH,
    KIND,
    NOTES,
    SYSTEM,
    TRAINED,
    common,
    metric_cells,
    metric_column,
    metric_columns,
    trained_on,
)
from affectzoo.leaderboard.groups import Entry, Group, Record, at, title
from affectzoo.leaderboard.tables import Cell, Column, Table, make_table

_RUNS = Column("runs", "records in the row; with several, figures are mean ± standard deviation over runs")
_ANSWERED = Column("answered", "faces that the system answered for; its metrics are over these")
_MISSING = Column("missing", "faces without an answer")
_DETECTOR = Column(
    "faces cut by", "detector that found the faces; without one, they are as the data set has them"
)
_PARAMETERS = Column("parameters", "of the model")
_GFLOPS = Column("GFLOPs", "floating-point operations per face, in billions")
_LATENCY = Column(
    "latency, ms", "milliseconds for one face; of a model for clips, a frame's share of its window", 2
)
_THROUGHPUT = Column("faces/s", "faces per second in large batches", 1)
_TIMED = Column("timed on", "device of latency and faces per second")
_LICENCE = Column("licence", "of the weights")


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
    """The metrics that the first table leaves out."""
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
        _LICENCE: common(_licence(record) for record in entry.records),
        NOTES: "; ".join(entry.notes()),
    }


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


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None

"""What was measured of weights, ready to show: from a benchmark's records, or as a training run claims it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affectzoo.hub.cards.commands import measure_command
from affectzoo.hub.cards.facts import UNKNOWN
from affectzoo.hub.portable import portable_command
from affectzoo.leaderboard.board import board
from affectzoo.leaderboard.groups import BASIC, ON_TEST, Entry, Group, at, entries, groups
from affectzoo.leaderboard.tables import Cell, Column, Figure, Table, make_table
from affectzoo.metrics.names import family, title
from affectzoo.registry import DATASETS
from affectzoo.weights import WeightsMeta

CLAIMED = "claimed by the training run"
_ANSWERS = {True: "yes", False: "no", None: "not known"}


@dataclass(frozen=True)
class Result:
    """What was measured on some faces, ready to show.

    Attributes:
        title: Of the protocol.
        data: The data set.
        split: Its part; ``None`` for all of it.
        faces: Their number.
        task: What was measured, see ``BASIC``.
        marks: What must stand wherever a figure stands, such as ``rendered faces``.
        warnings: What else must be read before the figures.
        facts: Which faces, how measured.
        figures: By metric, over all faces.
        tables: All figures.
        command: Measures it again; ``None`` where that is not known.
        key: The record's; ``None`` without a record.
    """

    title: str
    data: str
    split: str | None
    faces: int | None
    task: str
    marks: tuple[str, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, Cell]
    figures: Mapping[str, Figure | None]
    tables: tuple[Table, ...]
    command: str | None
    key: str | None = None


def results_of(
    meta: WeightsMeta, records: Sequence[Mapping[str, Any]], reference: str, recipe: str | None
) -> list[Result]:
    """Records, and claims about parts of data sets that no record is about; those with a mark come last.

    Args:
        meta: What the weights mean, with what their training claims.
        records: Of a benchmark, of these weights.
        reference: What to load them by.
        recipe: The one that they were trained with, where it is known.
    """
    measured = [_measured(record, reference) for record in records]
    known = {(result.data, result.split) for result in measured}
    claimed = [
        _claimed(meta, claim, reference, recipe)
        for claim in meta.metrics
        if (claim.get("data"), claim.get("split")) not in known
    ]
    return sorted([*measured, *claimed], key=lambda result: bool(set(result.marks) - {CLAIMED}))


def _measured(record: Mapping[str, Any], reference: str) -> Result:
    (group,) = groups([record])
    (entry,) = entries(group)
    shown, protocol, faces = board(group, ()), record["protocol"], record["faces"]
    missing = f"{faces['missing']:,} of {faces['total']:,}" if faces["missing"] else "none"
    facts: dict[str, Cell] = {k: v for k, v in shown.facts.items() if k not in ("What", "Sorted by")}
    facts |= {
        "Faces without an answer": missing,
        "Faces found by": protocol.get("detector") or "the data set's own boxes or crops",
        "These faces chose the epoch": _ANSWERS[at(record, "epoch", "on_test")],
    }
    notes = [protocol["note"]] if protocol.get("note") else []
    marks = (*notes, *([ON_TEST] if entry.on_test else []))
    folds = protocol.get("folds", 1)
    each = [f"Means over the models of {folds} folds; this is one of them"] if folds > 1 else []
    return Result(
        title=protocol["title"],
        data=protocol["data"]["test"],
        split=group.split,
        faces=faces["total"],
        task=protocol["task"],
        marks=marks,
        warnings=tuple(told for told in (*each, *shown.warnings, *entry.notes()) if told not in marks),
        facts=facts,
        figures=entry.metrics_all,
        tables=tuple(_measured_tables(record, group, entry)),
        command=portable_command(record["command"], reference),
        key=record["key"],
    )


def _measured_tables(record: Mapping[str, Any], group: Group, entry: Entry) -> Iterator[Table]:
    over_all = entry.metrics_all if record.get("metrics_all") else {}
    rows: list[dict[Column, Cell]] = [
        {
            Column("metric"): title(name),
            Column("value"): value,
            Column("over all faces, those without an answer as wrong or 0"): over_all.get(name),
            Column("skew-normalised"): entry.normalised.get(name),
        }
        for name, value in entry.metrics.items()
    ]
    yield from _known(make_table("metrics", "", rows))
    for name, parts in record.items():
        if name.startswith("per_"):
            yield from _known(_part_table(name.removeprefix("per_"), parts))
    by_fold: list[dict[Column, Cell]] = [
        {
            Column("fold"): str(fold["fold"]),
            Column("faces"): fold["faces"],
            **{Column(title(n)): v for n, v in fold["metrics"].items() if family(n) == group.main},
        }
        for fold in record.get("folds") or ()
        if len(record["folds"]) > 1
    ]
    yield from _known(make_table("folds", "", by_fold))


def _part_table(what: str, parts: Mapping[str, Mapping[str, Cell]]) -> Table | None:
    """Figures by class or by group: a row for each."""
    counts = {"support": "faces", "faces": "faces"}
    rows: list[dict[Column, Cell]] = [
        {
            Column(what): name,
            **{
                Column(counts.get(measure, title(measure)), digits=0 if measure in counts else 4): value
                for measure, value in measures.items()
            },
        }
        for name, measures in parts.items()
    ]
    return make_table(what, "", rows)


def _known(table: Table | None) -> Iterator[Table]:
    yield from () if table is None else (table,)


def _claimed(meta: WeightsMeta, claim: Mapping[str, Any], reference: str, recipe: str | None) -> Result:
    data, split, clips = claim.get("data"), claim.get("split"), claim.get("per_clip", {})
    figures = {name: Figure(value) for name, value in claim.items() if isinstance(value, float)}
    rows: list[dict[Column, Cell]] = [
        {Column("metric"): title(name), Column("value"): value, Column("per clip"): clips.get(name)}
        for name, value in figures.items()
    ]
    support, recall = claim.get("support", {}), claim.get("recall", {})
    classes = {name: {"support": support.get(name), "recall": value} for name, value in recall.items()}
    tables = (make_table("metrics", "", rows), _part_table("class", classes))
    whole = DATASETS[str(data)].title if data in DATASETS else str(data or UNKNOWN)
    chosen = _chose_epoch(meta, data, split)
    return Result(
        title=f"{whole}, {split or 'unknown'} part",
        data=str(data or UNKNOWN),
        split=split,
        faces=claim.get("faces"),
        task=meta.task if meta.task in BASIC else "va",
        marks=(CLAIMED, *([ON_TEST] if chosen else [])),
        warnings=(),
        facts={
            "Faces": claim.get("faces"),
            "Clips": clips.get("clips"),
            "Intervals": "none",
            "These faces chose the epoch": _ANSWERS[chosen],
        },
        figures=figures,
        tables=tuple(table for table in tables if table is not None),
        command=measure_command(meta, reference, recipe, split) if recipe else None,
    )


def _chose_epoch(meta: WeightsMeta, data: Any, split: Any) -> bool | None:
    """Whether a part of a data set chose the epoch; ``None`` where that is not known."""
    rule = meta.training.get("epoch_rule")
    if rule is None:
        return None
    if rule.startswith("last") or data != meta.training.get("data"):
        return False
    return True if split == "valid" else None


def by_group(record: Mapping[str, Any]) -> bool:
    """Whether a record has figures for groups of people."""
    return any(name.startswith("per_") and name != "per_class" for name in record)

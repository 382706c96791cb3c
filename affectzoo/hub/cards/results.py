"""What records say of weights, ready to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affectzoo.hub.public_records import portable_command
from affectzoo.leaderboard.board import board
from affectzoo.leaderboard.groups import ON_TEST, Entry, Group, at, entries, groups
from affectzoo.leaderboard.tables import Cell, Column, Figure, Table, make_table
from affectzoo.metrics.names import family, title

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
        chose_epoch: Whether these faces chose the epoch; ``None`` where that is not known.
        command: Measures it again.
        key: The record's.
    """

    title: str
    data: str
    split: str | None
    faces: int
    task: str
    marks: tuple[str, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, Cell]
    figures: Mapping[str, Figure | None]
    tables: tuple[Table, ...]
    chose_epoch: bool | None
    command: str
    key: str


def results_of(records: Sequence[Mapping[str, Any]], reference: str) -> list[Result]:
    """Make records ready to show; those with a mark come last.

    Args:
        records: Of these weights.
        reference: What to load them by.
    """
    return sorted((_measured(record, reference) for record in records), key=lambda result: bool(result.marks))


def _measured(record: Mapping[str, Any], reference: str) -> Result:
    (group,) = groups([record])
    (entry,) = entries(group)
    shown, protocol, faces = board(group, ()), record["protocol"], record["faces"]
    missing = f"{faces['missing']:,} of {faces['total']:,}" if faces["missing"] else "none"
    facts: dict[str, Cell] = {k: v for k, v in shown.facts.items() if k not in ("What", "Sorted by")}
    facts |= {
        "Faces without an answer": missing,
        "Faces found by": protocol.get("detector") or "the data set's own boxes or crops",
        "Clips": (record.get("clips") or {}).get("clips"),
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
        chose_epoch=at(record, "epoch", "on_test"),
        command=portable_command(record["command"], reference),
        key=record["key"],
    )


def _measured_tables(record: Mapping[str, Any], group: Group, entry: Entry) -> Iterator[Table]:
    clips = (record.get("clips") or {}).get("metrics", {})
    over_all = entry.metrics_all if record.get("metrics_all") else {}
    rows: list[dict[Column, Cell]] = [
        {
            Column("metric"): title(name),
            Column("value"): value,
            Column("over all faces, those without an answer as wrong or 0"): over_all.get(name),
            Column("skew-normalised"): entry.normalised.get(name),
            Column("per clip"): clips.get(name, {}).get("value"),
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


def by_group(record: Mapping[str, Any]) -> bool:
    """Whether a record has figures for groups of people."""
    return any(
        name.startswith("per_") and name not in ("per_class", "per_damage", "per_threshold")
        for name in record
    )

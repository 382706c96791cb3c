"""The leaderboard: a board for every set of faces, and what goes across them.

Figures can be compared only on the same faces, so every set of faces has tables of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affectzoo.leaderboard.board import Board, board
from affectzoo.leaderboard.columns import SYSTEM, TRAINED, common, trained_on
from affectzoo.leaderboard.groups import Group, Record, at, entries, figure, groups, title
from affectzoo.leaderboard.published import PublishedFact, PublishedRow
from affectzoo.leaderboard.tables import Cell, Column, Table, make_table


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


def _cross(found: Sequence[Group]) -> Table | None:
    """As Table 4 of Ulloa Rodriguez, 2019: what a system was trained on by what it is tested on."""
    rows: dict[tuple[str, Cell], dict[Column, Cell]] = {}
    for group in found:
        name = f"{group.heading}, {group.protocol['hash'][:8]}" if group.warning else group.heading
        column = Column(f"{name}: {title(group.main)}")
        for entry in entries(group):
            trained = common(trained_on(record) for record in entry.records)
            row = rows.setdefault((entry.label, trained), {SYSTEM: entry.label, TRAINED: trained})
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

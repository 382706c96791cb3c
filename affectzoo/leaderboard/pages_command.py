"""``affectzoo leaderboard``: the pages of a folder of records, and what the screen shows of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.console import stdout
from affectzoo.leaderboard.board import shown_metrics, warnings_of
from affectzoo.leaderboard.board_tables import measured_table
from affectzoo.leaderboard.groups import Entry, Group, Record, entries, groups
from affectzoo.leaderboard.report import gather, report
from affectzoo.leaderboard.tables import text

if TYPE_CHECKING:
    from rich.table import Table as RichTable

LEFT_TO_THE_PAGE = ("epoch", "license", "timed on", "kind", "trained on", "GFLOPs", "runs", "notes")
"""Columns of the pages that the screen has no room for."""


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo leaderboard``: write the pages of a folder of records anew.

    Raises:
        AffectZooError: There are no records, or one is damaged.
    """
    pages = report(args.folder, lambda text: print(text, file=sys.stderr), args.record)
    records = gather(args.folder, args.record)
    show(records, {record["key"] for record in records}, pages)


def show(records: Sequence[Record], keys: set[str], pages: Sequence[Path]) -> None:
    """Print the tables of groups that have one of the keys, and where the pages are."""
    console = stdout()
    for group in groups(records):
        if any(record["key"] in keys for record in group.records):
            console.print(_table(group))
    console.print(f"leaderboard: {pages[1]}, {pages[0]}")


def _notes(ranked: Sequence[Entry]) -> list[str]:
    """What readers should know of rows, in few words; systems of one note share a line."""
    systems: dict[str, dict[str, None]] = {}
    for entry in ranked:
        for note in entry.notes():
            systems.setdefault(note.partition(": ")[0], {})[entry.label] = None
    return [f"{', '.join(names)}: {note}" for note, names in systems.items()]


def _table(group: Group) -> RichTable:
    """The group's measured systems, with what readers should know in the caption."""
    from rich.table import Table as RichTable

    ranked = entries(group)
    measured = measured_table(group, ranked, shown_metrics(group, ranked)[0])
    table = RichTable(
        title=group.heading,
        caption="\n".join((*warnings_of(group, ranked), *_notes(ranked))),
        title_justify="left",
        caption_justify="left",
    )
    shown = [i for i, column in enumerate(measured.columns) if column.title not in LEFT_TO_THE_PAGE]
    columns = [measured.columns[i] for i in shown]
    for i, column in enumerate(columns):
        table.add_column(column.title, justify="right" if i else "left", no_wrap=i == 0)
    for row in measured.rows:
        table.add_row(*(text(row[i], column.digits) for i, column in zip(shown, columns, strict=True)))
    return table

"""Tables of figures with their spreads: what the leaderboard is made of, whatever shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from affectzoo import console


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
        full: The figure whose cell has the full color, as 0 has none; ``None``: cells have no colors.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    full: float | None = None


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


def make_table(
    name: str,
    caption: str,
    rows: Sequence[Mapping[Column, Cell]],
    columns: Iterable[Column] = (),
    always: Iterable[Column] = (),
    full: float | None = None,
) -> Table | None:
    """A table of the columns in which a row says something.

    Args:
        name: For anchors.
        caption: Above it.
        rows: Cells by column, the row's name first.
        columns: Order of the columns beside the first; by default as they occur.
        always: Columns to keep when no row says anything.
        full: See ``Table``.

    Returns:
        ``None`` where only the first column would remain.
    """
    first = next(iter(rows[0])) if rows else None
    order = dict.fromkeys([*columns, *(column for row in rows for column in row)])
    kept = [c for c in order if c != first and (c in always or any(text(row.get(c)) != "-" for row in rows))]
    if first is None or not kept:
        return None
    shown = (first, *kept)
    cells = tuple(tuple(row.get(column) for column in shown) for row in rows)
    return Table(name, caption, shown, cells, full)


def markdown_table(table: Table) -> str:
    """The table in GitHub's Markdown."""
    lines = [[column.title for column in table.columns]]
    columns = zip(*table.rows, strict=True)
    lines.append(["---" if any(isinstance(cell, str) for cell in cells) else "---:" for cells in columns])
    lines += [
        [_with_spread(cell, column) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    return "\n".join(f"| {' | '.join(escaped(cell) for cell in line)} |" for line in lines)


def _with_spread(cell: Cell, column: Column) -> str:
    shown = text(cell, column.digits)
    return f"{shown} ({cell.spread})" if isinstance(cell, Figure) and cell.spread and shown != "-" else shown


def escaped(cell: str) -> str:
    """Escape a name for Markdown, on one line; names come from users."""
    return console.markdown(" ".join(cell.split()))

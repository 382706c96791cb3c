"""The leaderboard: a board for every set of faces and what goes across them, as Markdown and HTML pages.

Figures can be compared only on the same faces, so every set of faces has tables of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from jinja2.utils import urlize
from markupsafe import Markup, escape

from affectzoo.console import markdown_block, visible
from affectzoo.errors import AffectZooError, UnknownNameError
from affectzoo.files.writing import write_text
from affectzoo.leaderboard.board import Board, board
from affectzoo.leaderboard.board_tables import SYSTEM, TRAINED, common, trained_on
from affectzoo.leaderboard.groups import ON_TEST, Group, Record, at, entries, figure, groups
from affectzoo.leaderboard.papers import PublishedFact, PublishedRow
from affectzoo.leaderboard.tables import (
    Cell,
    Column,
    Figure,
    Table,
    escaped,
    make_table,
    markdown_table,
    number,
    text,
)
from affectzoo.metrics.names import title


@dataclass(frozen=True)
class Leaderboard:
    """The whole page.

    Attributes:
        date: When it was made, ``YYYY-MM-DD``.
        versions: Of affectzoo, that measured.
        boards: One per group, those of rendered faces last.
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
        published: Figures of papers; those of protocols without a record are excluded.
        comparisons: With ``group``, ``first``, ``second``, ``metric``, ``difference``, ``low``, ``high``,
            ``p_exact`` or ``None``, ``faces`` and ``verdict``.
        date: ``YYYY-MM-DD``.

    Raises:
        AffectZooError: There is no record.
    """
    found = sorted(groups(records), key=lambda group: group.rendered)
    versions = dict.fromkeys(str(at(record, "versions", "affectzoo") or "-") for record in records)
    return Leaderboard(
        date,
        tuple(versions),
        tuple(board(group, published) for group in found),
        _cross(found) if len(found) > 1 else None,
        _comparisons(found, comparisons),
        _hardware(records),
    )


def _cross(found: Sequence[Group]) -> Table | None:
    """As Table 4 of Ulloa Rodriguez, 2019: what a system was trained on by what it is tested on."""
    rows: dict[tuple[str, Cell], dict[Column, Cell]] = {}
    for group in found:
        column = Column(f"{group.short}: {title(group.main)}")
        for entry in entries(group):
            trained = common(trained_on(record) for record in entry.records)
            row = rows.setdefault((entry.label, trained), {SYSTEM: entry.label, TRAINED: trained})
            row[column] = entry.metrics.get(group.main)
    return make_table("cross", "Across data sets", list(rows.values()))


def _comparisons(found: Sequence[Group], comparisons: Sequence[Mapping[str, Any]]) -> Table | None:
    names = {group.id: group.short for group in found}
    rows: list[dict[Column, Cell]] = [
        {
            Column("first"): one["first"],
            Column("second"): one["second"],
            Column("difference", "measured less claimed, or first less second"): figure(
                [{"value": one["difference"], "low": one.get("low"), "high": one.get("high")}]
            ),
            Column("on"): names.get(one["group"], one["group"]),
            Column("metric"): title(one["metric"]),
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


TEMPLATE = Path(__file__).parent.parent / "assets" / "leaderboard.html.jinja"

Plots = Mapping[str, Sequence[tuple[str, Path]]]
"""By group id, caption and PNG file of each image."""

Links = Mapping[str, Sequence[tuple[str, str]]]
"""By group id, caption and link of each image."""

DETAILS = "details"
"""Folder of a page per group: what is too much for the page that is opened first."""

_OF_A_GROUP = re.compile(r".+-[0-9a-f]{8}(?:[0-9a-f]{4})?\.html")
"""Names of these pages: nothing else that lies there is removed."""

LONGEST = 32
"""Characters of a text that its cell shows as a whole."""

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


def write_leaderboard(
    out: Path,
    records: Sequence[Record],
    published: Sequence[PublishedRow | PublishedFact],
    comparisons: Sequence[Mapping[str, Any]],
    plots: Plots,
) -> tuple[Path, Path]:
    """Write ``leaderboard.md``, ``leaderboard.html`` and ``details/GROUP.html``, each whole or not at all.

    Args:
        out: Folder; made where it does not exist.
        records: What was measured.
        published: Figures of papers, of any protocol.
        comparisons: See ``leaderboard.leaderboard``.
        plots: Images, to which both link: a browser fetches those that come into view.

    Returns:
        Both files, Markdown first.

    Raises:
        AffectZooError: There is no record, or no such image.
        UnknownNameError: Images of a group that no record belongs to.
    """
    for path in (path for pictures in plots.values() for _, path in pictures):
        if not path.is_file():
            raise AffectZooError(f"leaderboard: there is no image {path}")
    page = leaderboard(records, published, comparisons, datetime.now(UTC).date().isoformat())
    files = contents(out, page, plots)
    for path, content in files.items():
        write_text(path, content)
    for old in set((out / DETAILS).glob("*.html")) - set(files):
        if _OF_A_GROUP.fullmatch(old.name):
            old.unlink()
    return out / "leaderboard.md", out / "leaderboard.html"


def contents(out: Path, page: Leaderboard, plots: Plots) -> dict[Path, str]:
    """What each file holds.

    Args:
        out: Folder that they are for.
        page: What to show.
        plots: Images, to which they link.

    Raises:
        UnknownNameError: Images of a group that no record belongs to.
    """
    near, deeper = _links(plots, out), _links(plots, out / DETAILS)
    files = {out / "leaderboard.md": markdown(page, near), out / "leaderboard.html": html(page, near)}
    return files | {out / DETAILS / f"{one.group.id}.html": html(page, deeper, one) for one in page.boards}


def _links(plots: Plots, folder: Path) -> Links:
    return {
        group: [(caption, quote(Path(os.path.relpath(path, folder)).as_posix())) for caption, path in images]
        for group, images in plots.items()
    }


def markdown(page: Leaderboard, plots: Links) -> str:
    """The leaderboard in GitHub's Markdown.

    Args:
        page: What to show.
        plots: By group id, caption and link of each image.

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
        lines += [
            f"{escaped(label)}:\n\n{markdown_block(command, 'shell')}" for label, command in one.commands
        ]
    for last in (page.cross, page.comparisons, page.hardware):
        if last is not None:
            lines += [f"## {escaped(last.caption)}", markdown_table(last)]
    return "\n\n".join(line for line in lines if line) + "\n"


def breakable(name: str) -> Markup:
    """A name with places to break it, after points, underscores and plus signs."""
    return Markup(re.sub(r"(?<=[._+])(?=\w)", "<wbr>", escape(visible(text(name)))))


def cells(table: Table, row: Sequence[Cell], sortable: bool) -> Markup:
    """A row of a table as HTML; cells of tables that are sorted keep their figure in full."""
    (first, *others) = zip(row, table.columns, strict=True)
    return Markup("").join(
        [_cell("th", *first, None, sortable), *(_cell("td", *o, table.full, sortable) for o in others)]
    )


def _cell(tag: str, cell: Cell, column: Column, full: float | None, sortable: bool) -> Markup:
    attributes = ' scope="row"' if tag == "th" else ""
    if isinstance(cell, str):
        shown = breakable(cell) if tag == "th" else escape(visible(text(cell), keep="\n\t"))
        if tag == "td" and cell:
            attributes = ' class="words"'
            if column.title == "source":
                shown = Markup(urlize(cell, rel="noopener noreferrer"))
            elif len(cell) > LONGEST:
                shown = Markup(f'<details class="long"><summary>{shown}</summary></details>')
    else:
        shown = escape(text(cell, column.digits))
        value = number(cell)
        if value is not None:
            attributes += f' data-value="{value}"' if sortable else ""
            attributes += f' style="--share: {100 * value / full:.0f}"' if full else ""
        if isinstance(cell, Figure) and cell.spread and value is not None:
            shown += Markup(f" <small>{escape(cell.spread)}</small>")
    return Markup(f"<{tag}{attributes}>{shown}</{tag}>")


def html(page: Leaderboard, plots: Links, only: Board | None = None) -> str:
    """The leaderboard as a page that asks for nothing but the images beside it.

    Args:
        page: What to show.
        plots: By group id, caption and link of each image.
        only: One of its boards, whose details to show in place of all boards' results.

    Raises:
        UnknownNameError: Images of a group that the page does not have.
    """
    known = [board.group.id for board in page.boards]
    for group in plots:
        if group not in known:
            raise UnknownNameError("group of plots", group, known)
    environment = Environment(
        autoescape=True,
        finalize=lambda value: visible(value, keep="\n\t") if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cells"] = cells
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(page=page, reading=READING, plots=plots, only=only)

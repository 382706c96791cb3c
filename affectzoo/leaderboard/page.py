"""The leaderboard as files: Markdown, and one HTML page that needs nothing beside it."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from affectzoo.console import markdown_block, visible
from affectzoo.errors import AffectZooError, UnknownNameError
from affectzoo.files.writing import write_text
from affectzoo.leaderboard.groups import ON_TEST, Record
from affectzoo.leaderboard.leaderboard import Leaderboard, leaderboard
from affectzoo.leaderboard.tables import Figure, escaped, markdown_table, number, text

if TYPE_CHECKING:
    from affectzoo.leaderboard.published import PublishedFact, PublishedRow

TEMPLATE = Path(__file__).parent.parent / "assets" / "leaderboard.html.jinja"

Plots = Mapping[str, Sequence[tuple[str, Path]]]
"""By group id, caption and PNG file of each picture."""

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
    """Write ``leaderboard.md`` and ``leaderboard.html``; each replaces an older one only when it is complete.

    Args:
        out: Folder; made where it does not exist.
        records: What was measured.
        published: Figures of papers, of any protocol.
        comparisons: See ``leaderboard.leaderboard``.
        plots: Pictures; linked in the Markdown, embedded in the HTML.

    Returns:
        Both files, Markdown first.

    Raises:
        AffectZooError: There is no record, or no such picture.
        UnknownNameError: Pictures of a group that no record belongs to.
    """
    page = leaderboard(records, published, comparisons, datetime.now(UTC).date().isoformat())
    links = {
        group: [(caption, quote(Path(os.path.relpath(path, out)).as_posix())) for caption, path in pictures]
        for group, pictures in plots.items()
    }
    contents = {"leaderboard.md": markdown(page, links), "leaderboard.html": html(page, plots)}
    for name, content in contents.items():
        write_text(out / name, content)
    return out / "leaderboard.md", out / "leaderboard.html"


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
        lines += [
            f"{escaped(label)}:\n\n{markdown_block(command, 'shell')}" for label, command in one.commands
        ]
    for last in (page.cross, page.comparisons, page.hardware):
        if last is not None:
            lines += [f"## {escaped(last.caption)}", markdown_table(last)]
    return "\n\n".join(line for line in lines if line) + "\n"


def html(page: Leaderboard, plots: Plots) -> str:
    """The leaderboard as one page without requests to anywhere.

    Args:
        page: What to show.
        plots: Pictures to embed.

    Raises:
        AffectZooError: There is no such picture.
        UnknownNameError: Pictures of a group that the page does not have.
    """
    known = [board.group.id for board in page.boards]
    for group in plots:
        if group not in known:
            raise UnknownNameError("group of plots", group, known)
    pictures = {g: [(caption, _embedded(path)) for caption, path in pairs] for g, pairs in plots.items()}
    environment = Environment(
        autoescape=True,
        finalize=lambda value: visible(value, keep="\n\t") if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"text": text, "number": number}
    environment.tests["figure"] = lambda cell: isinstance(cell, Figure)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(page=page, reading=READING, pictures=pictures)


def _embedded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AffectZooError(f"leaderboard: cannot read the picture {path}: {error.strerror}") from error
    return f"data:image/png;base64,{b64encode(content).decode()}"

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

from affectzoo.benchmark.groups import Record
from affectzoo.benchmark.leaderboard import READING, Leaderboard, leaderboard, markdown
from affectzoo.benchmark.tables import Figure, number, text
from affectzoo.errors import AffectZooError, UnknownNameError

if TYPE_CHECKING:
    from affectzoo.benchmark.published import PublishedFact, PublishedRow

TEMPLATE = Path(__file__).parent.parent / "assets" / "leaderboard.html.jinja"

Plots = Mapping[str, Sequence[tuple[str, Path]]]
"""By group id, caption and PNG file of each picture."""


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
    out.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        part = out / f"{name}.part"
        part.write_text(content, encoding="utf-8")
        part.replace(out / name)
    return out / "leaderboard.md", out / "leaderboard.html"


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

"""Show text: on screen, in CSV, JSON, Markdown and HTML, whatever file names and labels hold.

Names of files, labels, and errors that quote them come from outside. The consoles made here read no markup
in strings and show control characters instead of sending them, so what is printed through them needs no
escaping; use ``rich.text.Text`` or ``style=`` for color.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Column, Table

WIDTH = 200
"""Columns where the output goes into a file or a pipe: tables stay whole."""

NARROW = 12
"""Columns that a table's column of text keeps at least; the last ones are dropped before."""

# Control characters, line separators, marks that turn the direction of text, and surrogates (bytes of names
# that are not UTF-8).
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# Text that spreadsheets take for a formula.
_FORMULA = re.compile(r"'*[=+\-@]")
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~$]|(?<!\w)_|_(?!\w)")


class HelpTexts(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs as the terminal is wide; those with indented lines, such as examples, stay."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip("\n").split("\n\n")
        return "\n\n".join(
            paragraph if "\n " in paragraph else textwrap.fill(paragraph, width) for paragraph in paragraphs
        )


def stdout() -> Console:
    """Make a console for standard output, as wide as the terminal where there is one."""
    return _console_class()(width=None if sys.stdout.isatty() else WIDTH, **_PLAIN)


def stderr() -> Console:
    """Make a console for standard error: progress bars and remarks."""
    return _console_class()(stderr=True, **_PLAIN)


_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}


@cache
def _console_class() -> type[Console]:
    """Load rich when something is printed, not before."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class VisibleConsole(Console):
        """A console to which strings, table cells too, are text and nothing else."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(visible(text, keep="\n\t"), **(options | {"markup": False}))

        def print(self, *objects: Any, **options: Any) -> None:
            for table in objects:
                if isinstance(table, Table):
                    _fit(table, self.width)
            super().print(*objects, **options)

    return VisibleConsole


def _fit(table: Table, width: int) -> None:
    """Drop the last columns of a table that would leave the others no room, and say so below it."""

    def least(column: Column) -> int:
        lines = [line for cell in (column.header, *column.cells) for line in str(cell).split("\n")]
        widest = max(map(len, lines), default=1)
        return 3 + (widest if column.no_wrap else min(widest, column.min_width or NARROW))

    shown = list(table.columns)
    while len(shown) > 1 and 1 + sum(map(least, shown)) > width:
        shown.pop()
    if len(shown) < len(table.columns):
        left_out = ", ".join(str(column.header) for column in table.columns[len(shown) :])
        told = f"not shown: {left_out}; widen the terminal, or use --json"
        table.caption = f"{told}\n{table.caption}" if table.caption else told
        table.caption_justify = "left"
        table.columns[:] = shown


def visible(text: str, keep: str = "") -> str:
    r"""Make control characters and undecodable bytes visible.

    Args:
        text: From outside.
        keep: Control characters that stay, such as a line break.

    Returns:
        The text with an escape such as ``\x1b`` or, for a byte that is not UTF-8, ``\xe9`` in their place.
    """

    def shown(match: re.Match[str]) -> str:
        character = match[0]
        code = ord(character)
        if character in keep:
            return character
        if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8, as Python reads it
            code -= 0xDC00
        return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")

    return _UNSEEN.sub(shown, text)


def counted(number: int, noun: str) -> str:
    """Say how many there are, such as ``1 face`` and ``1,200 faces``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def csv_cell(value: Any) -> Any:
    """Make a value safe in a CSV cell.

    Args:
        value: Text from outside, or anything else, which stays as it is.

    Returns:
        The visible text; one that spreadsheets would run as a formula begins with ``'``. Numbers stay.
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def plain_cell(value: Any) -> Any:
    """Undo the ``'`` of ``csv_cell``."""
    return value[1:] if isinstance(value, str) and value[:1] == "'" and _FORMULA.match(value) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def markdown(text: str) -> str:
    """Escape text for Markdown, table cells included."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(text).replace("&", "&amp;"))


def markdown_block(text: str, language: str = "") -> str:
    """Show lines as a code block of Markdown that they cannot end."""
    inside = visible(text, keep="\n\t")
    longest = max((len(run) for run in re.findall("`+", inside)), default=0)
    fence = "`" * max(3, 1 + longest)
    return f"{fence}{language}\n{inside}\n{fence}"


def html(text: str) -> str:
    """Escape text for HTML, attributes included."""
    return escape(visible(text, keep="\n\t"))


def json_text(value: Any, indent: int | None = 2, ascii_only: bool = False) -> str:
    r"""Write one valid JSON document.

    Args:
        value: Mappings, sequences, text, numbers (NumPy's, too), paths. Numbers that JSON lacks (NaN and
            infinity) become null.
        indent: Blanks per level; ``None`` for one line.
        ascii_only: Escape everything else, for terminals.

    Returns:
        Without a line break at the end. Undecodable bytes are escapes such as ``\udce9``, which Python reads
        back as they were.
    """
    text = json.dumps(_plain(value), indent=indent, ensure_ascii=ascii_only, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    print(json_text(value, ascii_only=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value

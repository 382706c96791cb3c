"""Where commands print for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 200
"""Columns where the output goes into a file or a pipe: tables stay whole."""


def stdout() -> Console:
    """Standard output, as wide as the terminal where there is one."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)

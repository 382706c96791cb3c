"""What is found of one part of an installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affectzoo.errors import AffectZooError
from affectzoo.files.guard import within

LIMIT = 300.0
"""Seconds that a check may take; a folder of a server that is gone may keep it for ever."""


@dataclass
class Part:
    """Facts, and what is wrong or good to know, in a sentence each.

    Attributes:
        name: What is examined.
        facts: By name; JSON-ready.
        faults: What is wrong, where, and what to do.
        notes: What is not wrong, but good to know.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def examine(name: str, check: Callable[[Part], None]) -> Part:
    """Make a check, of which nothing but a sentence is left when it fails.

    Args:
        name: Of the part.
        check: Adds to the part what it finds.
    """
    part = Part(name)
    try:
        within(LIMIT, lambda: check(part))
    except AffectZooError as error:
        part.faults.append(f"{name}: {error}")
    except Exception as error:  # whatever is broken: to tell it is what this is for
        told = " ".join(str(error).split())[:300]
        part.faults.append(f"{name}: could not be examined any further: {type(error).__name__}: {told}")
    return part


def shown(path: Path) -> str:
    """Show a path without the user's name, where it is in the user's folder."""
    home = Path.home()
    return str(Path("~", path.relative_to(home))) if path.is_relative_to(home) else str(path)

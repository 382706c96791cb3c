"""Collect what is wrong with single rows or files; outside a collection the first fault stops the reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from affectzoo.errors import DataError

_wanted: ContextVar[list[DataError] | None] = ContextVar("faults", default=None)


@contextmanager
def one_row() -> Iterator[None]:
    """Enclose what a reader does for one row, file or clip; where faults are collected, go on after one.

    Raises:
        DataError: The row is at fault, or its file cannot be read, and nobody collects faults.
    """
    try:
        yield
    except (DataError, OSError) as error:
        fault = error if isinstance(error, DataError) else unreadable(error)
        collected = _wanted.get()
        if collected is None:
            raise fault from None
        collected.append(fault)


@contextmanager
def all_faults() -> Iterator[list[DataError]]:
    """Let readers exclude rows at fault while it lasts, and note why; the list fills as they go."""
    collected: list[DataError] = []
    before = _wanted.set(collected)
    try:
        yield collected
    finally:
        _wanted.reset(before)


def unreadable(error: OSError) -> DataError:
    """Turn the system's error about a file into one that names the file and the reason."""
    return DataError(f"{error.filename}: cannot be read ({error.strerror or error})")

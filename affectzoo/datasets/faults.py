"""Faults of single rows: the first one stops a reader, unless someone wants them all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from affectzoo.errors import DataError

_wanted: ContextVar[list[DataError] | None] = ContextVar("faults", default=None)


@contextmanager
def one_row() -> Iterator[None]:
    """Around what a reader does for one row, file or clip; after a fault, it goes on with the next.

    Raises:
        DataError: The row is at fault and nobody collects faults.
    """
    try:
        yield
    except DataError as error:
        collected = _wanted.get()
        if collected is None:
            raise
        collected.append(error)


@contextmanager
def all_faults() -> Iterator[list[DataError]]:
    """While it lasts, readers leave rows at fault out and note why; the list fills as they go."""
    collected: list[DataError] = []
    before = _wanted.set(collected)
    try:
        yield collected
    finally:
        _wanted.reset(before)

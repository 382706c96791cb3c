"""Facial landmark sets: which point becomes which when a face is mirrored."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

IBUG = 68
"""Landmarks of the iBUG 300-W markup."""
OUTER_CORNERS = (36, 45)
"""The outer corners of the eyes among these, counted from 0."""


def _mirror(points: int, *pairs: tuple[int, int]) -> tuple[int, ...]:
    order = list(range(points))
    for left, right in pairs:
        order[left], order[right] = right, left
    return tuple(order)


def _runs(*runs: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Pairs (first + i, last - i) for ``count`` values of i, run by run."""
    return [(first + i, last - i) for first, last, count in runs for i in range(count)]


MIRROR: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        # eye centers, nose tip, mouth corners (RAF-DB's manual points)
        5: _mirror(5, (0, 1), (3, 4)),
        # iBUG: jaw, brows, nostrils, eyes (upper and lower lids), outer and inner lips
        68: _mirror(
            68,
            *_runs((0, 16, 8), (17, 26, 5), (31, 35, 2)),
            *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
            *_runs((48, 54, 3), (60, 64, 2)),
            *((59, 55), (58, 56), (67, 65)),
        ),
    }
)
"""By number of points: row i of a mirrored face is row ``MIRROR[n][i]`` of the original."""

"""The colors of drawings: of faces, of the plates that text stands on, and of lines."""

from __future__ import annotations

Color = tuple[int, int, int]

COLORS: tuple[Color, ...] = (
    *((255, 214, 64), (86, 196, 255), (255, 138, 101), (129, 230, 130)),
    *((240, 150, 255), (120, 255, 230), (255, 170, 200), (200, 200, 255)),
)
"""Of faces in turn, each bright, so that one dark plate suits all."""

DARK: Color = (16, 18, 22)
LIGHT: Color = (235, 237, 240)
GRAY: Color = (150, 154, 160)

COVER = 0.78
"""How much of a plate's dark shows."""


def color_of(number: int) -> Color:
    """Return the color of a face or track by its number, from 1."""
    return COLORS[(number - 1) % len(COLORS)]

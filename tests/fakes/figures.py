"""Figures that are composed, but not drawn, which takes most of the time of a benchmark's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from affectzoo.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAW = style._draw


def leave_blank(figure: Figure, path: Path) -> None:
    """Write an image of the figure's size with nothing on it."""
    if path.suffix != ".png":
        DRAW(figure, path)
        return
    width, height = (round(inches * style.DPI) for inches in figure.get_size_inches())
    Image.new("1", (width, height)).save(path)


@contextmanager
def figures(drawn: bool) -> Iterator[None]:
    """Draw them, or leave them blank."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "_draw", DRAW if drawn else leave_blank)
        yield

"""What the figures share: colors, titles, panels, legends and files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affectzoo.errors import DataError
from affectzoo.files.writing import writing

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7F7F7F")
"""Told apart also by those who see no red or green (Okabe and Ito), and a gray."""

COLORS = dict(zip(("train", "valid", "test"), PALETTE, strict=False))
"""Colors by part."""

DPI = 120


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure with its title, on as many lines as that needs.

    Args:
        width: Inches.
        height: Inches, without the title's further lines.
        title: Above everything.
    """
    from matplotlib.figure import Figure

    lines = textwrap.wrap(title, int(11 * width))
    figure = Figure(figsize=(width, height + 0.2 * max(0, len(lines) - 1)), dpi=DPI, layout="constrained")
    if lines:
        figure.suptitle("\n".join(lines), fontsize=11)
    return figure


def panel_grid(number: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure of square panels, three in a row."""
    columns = min(number, 3)
    rows = -(-number // columns)
    side = 4.4 if number < 3 else 3.3
    figure = new_figure(1.2 + side * columns, 0.6 + (side + 0.2) * rows, title)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in panels[number:]:
        unused.remove()
    return figure, panels[:number]


def panel_title(axes: Axes, name: str, count: str) -> None:
    """Name and count over a panel of ``panel_grid``; a name too long for it goes on below."""
    axes.set_title("\n".join([*textwrap.wrap(name, 42), count]), fontsize=8.5)


def plane(axes: Axes, limit: float = 1.05) -> None:
    """Make a panel the plane of valence and arousal, with its axes and the unit circle."""
    from matplotlib.patches import Circle

    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.axvline(0, color="0.6", linewidth=0.8)
    axes.add_patch(Circle((0, 0), 1, fill=False, color="0.25", linewidth=1.2))
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="valence", ylabel="arousal")
    axes.set_xticks(np.linspace(-1, 1, 5))
    axes.set_yticks(np.linspace(-1, 1, 5))


def count_norm(counts: Iterable[np.ndarray]) -> LogNorm:
    """One logarithmic color scale for the counts of all panels."""
    from matplotlib.colors import LogNorm

    return LogNorm(1, max(2, *(cells.max() for cells in counts)))


def legend_below(figure: Figure, *panels: Axes) -> None:
    """One legend under the figure, with what was labeled on some panels, in as many columns as fit."""
    handles: list[Artist] = []
    labels: list[str] = []
    for axes in panels:
        more_handles, more_labels = axes.get_legend_handles_labels()
        handles += more_handles
        labels += more_labels
    widest = max(len(label) for label in labels)
    columns = max(1, min(len(labels), int(10 * figure.get_figwidth() / (widest + 6))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def require(things: Sized, figure: str) -> None:
    """Refuse to draw nothing.

    Raises:
        DataError: There is nothing in ``things``.
    """
    if len(things) == 0:
        raise DataError(f"{figure}: nothing to draw")


def save(figure: Figure, path: Path) -> None:
    """Write a figure, and the folder where it goes, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if isinstance(text, Text) and "$" in text.get_text():  # names are no formulas
            text.set_parse_math(False)
    with writing(path) as part:
        _draw(figure, part)


def _draw(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its file's ending."""
    figure.savefig(path, dpi=DPI)
    if path.suffix != ".png":
        return
    from PIL import Image

    with Image.open(path) as image:  # 256 colors serve a plot, and many in a page are a third of the size
        small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)

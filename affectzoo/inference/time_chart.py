"""A video's predictions over time, person by person: probabilities as areas, valence and arousal as lines."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from affectzoo.console import counted, visible
from affectzoo.inference.results import FaceResult
from affectzoo.metrics.names import DIMENSIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRACKS = 6
"""How many people a chart shows: those that were seen for longest."""

GAP = 4
"""A person who is not found for so many times the usual step between frames leaves a gap in the chart."""


class TimeChart:
    """Collects a video's predictions, a few numbers for each face, and draws them at the end."""

    def __init__(self, title: str, path: Path) -> None:
        """Say what it is of.

        Args:
            title: Such as the video's name.
            path: The ``.png`` file that it becomes.
        """
        self._title, self._path = title, path
        self._names: tuple[str, ...] | None = None
        self._values: dict[int, array[float]] = {}
        self._steps: list[float] = []
        self._last: float | None = None

    def add(self, faces: Sequence[FaceResult]) -> None:
        """Add a frame's faces."""
        for face in faces:
            if face.time is not None and face.time != self._last:
                if self._last is not None and len(self._steps) < 1000:
                    self._steps.append(face.time - self._last)
                self._last = face.time
            if face.error is not None or face.track is None or face.time is None:
                continue
            if self._names is None:
                told = [name for name in DIMENSIONS if getattr(face, name) is not None]
                self._names = (*face.probabilities, *told)
            if not self._names:  # landmarks alone
                continue
            values = {**face.probabilities, **{name: getattr(face, name) for name in DIMENSIONS}}
            kept = self._values.setdefault(face.track, array("d"))
            kept.extend([face.time, *(values[name] for name in self._names)])

    def finish(self) -> None:
        """Draw it; nothing where there was no face.

        Raises:
            OutputError: It cannot be written.
        """
        if not self._values:
            return
        from affectzoo.plots.style import legend_below, new_figure, save

        names = self._names or ()
        classes = [name for name in names if name not in DIMENSIONS]
        values = [name for name in names if name in DIMENSIONS]
        shown = sorted(sorted(self._values, key=lambda track: -len(self._values[track]))[:TRACKS])
        more = len(self._values) - len(shown)
        left_out = f"; {counted(more, 'further track')} seen for a shorter time" if more else ""
        rows = len(shown) * (bool(classes) + bool(values))
        figure = new_figure(9.0, 1.0 + 1.7 * rows, f"{visible(self._title)}{left_out}")
        panels = list(figure.subplots(rows, 1, sharex=True, squeeze=False).flat)
        rest = iter(panels)
        for track in shown:
            table = self._table(track, 1 + len(names))
            if classes:
                axes = next(rest)
                _areas(axes, table[:, 0], table[:, 1 : 1 + len(classes)], classes)
                axes.set_ylabel(f"track {track}\nprobability", fontsize=9)
            if values:
                axes = next(rest)
                _lines(axes, table[:, 0], table[:, 1 + len(classes) :], values)
                axes.set_ylabel("value" if classes else f"track {track}\nvalue", fontsize=9)
        panels[-1].set_xlabel("seconds")
        panels[-1].set_xlim(left=0, right=max(self._last or 0.0, 1e-3))
        legend_below(figure, *panels[: bool(classes) + bool(values)])
        save(figure, self._path)

    def _table(self, track: int, width: int) -> npt.NDArray[np.float64]:
        """A track's time and values, shape (frames, 1 + values); empty rows where it was not seen."""
        table = np.array(self._values[track]).reshape(-1, width)
        usual = float(np.median(self._steps)) if self._steps else 0.0
        gaps = np.flatnonzero(np.diff(table[:, 0]) > max(GAP * usual, 0.5)) + 1
        holes = np.full((len(gaps), width), np.nan)
        holes[:, 0] = table[gaps - 1, 0]
        return np.insert(table, gaps, holes, axis=0)


def _areas(
    axes: Axes, times: npt.NDArray[np.float64], shares: npt.NDArray[np.float64], names: Sequence[str]
) -> None:
    """Stack the classes' probabilities."""
    from matplotlib import colormaps

    edges = np.cumsum(np.column_stack([np.zeros(len(shares)), shares]), axis=1)
    palette = colormaps["tab10" if len(names) <= 10 else "tab20"]
    for place, name in enumerate(names):
        low, high = edges[:, place], edges[:, place + 1]
        label = visible(name)
        axes.fill_between(times, low, high, color=palette(place % palette.N), label=label, linewidth=0.3)
    axes.set_ylim(0, 1)


def _lines(
    axes: Axes, times: npt.NDArray[np.float64], values: npt.NDArray[np.float64], names: Sequence[str]
) -> None:
    from affectzoo.plots.style import PALETTE

    axes.axhline(0, color="0.6", linewidth=0.8)
    for place, name in enumerate(names):
        dot = "." if len(times) < 100 else ""
        axes.plot(times, values[:, place], dot + "-", color=PALETTE[place], label=name, lw=1.4, ms=4)
    axes.set_ylim(-1.05, 1.05)

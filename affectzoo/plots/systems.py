"""Figures that compare systems: cost, intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affectzoo.errors import DataError
from affectzoo.plots.style import PALETTE, legend_below, new_figure, require, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

KINDS = {"measured": (PALETTE[0], "o"), "published": (PALETTE[4], "s"), "claimed": (PALETTE[2], "D")}
"""Color and marker of each kind of result: measured here, by a paper, by the weights' own metadata."""

FILL = PALETTE[5]
"""Areas of the points of ``cost_figure``."""

SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""Where names may stand beside their points, the best first."""


def cost_figure(
    points: Mapping[str, tuple[float, float, int | None]], path: Path, metric: str, title: str = ""
) -> None:
    """Draw how good systems are against how long they take.

    The Pareto front is the best value of a system within each latency.

    Args:
        points: System to latency in ms, value (more is better) and number of parameters, which is the
            point's area; ``None``, drawn hollow, where it is not known.
        path: The image's file; its ending says which format.
        metric: Beside the values.
        title: Above.

    Raises:
        DataError: There is no system, a latency is not positive, or a value is not finite.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    require(points, "cost figure")
    for name, (latency, value, _) in points.items():
        if not (0 < latency < math.inf and math.isfinite(value)):
            raise DataError(f"cost figure: '{name}' has latency {latency} ms and {metric} {value}")
    figure = new_figure(8, 6, title)
    axes = figure.add_subplot()
    latency, value = np.array([point[:2] for point in points.values()]).T
    front = _pareto(latency, value)
    left, right = latency.min() / 1.6, latency.max() * 1.6
    corners = np.append(np.repeat(latency[front], 2)[1:], right), np.repeat(value[front], 2)
    (line,) = axes.plot(*corners, "--", color="0.5", linewidth=1.2, label="Pareto front")
    sizes = [size for *_, size in points.values()]
    largest = max(size or 1 for size in sizes)
    areas = _areas(sizes, largest)
    colors = ["none" if size is None else FILL for size in sizes]
    axes.scatter(latency, value, areas, color=colors, edgecolors=PALETTE[0], zorder=3)
    _size_key(axes, sizes, largest)
    axes.set(xscale="log", xlim=(left, right))
    axes.set(xlabel="latency, ms (logarithmic)", ylabel=metric)
    axes.margins(y=0.12)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, axes)
    _place_names(axes, list(points), np.stack([latency, value], axis=1), areas, line)
    save(figure, path)


def interval_figure(
    rows: Sequence[tuple[str, float, float | None, float | None, str]],
    path: Path,
    metric: str,
    title: str = "",
) -> None:
    """Draw a result per row with its interval, in the order given, from the top.

    Args:
        rows: Name, value, lower and upper limit (``None``: no interval) and kind, one of ``KINDS``. A value
            that is NaN has a row without a point.
        path: The image's file; its ending says which format.
        metric: Under the values.
        title: Above.

    Raises:
        DataError: There is no row, a kind is none of ``KINDS``, or one limit lacks the other.
    """
    require(rows, "interval figure")
    for name, _, low, high, kind in rows:
        if kind not in KINDS:
            raise DataError(f"interval figure: kind '{kind}' of '{name}' is none of {', '.join(KINDS)}")
        if (low is None) != (high is None):
            raise DataError(f"interval figure: the interval of '{name}' is {low} to {high}")
    width = max(8, 5 + 0.075 * max(len(row[0]) for row in rows))
    figure = new_figure(width, 1.4 + 0.27 * len(rows), title)
    axes = figure.add_subplot()
    for row, (_, value, low, high, kind) in enumerate(rows):
        color, marker = KINDS[kind]
        axes.plot(value, row, marker, color=color, markersize=6)
        if low is not None and high is not None:
            axes.plot([low, high], [row, row], color=color, linewidth=1.6)
        text = _shown(value) if low is None else f"{_shown(value)} [{_shown(low)}, {_shown(high)}]"
        axes.text(1.02, row, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    for kind in (kind for kind in KINDS if kind in {row[-1] for row in rows}):
        color, marker = KINDS[kind]
        axes.plot([], [], marker, color=color, label=kind)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=9)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel=metric, ylabel="system")
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=6)
    axes.grid(axis="x", color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, axes)
    save(figure, path)


def _shown(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def _pareto(latency: np.ndarray, value: np.ndarray) -> list[int]:
    """Which points no faster one, nor one as fast, matches: by latency, each better than all before it."""
    front: list[int] = []
    for i in np.lexsort((-value, latency)):
        if not front or value[i] > value[front[-1]]:
            front.append(int(i))
    return front


def _areas(sizes: Sequence[float | None], largest: float) -> list[float]:
    """Areas of points in square points, proportional to parameters; the least is still seen."""
    return [max(16.0, 450 * (size or 0) / largest) for size in sizes]


def _size_key(axes: Axes, sizes: Sequence[int | None], largest: float) -> None:
    """Label points of one or two round sizes, and one of unknown size, for the legend."""
    known = [size for size in sizes if size]
    power = 10.0 ** math.floor(math.log10(largest))
    powers = [p for p in (power, power / 10) if known and (p == power or p >= min(known))]
    for p, area in zip(powers, _areas(powers, largest), strict=True):
        label = f"{p / 1e6:g} M parameters"
        axes.scatter([], [], area, color=FILL, edgecolors=PALETTE[0], label=label)
    if None in sizes:
        axes.scatter([], [], _areas([None], 1), color="none", edgecolors=PALETTE[0], label="size not known")


def _place_names(
    axes: Axes, names: Sequence[str], places: np.ndarray, areas: Sequence[float], line: Line2D
) -> None:
    """Write names beside points, each at the nearest of some spots where it touches nothing else.

    Where no spot is free, the one that touches least. This fixes the figure's layout, as the spots hold for
    it alone.

    Args:
        axes: With everything but the names.
        names: N of them.
        places: Of the points, shape (N, 2).
        areas: Of the points, in square points.
        line: To be crossed only where names would otherwise touch names or points.
    """
    from matplotlib.transforms import Bbox

    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    axes.autoscale(False)
    pixels = figure.dpi / 72
    points = axes.transData.transform(places)
    radii = pixels * np.sqrt(np.array(areas) / math.pi)
    taken = [Bbox([point - r, point + r]) for point, r in zip(points, radii, strict=True)]
    path = line.get_path().transformed(axes.transData)
    frame = axes.get_window_extent().padded(-3 * pixels)
    for i in np.lexsort(places.T[::-1]):
        text = axes.text(places[i, 0], places[i, 1], names[i], fontsize=8.5, va="bottom", zorder=4)
        size = np.array(text.get_window_extent().size)
        spots = _spots(points[i], radii[i], size, frame, pixels)
        spot = min(spots, key=lambda box: (box.count_overlaps(taken), path.intersects_bbox(box, False)))
        taken.append(spot)
        end = np.clip(points[i], spot.min, spot.max)
        corner, end = axes.transData.inverted().transform([spot.min, end])
        text.set_position(corner)
        axes.plot(*zip(places[i], end, strict=True), color="0.5", linewidth=0.7, zorder=2)


def _spots(point: np.ndarray, radius: float, size: np.ndarray, frame: Bbox, pixels: float) -> list[Bbox]:
    """Boxes of a size around a point and within a frame, near ones first, in pixels."""
    from matplotlib.transforms import Bbox

    spots = []
    for gap, side in product((2, 9, 18, 30, 45, 65, 90), SIDES):
        direction = np.array(side)
        corner = point + direction * (radius + gap * pixels) + (direction - 1) / 2 * size
        corner = np.clip(corner, frame.min, np.maximum(frame.min, frame.max - size))
        spots.append(Bbox([corner, corner + size]))
    return spots

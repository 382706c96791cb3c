"""Figures of faces: classes, places on the circumplex, sizes, features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from affectzoo.errors import DataError
from affectzoo.plots.style import COLORS, PALETTE, count_norm, legend_below, new_figure, plane, require, save

MARKERS = ("o", "^", "s")


def class_figure(
    counts: Mapping[str, Sequence[int]], names: Sequence[str], path: Path, title: str = ""
) -> None:
    """Draw how many faces of each class each part has, as bars with their numbers.

    Args:
        counts: Part to faces per class.
        names: Class names, as many.
        path: The image's file; its ending says which format.
        title: Above the bars.
    """
    thick = 0.84 / len(counts)
    figure = new_figure(8, 1.3 + len(names) * (0.2 + 0.22 * len(counts)), title)
    axes = figure.add_subplot()
    for i, (split, faces) in enumerate(counts.items()):
        places = np.arange(len(names)) + (i - (len(counts) - 1) / 2) * thick
        label = f"{split} ({sum(faces):,})"
        bars = axes.barh(places, faces, 0.92 * thick, color=COLORS[split], label=label)
        axes.bar_label(bars, [f"{n:,}" for n in faces], padding=3, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.02)
    axes.set(xlabel="faces", ylabel="class")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, axes)
    save(figure, path)


def circumplex_figure(
    parts: Mapping[str, np.ndarray],
    quadrants: Mapping[str, Mapping[str, float]],
    path: Path,
    title: str = "",
) -> None:
    """Draw where faces lie between valence and arousal, a panel per part, with the unit circle.

    Args:
        parts: Part to valence and arousal of its faces, shape (N, 2), in [-1, 1].
        quadrants: Part to share of each quadrant by name, the positive and active one first, then against
            the clock.
        path: The image's file; its ending says which format.
        title: Above the panels.
    """
    edges = np.linspace(-1.05, 1.05, 22)  # cells of 0.1 around the tenths, which some annotators keep to
    cells = {split: np.histogram2d(va[:, 0], va[:, 1], bins=[edges, edges])[0] for split, va in parts.items()}
    norm = count_norm(cells.values())
    figure = new_figure(1 + 4.6 * len(parts), 5.2, title)
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    corners = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    for axes, (split, counts) in zip(panels, cells.items(), strict=True):
        image = axes.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), norm=norm, cmap="viridis_r")
        plane(axes, 1.2)
        for (x, y), (name, share) in zip(corners, quadrants[split].items(), strict=True):
            side = "right" if x > 0 else "left"
            axes.text(1.16 * x, 1.13 * y, f"{name} {share:.1%}", ha=side, va="center", fontsize=8.5)
        axes.set_title(f"{split} ({len(parts[split]):,})", fontsize=10)
    figure.colorbar(image, ax=panels, label="faces per cell", shrink=0.85)
    save(figure, path)


def size_figure(sizes: np.ndarray, path: Path, title: str = "") -> None:
    """Draw widths and heights of images; larger dots are more images.

    Args:
        sizes: Width, height and how often, shape (N, 3).
        path: The image's file; its ending says which format.
        title: Above.
    """
    width, height, times = sizes.T
    figure = new_figure(5.4, 5.4, title)
    axes = figure.add_subplot()
    longest = 1.06 * sizes[:, :2].max()
    axes.plot([0, longest], [0, longest], color="0.8", linewidth=0.8, zorder=0)
    area = 12 + 200 * times / times.sum()
    axes.scatter(width, height, area, color=COLORS["train"], alpha=0.45, linewidths=0)
    axes.set(xlim=(0, longest), ylim=(0, longest), aspect="equal", xlabel="width, px", ylabel="height, px")
    save(figure, path)


def features_figure(
    points: np.ndarray,
    classes: Sequence[str],
    intensity: np.ndarray | None,
    path: Path,
    title: str = "",
    intensity_name: str = "intensity",
) -> None:
    """Draw features of faces, projected onto two dimensions, by class and by intensity.

    Rare classes lie above frequent ones. The projection's own scale means nothing, so it is not shown.

    Args:
        points: Projected features, shape (N, 2).
        classes: Class name of each face, N of them.
        intensity: Of each face, shape (N,); NaN where it is not known, which is drawn in gray. ``None``: no
            second panel.
        path: The image's file; its ending says which format.
        title: Above the panels.
        intensity_name: Beside the second panel's colors.

    Raises:
        DataError: There are no points, or the shapes do not fit.
    """
    require(classes, "features figure")
    if points.shape != (len(classes), 2):
        raise DataError(f"features figure: points of shape {points.shape} for {len(classes)} classes")
    if intensity is not None and intensity.shape != (len(classes),):
        raise DataError(f"features figure: intensity of shape {intensity.shape} for {len(classes)} points")
    count = 1 if intensity is None else 2
    figure = new_figure(0.6 + 4.6 * count, 5.2, title)
    panels = figure.subplots(1, count, squeeze=False)[0]
    area = float(np.clip(12_000 / len(points), 5, 30))
    of_face = np.asarray(classes)
    for i, (name, faces) in enumerate(Counter(classes).most_common()):
        style = {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i // len(PALETTE) % len(MARKERS)]}
        x, y = points[of_face == name].T
        panels[0].scatter(x, y, area, **style, alpha=0.7, linewidths=0, label=f"{name} ({faces:,})")
    legend_below(figure, panels[0])
    for handle in figure.legends[0].legend_handles:
        handle.set(sizes=[30], alpha=1)  # type: ignore[union-attr]
    if intensity is not None:
        known = np.isfinite(intensity)
        panels[1].scatter(*points[~known].T, area, color="0.8", linewidths=0)
        rising = np.argsort(intensity[known])
        image = panels[1].scatter(
            *points[known][rising].T, area, c=intensity[known][rising], cmap="viridis_r", linewidths=0
        )
        figure.colorbar(image, ax=panels[1], label=intensity_name, shrink=0.85)
    for axes in panels:
        axes.set(xlabel="first dimension", ylabel="second dimension", xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
    save(figure, path)

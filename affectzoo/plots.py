"""Figures; matplotlib is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = {"train": "#0072B2", "valid": "#E69F00", "test": "#009E73"}
"""Of each part; also told apart by those who see no red or green (Okabe and Ito)."""


def confusion_figure(confusion: np.ndarray, names: Sequence[str], path: Path, title: str = "") -> None:
    """Draw a confusion matrix in percent of each true class, with its counts beside the names.

    Args:
        confusion: Counts, true class by predicted class, shape (C, C).
        names: Class names, C of them.
        path: The picture's file; its ending says which format.
        title: Above the matrix.
    """
    from matplotlib.figure import Figure

    support = confusion.sum(axis=1, keepdims=True)
    share = 100 * np.divide(confusion, support, out=np.zeros(confusion.shape), where=support > 0)
    size = 2.2 + 0.75 * len(names)
    figure = Figure(figsize=(size, size * 0.92), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    rows = [f"{name} ({int(n):,})" for name, n in zip(names, support[:, 0], strict=True)]
    axes.set_yticks(range(len(names)), rows)
    axes.set_xlabel("predicted, % of the true class")
    axes.set_ylabel("true class (faces)")
    axes.set_title(title, fontsize=11)
    for (row, column), value in np.ndenumerate(share):
        if support[row, 0] > 0:
            shade = "white" if value > 55 else "black"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=shade, fontsize=9)
    _save(figure, path)


def class_figure(
    counts: Mapping[str, Sequence[int]], names: Sequence[str], path: Path, title: str = ""
) -> None:
    """Draw how many faces of each class each part has, as bars with their numbers.

    Args:
        counts: Part to faces per class.
        names: Class names, as many.
        path: The picture's file; its ending says which format.
        title: Above the bars.
    """
    from matplotlib.figure import Figure

    thick = 0.84 / len(counts)
    figure = Figure(figsize=(8, 1.3 + len(names) * (0.2 + 0.22 * len(counts))), layout="constrained")
    axes = figure.add_subplot()
    for i, (split, faces) in enumerate(counts.items()):
        places = np.arange(len(names)) + (i - (len(counts) - 1) / 2) * thick
        label = f"{split} ({sum(faces):,})"
        bars = axes.barh(places, faces, 0.92 * thick, color=COLORS[split], label=label)
        axes.bar_label(bars, [f"{n:,}" for n in faces], padding=3, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.02)
    axes.set_xlabel("faces")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=11)
    figure.legend(loc="outside lower center", ncols=len(counts), frameon=False)
    _save(figure, path)


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
        path: The picture's file; its ending says which format.
        title: Above the panels.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    edges = np.linspace(-1.05, 1.05, 22)  # cells of 0.1 around the tenths, which some annotators keep to
    cells = {split: np.histogram2d(va[:, 0], va[:, 1], bins=[edges, edges])[0] for split, va in parts.items()}
    norm = LogNorm(1, max(2, *(counts.max() for counts in cells.values())))
    figure = Figure(figsize=(1 + 4.6 * len(parts), 5.2), layout="constrained")
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    corners = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    for axes, (split, counts) in zip(panels, cells.items(), strict=True):
        image = axes.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), norm=norm, cmap="viridis_r")
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.axvline(0, color="0.6", linewidth=0.8)
        axes.add_patch(Circle((0, 0), 1, fill=False, color="0.25", linewidth=1.2))
        for (x, y), (name, share) in zip(corners, quadrants[split].items(), strict=True):
            side = "right" if x > 0 else "left"
            axes.text(1.16 * x, 1.13 * y, f"{name} {share:.1%}", ha=side, va="center", fontsize=8.5)
        axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal", xlabel="valence")
        axes.set_xticks(np.linspace(-1, 1, 5))
        axes.set_yticks(np.linspace(-1, 1, 5))
        axes.set_title(f"{split} ({len(parts[split]):,})", fontsize=10)
    panels[0].set_ylabel("arousal")
    figure.colorbar(image, ax=panels, label="faces per cell", shrink=0.85)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def size_figure(sizes: np.ndarray, path: Path, title: str = "") -> None:
    """Draw widths and heights of pictures; larger dots are more pictures.

    Args:
        sizes: Width, height and how often, shape (N, 3).
        path: The picture's file; its ending says which format.
        title: Above.
    """
    from matplotlib.figure import Figure

    width, height, times = sizes.T
    figure = Figure(figsize=(5.4, 5.4), layout="constrained")
    axes = figure.add_subplot()
    longest = 1.06 * sizes[:, :2].max()
    axes.plot([0, longest], [0, longest], color="0.8", linewidth=0.8, zorder=0)
    area = 12 + 200 * times / times.sum()
    axes.scatter(width, height, area, color=COLORS["train"], alpha=0.45, linewidths=0)
    axes.set(xlim=(0, longest), ylim=(0, longest), aspect="equal", xlabel="width, px", ylabel="height, px")
    axes.set_title(title, fontsize=11)
    _save(figure, path)


def agreement_figure(
    values: Mapping[str, tuple[np.ndarray, np.ndarray]], path: Path, title: str = ""
) -> None:
    """Draw predictions against labels, a panel per dimension; on the line they agree.

    Args:
        values: ``valence`` or ``arousal`` to labels and predictions, each of shape (N,).
        path: The picture's file; its ending says which format.
        title: Above the panels.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    edges = np.linspace(-1.05, 1.05, 22)
    cells = {
        name: np.histogram2d(label, np.clip(predicted, -1, 1), bins=[edges, edges])[0]
        for name, (label, predicted) in values.items()
    }
    norm = LogNorm(1, max(2, *(counts.max() for counts in cells.values())))
    figure = Figure(figsize=(1 + 4.6 * len(values), 5.2), layout="constrained")
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    for axes, (name, counts) in zip(panels, cells.items(), strict=True):
        image = axes.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), norm=norm, cmap="viridis_r")
        axes.plot([-1, 1], [-1, 1], color="0.25", linewidth=1)
        axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
        axes.set(xlabel=f"{name}, label", ylabel=f"{name}, predicted")
    figure.colorbar(image, ax=panels, label="faces per cell", shrink=0.85)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def traces_figure(
    clips: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]], path: Path, title: str = ""
) -> None:
    """Draw predictions and labels over the frames of clips (as Aff-Wild's Fig. 14), a row per clip.

    Args:
        clips: Clip to ``valence`` or ``arousal`` to frame numbers, labels and predictions, each of shape
            (T,).
        path: The picture's file; its ending says which format.
        title: Above.
    """
    from matplotlib.figure import Figure

    dimensions = list(next(iter(clips.values())))
    figure = Figure(figsize=(1 + 4.4 * len(dimensions), 0.9 + 1.5 * len(clips)), layout="constrained")
    grid = figure.subplots(len(clips), len(dimensions), sharey=True, squeeze=False)
    for row, (clip, values) in zip(grid, clips.items(), strict=True):
        for axes, (name, (frames, label, predicted)) in zip(row, values.items(), strict=True):
            axes.axhline(0, color="0.85", linewidth=0.8)
            axes.plot(frames, label, color="0.25", linewidth=1.4, label="label")
            axes.plot(frames, predicted, color=COLORS["train"], linewidth=1.4, label="predicted")
            axes.set(ylim=(-1.05, 1.05), yticks=(-1, 0, 1))
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(f"clip {clip}, {name}", fontsize=9, loc="left")
    for axes in grid[-1]:
        axes.set_xlabel("frame")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)

"""Figures of predictions against labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from affectzoo.plots.style import PALETTE, count_norm, legend_below, new_figure, save

STROKES = ("-", "--", ":")


def confusion_figure(confusion: np.ndarray, names: Sequence[str], path: Path, title: str = "") -> None:
    """Draw a confusion matrix in percent of each true class, with its counts beside the names.

    Args:
        confusion: Counts, true class by predicted class, shape (C, C).
        names: Class names, C of them.
        path: The image's file; its ending says which format.
        title: Above the matrix.
    """
    support = confusion.sum(axis=1, keepdims=True)
    share = 100 * np.divide(confusion, support, out=np.zeros(confusion.shape), where=support > 0)
    margin = 0.09 * max(len(name) for name in names)
    cells = max(0.55 * len(names), 1.8)
    figure = new_figure(1.2 + margin + cells, 0.9 + 0.7 * margin + cells, title)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    rows = [f"{name} ({int(n):,})" for name, n in zip(names, support[:, 0], strict=True)]
    axes.set_yticks(range(len(names)), rows)
    axes.set_xlabel("predicted, % of the true class")
    axes.set_ylabel("true class (faces)")
    for (row, column), value in np.ndenumerate(share):
        if support[row, 0] > 0:
            shade = "white" if value > 55 else "black"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=shade, fontsize=9)
    save(figure, path)


def agreement_figure(
    values: Mapping[str, tuple[np.ndarray, np.ndarray]], path: Path, title: str = ""
) -> None:
    """Draw predictions against labels, a panel per dimension; on the line they agree.

    Args:
        values: ``valence`` or ``arousal`` to labels and predictions, each of shape (N,).
        path: The image's file; its ending says which format.
        title: Above the panels.
    """
    edges = np.linspace(-1.05, 1.05, 22)
    cells = {
        name: np.histogram2d(label, np.clip(predicted, -1, 1), bins=[edges, edges])[0]
        for name, (label, predicted) in values.items()
    }
    norm = count_norm(cells.values())
    figure = new_figure(1 + 4.6 * len(values), 5.2, title)
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    for axes, (name, counts) in zip(panels, cells.items(), strict=True):
        image = axes.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), norm=norm, cmap="viridis_r")
        axes.plot([-1, 1], [-1, 1], color="0.25", linewidth=1)
        axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
        axes.set(xlabel=f"{name}, label", ylabel=f"{name}, predicted")
    figure.colorbar(image, ax=panels, label="faces per cell", shrink=0.85)
    save(figure, path)


def traces_figure(
    clips: Mapping[str, Mapping[str, tuple[np.ndarray, ...]]],
    path: Path,
    title: str = "",
    systems: Sequence[str] = ("predicted",),
) -> None:
    """Draw predictions and labels over the frames of clips (as Aff-Wild's Fig. 14), a row per clip.

    Args:
        clips: Clip to ``valence`` or ``arousal`` to frame numbers, labels and then the predictions of each
            system, each of shape (T,). A NaN leaves a gap.
        path: The image's file; its ending says which format.
        title: Above.
        systems: What the predictions are called, in their order.

    Raises:
        ValueError: A clip has more or fewer predictions than there are systems.
    """
    dimensions = list(next(iter(clips.values())))
    figure = new_figure(1 + 4.4 * len(dimensions), 0.9 + 1.5 * len(clips) + 0.12 * len(systems), title)
    grid = figure.subplots(len(clips), len(dimensions), sharey=True, squeeze=False)
    for row, (clip, values) in zip(grid, clips.items(), strict=True):
        for axes, (name, (frames, label, *predicted)) in zip(row, values.items(), strict=True):
            axes.axhline(0, color="0.85", linewidth=0.8)
            axes.plot(frames, label, color="0.25", linewidth=1.4, label="label")
            for i, (system, trace) in enumerate(zip(systems, predicted, strict=True)):
                stroke = STROKES[i // len(PALETTE) % len(STROKES)]
                axes.plot(frames, trace, stroke, color=PALETTE[i % len(PALETTE)], linewidth=1.3, label=system)
            axes.set(ylim=(-1.05, 1.05), yticks=(-1, 0, 1), ylabel=name)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(f"clip {clip}", fontsize=9, loc="left")
    for axes in grid[-1]:
        axes.set_xlabel("frame")
    legend_below(figure, grid[0][0])
    save(figure, path)

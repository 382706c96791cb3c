"""Figures; matplotlib is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


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
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)

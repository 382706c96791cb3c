"""Figures of systems over the plane of valence and arousal: where predictions and errors lie.

Arrays of cells have arousal in rows and valence in columns, both ascending, as in
``affectzoo.metrics.cells``, whose tuples fit here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from affectzoo.errors import DataError
from affectzoo.plots.style import count_norm, panel_grid, panel_title, plane, require, save

FEW = 5
"""Cells with fewer faces are hatched: their error says little."""

BAR: dict[str, Any] = {"fraction": 0.04, "pad": 0.02, "aspect": 30}
"""Shape of the color bar beside a grid of panels."""


def plane_figure(
    histograms: Mapping[str, tuple[np.ndarray, np.ndarray, int]], path: Path, title: str = ""
) -> None:
    """Draw where labels and predictions lie in the plane, a panel each (as Aff-Wild's Fig. 15).

    All panels have one logarithmic color scale.

    Args:
        histograms: ``labels`` or a system to edges of the cells, shape (B + 1,), faces per cell, shape
            (B, B), and the number of faces outside, which is said in the panel (``metrics.cells.Histogram``).
        path: The image's file; its ending says which format.
        title: Above the panels.

    Raises:
        DataError: There is no histogram, or edges and cells do not fit.
    """
    require(histograms, "plane figure")
    norm = count_norm(faces for _, faces, _ in histograms.values())
    figure, panels = panel_grid(len(histograms), title)
    for axes, (name, (edges, faces, outside)) in zip(panels, histograms.items(), strict=True):
        _check(f"plane figure, {name}", edges, faces)
        image = axes.pcolormesh(edges, edges, np.ma.masked_equal(faces, 0), norm=norm, cmap="viridis_r")
        plane(axes)
        panel_title(axes, name, f"{int(faces.sum()) + outside:,} faces, {outside:,} outside")
    figure.colorbar(image, ax=panels, label="faces per cell", **BAR)
    save(figure, path)


def cell_error_figure(
    errors: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    path: Path,
    title: str = "",
    error_name: str = "RMSE in the plane",
) -> None:
    """Draw the error in each cell of the labels, a panel per system (as AffectNet's Fig. 7).

    All panels have one color scale, up to the largest error of a cell with ``FEW`` faces or more. Cells with
    fewer are hatched, those without a face blank.

    Args:
        errors: System to edges of the cells, shape (B + 1,), faces per cell and RMSE per cell, both of shape
            (B, B), see ``metrics.cells.CellErrors``.
        path: The image's file; its ending says which format.
        title: Above the panels.
        error_name: Beside the colors.

    Raises:
        DataError: There is no system, no face in any cell, or edges and cells do not fit.
    """
    from matplotlib.patches import Patch, Rectangle

    require(errors, "cell error figure")
    for name, (edges, faces, values) in errors.items():
        _check(f"cell error figure, {name}", edges, faces)
        _check(f"cell error figure, {name}", edges, values)
    some = np.concatenate([values[faces > 0] for _, faces, values in errors.values()])
    many = np.concatenate([values[faces >= FEW] for _, faces, values in errors.values()])
    require(some, "cell error figure")
    limit = many.max(initial=0) or some.max() or 1
    extend = "max" if some.max() > limit else "neither"
    figure, panels = panel_grid(len(errors), title)
    for axes, (name, (edges, faces, values)) in zip(panels, errors.items(), strict=True):
        cells = np.ma.masked_where(faces == 0, values)
        image = axes.pcolormesh(edges, edges, cells, vmin=0, vmax=limit, cmap="viridis_r")
        for row, column in np.argwhere((faces > 0) & (faces < FEW)):
            corner, size = (edges[column], edges[row]), edges[1] - edges[0]
            cell = Rectangle(corner, size, size, fill=False, hatch="////", edgecolor="white", linewidth=0)
            axes.add_patch(cell)
        plane(axes)
        panel_title(axes, name, f"{int(faces.sum()):,} faces")
    figure.colorbar(image, ax=panels, label=error_name, extend=extend, **BAR)
    key = Patch(
        facecolor="0.6", hatch="////", edgecolor="white", linewidth=0, label=f"fewer than {FEW} faces"
    )
    figure.legend(handles=[key], loc="outside lower center", frameon=False, fontsize=9)
    save(figure, path)


def _check(where: str, edges: np.ndarray, cells: np.ndarray) -> None:
    bins = len(edges) - 1
    if cells.shape != (bins, bins):
        raise DataError(
            f"{where}: cells of shape {cells.shape} for {len(edges)} edges; expected {(bins, bins)}"
        )

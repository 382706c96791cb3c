"""Where in the valence/arousal plane the faces lie, and where the errors are; arrays to plot.

RMSE per cell: Mollahosseini et al., AffectNet, IEEE TAC 2019, Fig. 7. Histograms of annotations and of
predictions: Kollias et al., Aff-Wild, IJCV 2019, Fig. 15. In every array rows go with arousal and columns
with valence, both ascending, as ``imshow(..., origin="lower")`` and ``pcolormesh`` show them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from affectzoo.errors import DataError
from affectzoo.metrics.arrays import Array, as_tensor

Floats = npt.NDArray[np.float64]


class CellErrors(NamedTuple):
    """Errors by cell of the truth; B bins per side.

    Attributes:
        edges: Of the bins, shape (B + 1,), the same for both dimensions.
        faces: Shape (B, B).
        valence: RMSE of valence, shape (B, B); NaN in cells without a face, like the others.
        arousal: RMSE of arousal, shape (B, B).
        distance: Root of the mean squared distance in the plane, shape (B, B): the root of the sum of the
            other two's squares. The paper does not say which of the three its one figure shows.
    """

    edges: Floats
    faces: npt.NDArray[np.int64]
    valence: Floats
    arousal: Floats
    distance: Floats


class Histogram(NamedTuple):
    """Faces by cell; B bins per side.

    Attributes:
        edges: Of the bins, shape (B + 1,), the same for both dimensions.
        faces: Shape (B, B).
        outside: Faces beyond the edges, as predictions may be; in no cell.
    """

    edges: Floats
    faces: npt.NDArray[np.int64]
    outside: int


def cell_rmse(prediction: Array, target: Array, *, bins: int = 10, limit: float = 1.0) -> CellErrors:
    """RMSE in each cell of the plane.

    Args:
        prediction: Valence and arousal, shape (N, 2).
        target: Annotated valence and arousal, shape (N, 2); a face that lacks one does not count.
        bins: Per side.
        limit: Values lie in [-limit, limit].

    Raises:
        DataError: The shapes do not fit, a target lies outside, or a prediction that counts is not finite.
    """
    p, t = _plane(prediction), _plane(target)
    if p.shape != t.shape:
        raise DataError(f"cells: {len(p)} predictions for {len(t)} targets")
    known = np.isfinite(t).all(axis=1)
    p, t = p[known], t[known]
    if not np.isfinite(p).all():
        raise DataError("cells: a prediction of an annotated face is not finite")
    edges, cell = _cells(t, bins, limit)
    if (cell < 0).any():
        worst = t[cell < 0][0].tolist()
        raise DataError(f"cells: target {worst} lies outside [-{limit:g}, {limit:g}]; is the scale another?")
    faces = np.bincount(cell, minlength=bins**2)
    sums = [np.bincount(cell, weights=column, minlength=bins**2) for column in ((p - t) ** 2).T]
    empty = np.full(bins**2, np.nan)
    valence, arousal = (np.divide(column, faces, out=empty.copy(), where=faces > 0) for column in sums)
    return CellErrors(
        edges,
        faces.reshape(bins, bins),
        *(np.sqrt(square).reshape(bins, bins) for square in (valence, arousal, valence + arousal)),
    )


def plane_histogram(values: Array, *, bins: int = 10, limit: float = 1.0) -> Histogram:
    """How many faces lie in each cell of the plane.

    Args:
        values: Valence and arousal, annotated or predicted, shape (N, 2); a face with a NaN does not count.
        bins: Per side.
        limit: The cells cover [-limit, limit].

    Raises:
        DataError: The shape does not fit, or an option is out of range.
    """
    v = _plane(values)
    edges, cell = _cells(v[~np.isnan(v).any(axis=1)], bins, limit)
    faces = np.bincount(cell[cell >= 0], minlength=bins**2).reshape(bins, bins)
    return Histogram(edges, faces, int((cell < 0).sum()))


def _plane(values: Array) -> Floats:
    found = np.asarray(as_tensor(values).detach().cpu(), dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != 2:
        raise DataError(f"cells: values of shape {found.shape}; expected (N, 2), valence and arousal")
    return found


def _cells(values: Floats, bins: int, limit: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Edges, and each face's cell, row by row; -1 outside. Bins hold their lower edge, the last both."""
    if bins < 1 or not limit > 0:
        raise DataError(f"cells: {bins} bins within {limit}; expected 1 or more, within more than 0")
    edges = np.linspace(-limit, limit, bins + 1)
    valence, arousal = np.minimum(np.searchsorted(edges, values, side="right") - 1, bins - 1).T
    inside = (np.abs(values) <= limit).all(axis=1)
    return edges, np.where(inside, arousal * bins + valence, -1)

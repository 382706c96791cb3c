"""Features of the faces of an index, crafted by hand or learned: one way to both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch

if TYPE_CHECKING:
    from affectzoo.datamodules.dataset import OnUnreadable
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.evaluation.evaluate import Progress

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Extractor(Protocol):
    """What computes features of faces: ``features.classical.Feature`` or ``features.deep.Layer``."""

    @property
    def landmarks(self) -> int:
        """How many landmarks a face must have, 0 or 68."""

    @property
    def pca(self) -> float | None:
        """Share of the variance that a PCA keeps before a classifier; ``None`` for no PCA."""

    def chunks(
        self, index: FaceIndex, on_unreadable: OnUnreadable, progress: Progress | None
    ) -> Iterator[tuple[Rows, Floats]]:
        """Features of some faces at a time, all of which have the landmarks.

        Yields:
            Rows of the index, shape (n,), and their features, shape (n, D). A row may come several times:
            its feature is their mean. One that never comes could not be read.

        Raises:
            UnreadableImageError: An image cannot be read; under ``skip``: none can.
        """


def extract_features(
    extractor: Extractor,
    index: FaceIndex,
    *,
    reduce: Callable[[Floats], Floats] | None = None,
    on_unreadable: OnUnreadable = "raise",
    progress: Progress | None = None,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Features of every face of an index, without augmentation.

    Args:
        extractor: Computes them.
        index: The faces.
        reduce: Makes features of shape (n, D) smaller before they are kept, such as ``Reduction.transform``;
            an affine map, as features of one face may be averaged after it.
        on_unreadable: At an image that cannot be read: ``raise``, or ``skip``, which leaves the face out.
        progress: Told which share of the work is done.

    Returns:
        Features of the faces that have them, shape (n, D), and which of all faces those are, shape (N,): not
        the ones without the landmarks or, under ``skip``, without an image.

    Raises:
        DataError: No face has the landmarks.
        UnreadableImageError: An image cannot be read; under ``skip``: none can.
    """
    known = index.has_landmarks(extractor.landmarks)
    places = np.flatnonzero(known)
    given = index.with_landmarks(extractor.landmarks)
    times = torch.zeros(len(given), 1, device="cpu")
    sums: torch.Tensor | None = None
    for rows, values in extractor.chunks(given, on_unreadable, progress):
        kept = torch.from_numpy(values if reduce is None else reduce(values))
        if sums is None:
            sums = torch.zeros(len(given), kept.shape[1], device="cpu")
        sums.index_add_(0, torch.from_numpy(rows), kept)
        times.index_add_(0, torch.from_numpy(rows), torch.ones(len(rows), 1, device="cpu"))
    assert sums is not None  # chunks gives some faces, or raises
    read = (times[:, 0] > 0).numpy()
    known[places[~read]] = False
    found: Floats = sums.div_(times.clamp(min=1)).numpy()
    return (found if read.all() else found[read]), known


def width(extractor: Extractor, index: FaceIndex) -> int:
    """The length D of a face's features, as far as it can be read off some of the faces.

    Args:
        extractor: Computes them.
        index: Faces, one of them with the landmarks.

    Raises:
        DataError: No face has the landmarks.
        UnreadableImageError: None can be read.
    """
    given = index.with_landmarks(extractor.landmarks)
    _, values = next(extractor.chunks(given, "skip", None))
    return int(values.shape[1])

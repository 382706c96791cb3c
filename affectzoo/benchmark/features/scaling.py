"""Features brought to a scale at which linear classifiers work with C = 1, and to a size that fits memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from affectzoo.benchmark.features import library
from affectzoo.benchmark.features.extraction import Extractor, Floats, extract_features, width
from affectzoo.errors import AffectZooError
from affectzoo.evaluation.evaluate import Progress, span

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex

PCA_FACES = 5000
"""Training faces, drawn at random, from which a PCA is computed; its time grows with their cube."""

WIDE, WIDE_SHARE = 8192, 0.95
"""Dimensions above which features are reduced in any case, and the share of the variance that is kept: wider
ones of many faces fill the memory, and LDA's time grows with the cube of their number."""

TRUNCATION = 2.0
"""Standard deviations beyond which features are cut off: what eq. 6 of Li and Deng does."""


class Scaling:
    """Brings features to a mean squared length of about 1, at which C = 1 is neither weak nor strong.

    Eq. 6 of Li and Deng, which standardises each feature and truncates it at 2 standard deviations, but
    around 0 instead of moved to 0..1, and divided by the square root of the number of features.
    """

    def fit(self, features: Floats) -> Self:
        """Take means and deviations from training faces, shape (N, D)."""
        self._standard = library("sklearn.preprocessing").StandardScaler().fit(features)
        return self

    def transform(self, features: Floats) -> Floats:
        """Scaled features, of the same shape."""
        scaled: Floats = self._standard.transform(features)
        np.clip(scaled, -TRUNCATION, TRUNCATION, out=scaled)
        scaled *= features.shape[1] ** -0.5
        return scaled


class Reduction:
    """Fewer features of a mean squared length of 1, instead of ``Scaling``.

    The principal components that keep a share of the variance, all divided by one number: standardising each
    of them would give noise the weight of expression.
    """

    def __init__(self, share: float) -> None:
        """Keep a share of the variance, in (0, 1)."""
        self.share = share

    def fit(self, features: Floats) -> Self:
        """Take components from training faces, shape (N, D).

        Raises:
            AffectZooError: There is one alone, or all are alike.
        """
        if len(features) < 2 or not np.ptp(features, axis=0).any():
            raise AffectZooError(f"a PCA needs faces that differ: {len(features)} training faces do not")
        reduce = library("sklearn.decomposition").PCA(self.share, svd_solver="full")
        self._components = reduce.fit(features)
        self._factor = float(reduce.explained_variance_.sum()) ** -0.5
        return self

    def transform(self, features: Floats) -> Floats:
        """Components of features of shape (N, D): shape (N, components); an affine map."""
        reduced: Floats = self._components.transform(features)
        reduced *= self._factor
        return reduced


def learn_scaling(
    extractor: Extractor, index: FaceIndex, progress: Progress | None = None
) -> tuple[Scaling | Reduction, Floats, npt.NDArray[np.bool_]]:
    """Fit a scaling to training faces, and apply it to them.

    A ``Reduction`` where the paper has a PCA or features are wide; of more faces than it is fitted to, these
    are reduced as they are computed, so that never all of them are held at once.

    Args:
        extractor: Computes the features.
        index: The training faces; those without landmarks or a readable image are excluded.
        progress: Told which share of the work is done.

    Returns:
        The scaling, the scaled features, shape (n, D), and which of the faces they are of, shape (N,).

    Raises:
        AffectZooError: The faces do not differ, where components are to be found.
        DataError: No face has the landmarks.
        UnreadableImageError: None can be read.
    """
    share = extractor.pca or (WIDE_SHARE if width(extractor, index) > WIDE else None)
    if share is None:
        found, known = extract_features(extractor, index, on_unreadable="skip", progress=progress)
        plain = Scaling().fit(found)
        return plain, plain.transform(found), known
    if len(index) <= PCA_FACES:
        found, known = extract_features(extractor, index, on_unreadable="skip", progress=progress)
        fitted = Reduction(share).fit(found)
        return fitted, fitted.transform(found), known
    drawn = index.rows(index.drawn(PCA_FACES))
    first = len(drawn) / (len(drawn) + len(index))
    some, _ = extract_features(extractor, drawn, on_unreadable="skip", progress=span(progress, 0, first))
    reduction = Reduction(share).fit(some)
    return reduction, *scaled(extractor, index, reduction, span(progress, first, 1))


def scaled(
    extractor: Extractor,
    index: FaceIndex,
    scaling: Scaling | Reduction,
    progress: Progress | None = None,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Scaled features of the faces that have any, and which these are; see ``learn_scaling``."""
    if isinstance(scaling, Reduction):
        return extract_features(
            extractor, index, reduce=scaling.transform, on_unreadable="skip", progress=progress
        )
    found, known = extract_features(extractor, index, on_unreadable="skip", progress=progress)
    return scaling.transform(found), known

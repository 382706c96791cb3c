"""Linear classifiers on features, as the papers' baselines use them; scikit-learn does the work.

- ``svm``: linear support vector machines, one for each two classes, which vote (Li and Deng, TIP 2019,
  section V-A; Mollahosseini et al., TAC 2019, section 4.2).
- ``lda``: linear discriminant analysis to C - 1 dimensions, then the nearest training face (Li and Deng).
- ``svr``: linear support vector regression, one for each of valence and arousal (Mollahosseini et al.,
  section 4.3).

Before all of them, features are scaled (``features.scaling``). No constant is searched for: C is 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from affectzoo.benchmark.features import library
from affectzoo.errors import AffectZooError, UnknownNameError

Array = npt.NDArray[Any]


class Classifier(ABC):
    """What decides by scaled features: on classes (``scores``) or values (``values``)."""

    def __init__(self, seed: int = 0) -> None:
        """Nothing is fitted yet.

        Args:
            seed: Of the solver's order; the same seed gives the same result.
        """
        self.seed = seed

    @abstractmethod
    def fit(self, features: Array, targets: Array, classes: int = 0) -> Self:
        """Learn from training faces.

        Args:
            features: Scaled, shape (N, D).
            targets: Class indices, shape (N,), or valence and arousal, shape (N, 2).
            classes: Number of classes, for ``scores``; some may have no face.

        Raises:
            AffectZooError: Targets are missing or out of range, or all faces are of one class.
        """

    def scores(self, features: Array) -> Array:
        """Decision values of faces, shape (N, C): the highest is the prediction.

        A class without training faces has the same value for all, below every other.

        Raises:
            AffectZooError: This one gives values.
        """
        raise AffectZooError("svr gives valence and arousal, not classes; choose svm or lda")

    def values(self, features: Array) -> Array:
        """Valence and arousal of faces, shape (N, 2), in [-1, 1].

        Raises:
            AffectZooError: This one gives classes.
        """
        raise AffectZooError("svm and lda give classes, not valence and arousal; choose svr")


class _ClassScores(Classifier):
    """What ``svm`` and ``lda`` share: classes without training faces."""

    def fit(self, features: Array, targets: Array, classes: int = 0) -> Self:
        """See ``Classifier``."""
        labels = np.asarray(targets)
        wrong = int(((labels < 0) | (labels >= classes)).sum())
        if wrong:
            raise AffectZooError(
                f"{wrong} of {len(labels)} training faces have a class outside 0..{classes - 1}"
            )
        self.classes = classes
        self.seen = np.unique(labels)
        if len(self.seen) < 2:
            raise AffectZooError("the training faces are all of one class, there is nothing to tell apart")
        self._fit(features, labels)
        return self

    def scores(self, features: Array) -> Array:
        """See ``Classifier``."""
        found = self._scores(features)
        every = np.full((len(features), self.classes), found.min(initial=0) - 1)
        every[:, self.seen] = found
        return every

    @abstractmethod
    def _fit(self, scaled: Array, labels: Array) -> None: ...

    @abstractmethod
    def _scores(self, scaled: Array) -> Array:
        """Decision values for the classes that were seen, shape (N, seen)."""


class SVM(_ClassScores):
    """Linear SVMs, one for each two classes; a class's score is its votes and, within 1/3, its confidence.

    The loss is LIBLINEAR's squared hinge. With the hinge of eq. 7 of Li and Deng, C = 1 finds fewer of the
    rare classes, which count as much as the others in the metric of that paper.
    """

    def _fit(self, scaled: Array, labels: Array) -> None:
        one = library("sklearn.svm").LinearSVC(C=1.0, dual=True, random_state=self.seed)
        self._votes = library("sklearn.multiclass").OneVsOneClassifier(one).fit(scaled, labels)

    def _scores(self, scaled: Array) -> Array:
        found: Array = self._votes.decision_function(scaled)
        return found if found.ndim == 2 else np.column_stack([-found, found])  # of two classes, one column


class LDA(_ClassScores):
    """LDA, then the nearest training face; a class's score is minus the distance of its nearest one.

    The covariance within classes is shrunk (Ledoit and Wolf), so that there may be more features than faces.
    """

    def _fit(self, scaled: Array, labels: Array) -> None:
        analysis = library("sklearn.discriminant_analysis").LinearDiscriminantAnalysis
        neighbours = library("sklearn.neighbors").NearestNeighbors
        self._lda = analysis(solver="eigen", shrinkage="auto").fit(scaled, labels)
        places = self._lda.transform(scaled)
        self._nearest = [neighbours(n_neighbors=1).fit(places[labels == name]) for name in self.seen]

    def _scores(self, scaled: Array) -> Array:
        places = self._lda.transform(scaled)
        return -np.column_stack([faces.kneighbors(places)[0] for faces in self._nearest])


class SVR(Classifier):
    """Linear SVRs, one for valence and one for arousal; squared loss beyond 0.1, LIBLINEAR's defaults."""

    def fit(self, features: Array, targets: Array, classes: int = 0) -> Self:
        """See ``Classifier``."""
        values = np.asarray(targets, np.float64)
        unknown = int((~np.isfinite(values)).any(axis=1).sum())
        if unknown:
            raise AffectZooError(f"{unknown} of {len(values)} training faces lack valence or arousal")
        loss = "squared_epsilon_insensitive"
        one = library("sklearn.svm").LinearSVR(
            epsilon=0.1, C=1.0, loss=loss, dual=True, random_state=self.seed
        )
        self._both = library("sklearn.multioutput").MultiOutputRegressor(one).fit(features, values)
        return self

    def values(self, features: Array) -> Array:
        """See ``Classifier``."""
        found: Array = np.clip(self._both.predict(features), -1, 1)
        return found


CLASSIFIERS: dict[str, type[Classifier]] = {"svm": SVM, "lda": LDA, "svr": SVR}
"""The classifiers by name."""


def classifier(name: str, seed: int = 0) -> Classifier:
    """A classifier to fit.

    Args:
        name: ``svm``, ``lda`` or ``svr``.
        seed: The same seed gives the same result.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in CLASSIFIERS:
        raise UnknownNameError("classifier", name, CLASSIFIERS)
    return CLASSIFIERS[name](seed)

"""Linear classifiers on features, as the papers' baselines use them; scikit-learn does the work.

- ``svm``: linear support vector machines, one for each two classes, which vote (Li and Deng, TIP 2019,
  section V-A; Mollahosseini et al., TAC 2019, section 4.2).
- ``lda``: linear discriminant analysis to C - 1 dimensions, then the nearest training face (Li and Deng).
- ``svr``: linear support vector regression, one for each of valence and arousal (Mollahosseini et al.,
  section 4.3).

Their constant is fixed: C is 1. The same with constants chosen on the training part, by inner
cross-validation of five folds (class by class, not person by person):

- ``svm_cv``: C by the mean diagonal (Li and Deng, section V-A).
- ``rbf_cv``: support vector machines with an RBF kernel, C and gamma by the mean diagonal (section III-B).
- ``svr_cv``: C by the mean of the CCC of valence and arousal.

Before all of them, features are scaled (``features.scaling``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from affectzoo.benchmark.features import library
from affectzoo.errors import AffectZooError, UnknownNameError
from affectzoo.losses.va import ccc

Array = npt.NDArray[Any]


class Classifier:
    """What decides by scaled features: on classes (``scores``) or values (``values``)."""

    def __init__(self, name: str, seed: int = 0) -> None:
        """Nothing is fitted yet.

        Args:
            name: One of ``CLASSIFIERS``.
            seed: Of the solver's order; the same seed gives the same result.
        """
        self.name = name
        self.of_values = name in REGRESSORS
        self._estimator = CLASSIFIERS[name](seed)

    def fit(self, features: Array, targets: Array, classes: int = 0) -> Self:
        """Learn from training faces.

        Args:
            features: Scaled, shape (N, D).
            targets: Class indices, shape (N,), or valence and arousal, shape (N, 2).
            classes: Number of classes, for ``scores``; some may have no face.

        Raises:
            AffectZooError: Targets are missing or out of range, or all faces are of one class.
        """
        targets = np.asarray(targets, np.float64 if self.of_values else None)
        if self.of_values:
            wrong, fault = ~np.isfinite(targets).all(axis=1), "lack valence or arousal"
        else:
            wrong = (targets < 0) | (targets >= classes)
            fault = f"have a class outside 0..{classes - 1}"
        if wrong.any():
            raise AffectZooError(f"{wrong.sum()} of {len(targets)} training faces {fault}")
        self._classes, self._seen = classes, np.unique(targets)
        if len(self._seen) < 2 and not self.of_values:
            raise AffectZooError("the training faces are all of one class, there is nothing to tell apart")
        self._estimator.fit(features, targets)
        return self

    @property
    def chosen(self) -> dict[str, float]:
        """The constants that inner folds chose, by name; empty where they are fixed."""
        best: dict[str, float] = getattr(self._estimator, "best_params_", {})
        return {name.rpartition("__")[2]: value for name, value in best.items()}

    def scores(self, features: Array) -> Array:
        """Decision values of faces, shape (N, C): the highest is the prediction.

        A class without training faces has the same value for all, below every other.

        Raises:
            AffectZooError: This one gives values.
        """
        if self.of_values:
            raise AffectZooError(f"{self.name} gives valence and arousal, not classes; choose svm or lda")
        found = self._estimator.decision_function(features)
        if found.ndim == 1:  # of two classes, one column
            found = np.column_stack([-found, found])
        every = np.full((len(features), self._classes), found.min(initial=0) - 1)
        every[:, self._seen] = found
        return every

    def values(self, features: Array) -> Array:
        """Valence and arousal of faces, shape (N, 2), in [-1, 1].

        Raises:
            AffectZooError: This one gives classes.
        """
        if not self.of_values:
            raise AffectZooError(f"{self.name} gives classes, not valence and arousal; choose svr")
        found: Array = np.clip(self._estimator.predict(features), -1, 1)
        return found


def _svm(seed: int) -> Any:
    """Make linear SVMs, one for each two classes; a score is a class's votes and, within 1/3, its confidence.

    The loss is LIBLINEAR's squared hinge. With the hinge of eq. 7 of Li and Deng, C = 1 finds fewer of the
    rare classes, which count as much as the others in the metric of that paper.
    """
    one = library("sklearn.svm").LinearSVC(C=1.0, dual=True, random_state=seed)
    return library("sklearn.multiclass").OneVsOneClassifier(one)


class _NearestByLDA:
    """LDA, then the nearest training face; a class's score is minus the distance of its nearest one.

    The covariance within classes is shrunk (Ledoit and Wolf), so that there may be more features than faces.
    """

    def fit(self, features: Array, labels: Array) -> None:
        analysis = library("sklearn.discriminant_analysis").LinearDiscriminantAnalysis
        neighbors = library("sklearn.neighbors").NearestNeighbors
        self._lda = analysis(solver="eigen", shrinkage="auto").fit(features, labels)
        places = self._lda.transform(features)
        self._nearest = [neighbors(n_neighbors=1).fit(places[labels == name]) for name in np.unique(labels)]

    def decision_function(self, features: Array) -> Array:
        places = self._lda.transform(features)
        return -np.column_stack([faces.kneighbors(places)[0] for faces in self._nearest])


def _svr(seed: int) -> Any:
    """Make linear SVRs for valence and for arousal; squared loss beyond 0.1, LIBLINEAR's defaults."""
    loss = "squared_epsilon_insensitive"
    one = library("sklearn.svm").LinearSVR(epsilon=0.1, C=1.0, loss=loss, dual=True, random_state=seed)
    return library("sklearn.multioutput").MultiOutputRegressor(one)


INNER_FOLDS = 5
C_GRID = tuple(10.0**power for power in range(-3, 2))
RBF_GRID = {
    "C": tuple(4.0**power for power in range(4)),
    "gamma": tuple(4.0**power for power in range(-2, 3)),
}
"""Around what suits features of a mean squared length of 1."""


def _searched(estimator: Any, grid: Mapping[str, Any], scoring: Any, folds: Any) -> Any:
    search = library("sklearn.model_selection").GridSearchCV
    return search(estimator, {name: list(values) for name, values in grid.items()}, scoring=scoring, cv=folds)


def _class_folds(seed: int) -> Any:
    return library("sklearn.model_selection").StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=seed)


def _svm_cv(seed: int) -> Any:
    return _searched(_svm(seed), {"estimator__C": C_GRID}, "balanced_accuracy", _class_folds(seed))


def _rbf_cv(seed: int) -> Any:
    """Make SVMs with an RBF kernel, one for each two classes; the constants are looked for on a grid."""
    one = library("sklearn.svm").SVC(kernel="rbf", decision_function_shape="ovr", random_state=seed)
    return _searched(one, RBF_GRID, "balanced_accuracy", _class_folds(seed))


def _mean_ccc(fitted: Any, features: Array, targets: Array) -> float:
    told = torch.from_numpy(np.clip(fitted.predict(features), -1, 1))
    return float(ccc(told, torch.from_numpy(targets)).mean())


def _svr_cv(seed: int) -> Any:
    folds = library("sklearn.model_selection").KFold(INNER_FOLDS, shuffle=True, random_state=seed)
    return _searched(_svr(seed), {"estimator__C": C_GRID}, _mean_ccc, folds)


CLASSIFIERS: Mapping[str, Callable[[int], Any]] = {
    "svm": _svm,
    "svm_cv": _svm_cv,
    "rbf_cv": _rbf_cv,
    "lda": lambda seed: _NearestByLDA(),
    "svr": _svr,
    "svr_cv": _svr_cv,
}
"""What makes each one's estimator, by name."""

REGRESSORS = ("svr", "svr_cv")
"""Those that give valence and arousal."""


def classifier(name: str, seed: int = 0) -> Classifier:
    """A classifier to fit.

    Args:
        name: One of ``CLASSIFIERS``.
        seed: The same seed gives the same result.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in CLASSIFIERS:
        raise UnknownNameError("classifier", name, CLASSIFIERS)
    return Classifier(name, seed)

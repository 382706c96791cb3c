"""How reliable each annotator of a crowd is, and how difficult each image.

Li and Deng, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Unconstrained Facial
Expression Recognition", IEEE TIP 28(1), 2019, section III-A and Algorithm 1. Annotator i is right about
image j with probability ``sigmoid(alpha_i * beta_j)``: ``alpha`` is the reliability, ``1 / beta`` the
difficulty. Expectation maximisation alternates between the images' classes (E-step) and both (M-step).

Three things that the paper leaves open are chosen here:

- A wrong answer is any other class, equally likely, and so is every class beforehand.
- The likelihood alone has no maximum: ``beta`` of an image on which all agree grows without end, and
  ``alpha`` times c and ``beta`` over c say the same. So ``alpha`` and ``ln beta`` have normal priors
  around 1 and 0, as in the method that the paper builds on (Whitehill et al., NIPS 2009).
- ``beta`` starts at the entropy of the image's answers, as printed, but not below 0.1: where all agree
  the entropy is 0, and ``beta`` must be above.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logsumexp, xlogy

from affectzoo.errors import AffectZooError, DataError
from affectzoo.labels import LabelSpace
from affectzoo.labeltools.answers import class_indices

Array = npt.NDArray[np.float64]
LEAST_BETA = 0.1
"""Where ``beta`` starts for images on which all agree."""


@dataclass(frozen=True)
class Reliability:
    """What was found out about annotators and images.

    Attributes:
        annotators: ``alpha`` of each annotator: the higher the better; 0 is right half the time. Guesses
            among more than two classes are right less often: their ``alpha`` is below 0.
        pictures: ``beta`` of each image, above 0; ``1 / beta`` is its difficulty.
        posterior: Probability of each class for each image; rows sum to 1.
        objective: Log-likelihood of the answers plus log-priors after each E-step; never falls.
        converged: Whether the last step gained less than asked for.
    """

    annotators: pd.Series[float]
    pictures: pd.Series[float]
    posterior: pd.DataFrame
    objective: tuple[float, ...]
    converged: bool

    @property
    def labels(self) -> pd.Series[str]:
        """The most probable class of each image."""
        names = self.posterior.columns[self.posterior.to_numpy().argmax(axis=1)]
        return pd.Series(names, self.posterior.index, name="label")


def estimate_reliability(
    answers: pd.DataFrame,
    labels: LabelSpace,
    *,
    prior: float = 1.0,
    tolerance: float = 1e-6,
    max_steps: int = 200,
) -> Reliability:
    """Estimate annotators' reliabilities and images' classes from the answers alone.

    Args:
        answers: Class names, one row per image and one column per annotator; NaN or ``None`` where
            there is no answer.
        labels: The classes, two or more.
        prior: How strongly ``alpha`` and ``ln beta`` are drawn to 1 and 0: one over the priors'
            variance, above 0.
        tolerance: Stop when a step gains less than this share of the objective.
        max_steps: Stop after so many steps all the same, with a warning.

    Raises:
        LabelError: An answer is no class; image and annotator are named.
        DataError: An image has no answer, an annotator gave none, or there are fewer than two
            annotators.
        AffectZooError: ``prior``, ``tolerance`` or ``max_steps`` is out of range, or there are fewer than
            two classes.
    """
    if not (0 < prior < math.inf and tolerance > 0 and max_steps >= 1 and len(labels) >= 2):
        raise AffectZooError(
            f"reliability: prior {prior}, tolerance {tolerance}, max_steps {max_steps}, {len(labels)} "
            "classes; expected prior > 0, tolerance > 0, max_steps >= 1 and two classes or more"
        )
    given = _Given.read(answers, labels)
    alpha = np.ones(given.shape[1])
    ln_beta = np.log(np.maximum(given.entropy(), LEAST_BETA))
    posterior, likelihood = _e_step(given, alpha, ln_beta)
    objective = [likelihood - _penalty(alpha, ln_beta, prior)]
    converged = False
    while not converged and len(objective) <= max_steps:
        alpha, ln_beta = _m_step(given, posterior, alpha, ln_beta, prior)
        posterior, likelihood = _e_step(given, alpha, ln_beta)
        objective.append(likelihood - _penalty(alpha, ln_beta, prior))
        converged = objective[-1] - objective[-2] < tolerance * abs(objective[-1])
    if not converged:
        warnings.warn(f"reliability: still gaining after {max_steps} steps; raise max_steps", stacklevel=2)
    return Reliability(
        annotators=pd.Series(alpha, answers.columns, name="reliability"),
        pictures=pd.Series(np.exp(ln_beta), answers.index, name="beta"),
        posterior=pd.DataFrame(posterior, answers.index, list(labels.names)),
        objective=tuple(objective),
        converged=converged,
    )


@dataclass(frozen=True)
class _Given:
    """The answers as parallel arrays, one entry per answer."""

    picture: npt.NDArray[np.int64]
    annotator: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    shape: tuple[int, int, int]
    """Images, annotators, classes."""

    @classmethod
    def read(cls, answers: pd.DataFrame, labels: LabelSpace) -> _Given:
        codes = class_indices(answers, labels)
        if answers.shape[1] < 2:
            raise DataError("answers: one annotator, whom nobody can agree with; expected two or more")
        given = codes >= 0
        for names, axis, said in ((answers.index, 1, "image {} has"), (answers.columns, 0, "{} gave")):
            silent = np.flatnonzero(~given.any(axis=axis))
            if len(silent):
                others = f", and {len(silent) - 1} more" if len(silent) > 1 else ""
                raise DataError(f"answers: {said.format(names[silent[0]])} none{others}; leave such out")
        picture, annotator = np.nonzero(given)
        return cls(picture, annotator, codes[picture, annotator], (*codes.shape, len(labels)))

    def per_class(self, weights: Array | None = None) -> Array:
        """Sums over each image's answers by class, of ``weights`` or of 1; shape (images, classes)."""
        pictures, _, classes = self.shape
        cell = self.picture * classes + self.label
        return np.bincount(cell, weights, pictures * classes).reshape(pictures, classes).astype(np.float64)

    def entropy(self) -> Array:
        """Entropy in nats of each image's answers, shape (images,)."""
        votes = self.per_class()
        share = votes / votes.sum(axis=1, keepdims=True)
        entropy: Array = -xlogy(share, share).sum(axis=1)
        return entropy


def _e_step(given: _Given, alpha: Array, ln_beta: Array) -> tuple[Array, float]:
    """Probability of each image's class, and the log-likelihood of all answers."""
    pictures, _, classes = given.shape
    x = alpha[given.annotator] * np.exp(ln_beta)[given.picture]
    wrong = -np.logaddexp(0, x) - math.log(classes - 1)
    # ln(right) - ln(wrong) of an answer is x + ln(classes - 1): added where the answer is the class.
    joint = np.bincount(given.picture, wrong, pictures)[:, None] + given.per_class(x + math.log(classes - 1))
    evidence = logsumexp(joint, axis=1, keepdims=True)
    return np.exp(joint - evidence), float(evidence.sum() - pictures * math.log(classes))


def _m_step(
    given: _Given, posterior: Array, alpha: Array, ln_beta: Array, prior: float
) -> tuple[Array, Array]:
    """Raise the expected log-likelihood plus log-priors over ``alpha`` and ``ln beta`` by its gradient."""
    right = posterior[given.picture, given.label]
    pictures, annotators, _ = given.shape

    def loss(parameters: Array) -> tuple[float, Array]:
        alpha, ln_beta = np.split(parameters, [annotators])
        reliability, beta = alpha[given.annotator], np.exp(ln_beta)[given.picture]
        x = reliability * beta
        value = np.logaddexp(0, -x) @ right + np.logaddexp(0, x) @ (1 - right)
        slope = expit(x) - right
        of_alpha = np.bincount(given.annotator, slope * beta, annotators) + prior * (alpha - 1)
        of_ln_beta = np.bincount(given.picture, slope * x, pictures) + prior * ln_beta
        return float(value) + _penalty(alpha, ln_beta, prior), np.concatenate([of_alpha, of_ln_beta])

    bounds = [(None, None)] * annotators + [(-10.0, 10.0)] * pictures  # keeps exp finite in trial steps
    start = np.concatenate([alpha, ln_beta])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 50})
    return found.x[:annotators], found.x[annotators:]


def _penalty(alpha: Array, ln_beta: Array, prior: float) -> float:
    """Minus the log-priors, up to a constant."""
    return float(prior * (np.square(alpha - 1).sum() + np.square(ln_beta).sum()) / 2)

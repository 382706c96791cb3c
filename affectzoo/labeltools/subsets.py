"""What a crowd's votes make of an image: one class, two classes, or neither.

Li and Deng, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Unconstrained Facial
Expression Recognition", IEEE TIP 28(1), 2019, section III-A: the classes with more than the mean of the
image's votes are its valid labels. One valid label: single-label subset. Two, and neutral is not among
them: two-tab subset, a compound expression.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from affectzoo.errors import DataError
from affectzoo.labels import SPACES, LabelSpace, canonical
from affectzoo.labeltools.answers import class_indices, numbers

_ADVERBS = {
    "happily": "happiness",
    "sadly": "sadness",
    "fearfully": "fear",
    "angrily": "anger",
    "disgustedly": "disgust",
}
_COMPOUND = {
    frozenset((_ADVERBS[name.split("_")[0]], canonical(name.split("_")[1]))): name
    for name in (*SPACES["rafdb11"].names, "fearfully_disgusted")
}


def weighted_votes(
    answers: pd.DataFrame, labels: LabelSpace, reliability: pd.Series[float] | None = None
) -> pd.DataFrame:
    """The votes for each class, each weighing as much as its annotator is reliable.

    Args:
        answers: Class names, one row per image and one column per annotator; NaN or ``None`` where
            there is no answer.
        labels: The classes.
        reliability: Of each annotator, from 0 on; by default 1.

    Returns:
        One row per image, one column per class.

    Raises:
        LabelError: An answer is no class; image and annotator are named.
        DataError: An annotator's reliability is missing, NaN or negative.
    """
    codes = class_indices(answers, labels)
    weights = [1.0] * codes.shape[1]
    if reliability is not None:
        weights = reliability.reindex(answers.columns).astype(float).tolist()
        for annotator, weight in zip(answers.columns, weights, strict=True):
            if not 0 <= weight < np.inf:
                raise DataError(
                    f"votes: the reliability of {annotator} is {weight}, expected a number from 0 on; "
                    "leave such annotators out"
                )
    votes = np.stack([(codes == k) @ weights for k in range(len(labels))], axis=1)
    return pd.DataFrame(votes, answers.index, list(labels.names))


def valid_labels(votes: pd.DataFrame) -> pd.DataFrame:
    """Which classes have more than the mean of an image's votes.

    Args:
        votes: Votes, weighted votes or shares; one row per image, one column per class.

    Returns:
        Booleans of the same shape. Votes that are equal but for rounding have no valid label.

    Raises:
        DataError: An image has no votes, or one that is NaN or negative.
    """
    values = numbers(votes, "votes")
    for faulty, fault in (
        (~np.isfinite(values).all(axis=1), "has votes that are NaN or infinite"),
        ((values < 0).any(axis=1), "has negative votes"),
        (values.sum(axis=1) <= 0, "has no votes"),
    ):
        if faulty.any():
            picture = votes.index[int(faulty.argmax())]
            raise DataError(f"votes: image {picture} {fault}; expected numbers from 0 on")
    above = values > values.mean(axis=1, keepdims=True) * (1 + 1e-9)
    return pd.DataFrame(above, votes.index, votes.columns)


def subsets(votes: pd.DataFrame) -> pd.DataFrame:
    """Sort images into the single-label and the two-tab subset.

    Args:
        votes: Votes, weighted votes or shares; one row per image, one column per class.

    Returns:
        One row per image. ``subset``: ``single``, ``two_tab`` or ``none``; ``labels``: the names of
        its valid labels, the highest first.

    Raises:
        DataError: An image has no votes, or one that is NaN or negative.
    """
    valid = valid_labels(votes).to_numpy()
    order = np.argsort(-votes.to_numpy(np.float64), axis=1, kind="stable")
    names = [str(name) for name in votes.columns]
    labels = [tuple(names[k] for k in ks if row[k]) for ks, row in zip(order, valid, strict=True)]
    return pd.DataFrame({"subset": [_subset(found) for found in labels], "labels": labels}, votes.index)


def _subset(labels: tuple[str, ...]) -> str:
    if len(labels) == 1:
        return "single"
    neutral = any(canonical(name) == "neutral" for name in labels)
    return "two_tab" if len(labels) == 2 and not neutral else "none"


def compound_class(labels: Iterable[str]) -> str | None:
    """The compound expression that two basic ones make up, in RAF-DB's words.

    Args:
        labels: Names of basic classes, in any order.

    Returns:
        A class of ``rafdb11``; ``fearfully_disgusted``, which RAF-DB has too few images of; or
        ``None`` for classes that make up none.
    """
    return _COMPOUND.get(frozenset(canonical(name) for name in labels))

"""Two annotators: how far they agree, and one label out of both, as AffectNet has them.

Mollahosseini, Hasani, Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in
the Wild", IEEE TAC 10(1), 2019, section 3.3, Tables 5 and 6, and section 4.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from affectzoo.errors import DataError
from affectzoo.labels import LabelSpace
from affectzoo.labeltools.answers import class_indices, numbers
from affectzoo.metrics.va import VAMetrics

DIMENSIONS = ("valence", "arousal")
METRICS = {"RMSE": "rmse", "CORR": "pcc", "SAGR": "sagr", "CCC": "ccc"}
"""Rows of Table 6, and what ``VAMetrics`` calls them."""


class CategoryAgreement(NamedTuple):
    """How far two annotators agree on classes.

    Attributes:
        counts: Images by the first annotator's class (rows) and the second's (columns).
        percent: The same in percent of each row; NaN for a class that the first one never gave.
        overall: Percent of all images on which both agree.
    """

    counts: pd.DataFrame
    percent: pd.DataFrame
    overall: float


def category_agreement(
    first: pd.Series[str], second: pd.Series[str], labels: LabelSpace
) -> CategoryAgreement:
    """AffectNet's Table 5.

    AffectNet's annotators may also answer that a face shows none of its eight expressions, that they
    are uncertain, or that it is no face: ``LabelSpace(tuple(CODES["affectnet"].values()))``.

    Args:
        first: One annotator's class of each image.
        second: The other's, of the same images.
        labels: All answers there are.

    Raises:
        LabelError: An answer is no class; image and annotator are named.
        DataError: The images are not the same, there are none, or one lacks an answer.
    """
    one, other = _indices(first, second, labels)
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, (one, other), 1)
    total = counts.sum(axis=1, keepdims=True)
    percent = np.divide(100 * counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    names = list(labels.names)
    return CategoryAgreement(
        pd.DataFrame(counts, names, names),
        pd.DataFrame(percent, names, names),
        float(100 * (one == other).mean()),
    )


def affect_agreement(
    first: pd.DataFrame, second: pd.DataFrame, labels: LabelSpace | None = None
) -> pd.DataFrame:
    """AffectNet's Table 6.

    Args:
        first: One annotator's ``valence`` and ``arousal`` of each image, in [-1, 1], and, where
            ``labels`` are named, ``label``.
        second: The other's, of the same images.
        labels: All classes there are, to look also at the images on whose class both agree.

    Returns:
        RMSE, CORR, SAGR and CCC by valence and arousal over ``all`` images, and over those of the
        ``same category``. CORR and CCC are 0 where they are not defined.

    Raises:
        LabelError: A label is no class; image and annotator are named.
        DataError: The images are not the same, there are none (or none of the same category), a
            column is not there, or a value is NaN or outside [-1, 1]; image and annotator are named.
    """
    _same_pictures(first, second)
    values = [_values(table, name) for table, name in ((first, "first"), (second, "second"))]
    everything = np.ones(len(first), dtype=bool)
    scenarios = {"all": everything}
    if labels is not None:
        one, other = _indices(_column(first, "label"), _column(second, "label"), labels)
        scenarios = {"same category": one == other, "all": everything}
        if not (one == other).any():
            raise DataError("agreement: the annotators agree on no image's class; leave labels out")
    columns = {}
    for scenario, chosen in scenarios.items():
        metrics = VAMetrics(DIMENSIONS)
        metrics.update(*(torch.from_numpy(table[chosen]) for table in values))
        found = metrics.compute()
        for name in DIMENSIONS:
            columns[scenario, name] = [float(found[f"{key}_{name}"]) for key in METRICS.values()]
    return pd.DataFrame(columns, index=list(METRICS))


def settled_labels(
    first: pd.DataFrame, second: pd.DataFrame, query: pd.Series[str], labels: LabelSpace, seed: int = 0
) -> pd.DataFrame:
    """Settle two annotators' answers as AffectNet did for its test part (section 4.1).

    Where the classes differ, the one that the image was searched by goes first: it is the label if either
    annotator gave it. Of all other images with two classes, one annotator's is taken at random. Valence and
    arousal are one annotator's, taken at random. The paper does not say whether that is the one whose class
    was drawn; here it is.

    Args:
        first: One annotator's ``label`` of each image and, if there are any, ``valence`` and ``arousal``, in
            [-1, 1].
        second: The other's, of the same images.
        query: The class by which each image was searched, of the same images.
        labels: All classes there are.
        seed: Of what is taken at random; the same seed gives the same labels.

    Returns:
        One row per image. ``label``; ``valence`` and ``arousal``, where both annotators have them; ``rule``:
        why it is this label: ``agreed``, ``query`` or ``drawn``.

    Raises:
        LabelError: A label or query is no class; image and annotator are named.
        DataError: The images are not the same, there are none, a label or query is missing, one annotator
            alone has valence and arousal, or a value is NaN or outside [-1, 1]; the image is named.
    """
    one, other = _indices(_column(first, "label"), _column(second, "label"), labels)
    searched, _ = _indices(query, query, labels)
    _same_pictures(first, query)
    take_second = np.random.default_rng(seed).random(len(first)) < 0.5
    drawn = np.where(take_second, other, one)
    agreed, found = one == other, (searched == one) | (searched == other)
    codes = np.where(agreed, one, np.where(found, searched, drawn))
    settled = pd.DataFrame({"label": np.array(labels.names)[codes]}, first.index)
    if any(name in table.columns for table in (first, second) for name in DIMENSIONS):
        values = np.where(take_second[:, None], _values(second, "second"), _values(first, "first"))
        settled[list(DIMENSIONS)] = values
    settled["rule"] = np.select([agreed, found], ["agreed", "query"], "drawn")
    return settled


def _same_pictures(first: pd.Series[str] | pd.DataFrame, second: pd.Series[str] | pd.DataFrame) -> None:
    if len(first) == 0 or not first.index.equals(second.index) or not first.index.is_unique:
        raise DataError(
            f"agreement: {len(first)} images of the first annotator, {len(second)} of the second; expected "
            "the same ones in the same order, each once, as the index"
        )


def _indices(
    first: pd.Series[str], second: pd.Series[str], labels: LabelSpace
) -> tuple[np.ndarray, np.ndarray]:
    _same_pictures(first, second)
    both = pd.DataFrame({"first": first, "second": second})
    codes = class_indices(both, labels)
    missing = np.argwhere(codes < 0)
    if len(missing):
        row, column = missing[0]
        raise DataError(
            f"agreement: image {both.index[row]} has no label of the {both.columns[column]} annotator; "
            "leave such images out"
        )
    return codes[:, 0], codes[:, 1]


def _column(table: pd.DataFrame, name: str) -> pd.Series[str]:
    if name not in table.columns:
        raise DataError(f"agreement: no column {name}, only {', '.join(map(str, table.columns))}")
    return table[name]


def _values(table: pd.DataFrame, annotator: str) -> np.ndarray:
    columns = pd.DataFrame({name: _column(table, name) for name in DIMENSIONS})
    values = numbers(columns, f"agreement, {annotator} annotator")
    faulty = np.argwhere(~(np.abs(values) <= 1))
    if len(faulty):
        row, column = faulty[0]
        raise DataError(
            f"agreement: image {table.index[row]}, {annotator} annotator: {DIMENSIONS[column]} is "
            f"{values[row, column]}, expected a number in [-1, 1]; leave such images out"
        )
    return values

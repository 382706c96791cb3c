"""Annotators' answers as class indices or numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectzoo.errors import DataError, LabelError
from affectzoo.labels import LabelSpace


def class_indices(answers: pd.DataFrame, labels: LabelSpace) -> npt.NDArray[np.int64]:
    """The index of each answer's class.

    Args:
        answers: Class names, one row per image and one column per annotator; NaN or ``None`` where
            there is no answer.
        labels: The classes.

    Returns:
        Shape (images, annotators), -1 where there is no answer.

    Raises:
        DataError: There are no images or no annotators, or one of either is there twice.
        LabelError: An answer is no class; image and annotator are named.
    """
    if answers.empty:
        raise DataError(f"answers: {answers.shape[0]} images, {answers.shape[1]} annotators; expected some")
    for names, kind in ((answers.index, "image"), (answers.columns, "annotator")):
        if not names.is_unique:
            raise DataError(f"answers: {kind} {names[names.duplicated()][0]} is there twice")
    codes, found = pd.factorize(answers.to_numpy(dtype=object).ravel())
    index = np.full(len(found) + 1, -1)  # the last one is for -1, a missing answer
    for place, name in enumerate(found):
        try:
            index[place] = labels.index(str(name))
        except LabelError as error:
            row, column = divmod(int(np.flatnonzero(codes == place)[0]), answers.shape[1])
            where = f"answers: image {answers.index[row]}, annotator {answers.columns[column]}"
            raise LabelError(f"{where}: {error}") from None
    return index[codes].reshape(answers.shape)


def numbers(table: pd.DataFrame, what: str) -> npt.NDArray[np.float64]:
    """Take a table's values as numbers, NaN where there are none.

    Raises:
        DataError: One is no number; its row and column are named.
    """
    found: npt.NDArray[np.float64] = table.apply(pd.to_numeric, errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    wrong = np.argwhere(np.isnan(found) & table.notna().to_numpy(bool))
    if len(wrong):
        row, column = wrong[0]
        cell = str(table.iloc[row, column])[:40]
        where = f"row {table.index[row]}, column {table.columns[column]}"
        raise DataError(f"{what}: {where}: {cell!r} is no number")
    return found

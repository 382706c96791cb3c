"""Several data sets as one index, for trainings on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from affectzoo.datasets.ids import ids
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import DataError, LabelError, OptionError


def join(root: Path, parts: Mapping[str, FaceIndex]) -> FaceIndex:
    """Join data sets below one folder, each face in its own split.

    Classes are those of the first data set that has some. Subjects and clips of different data sets are
    different ones, whatever they are called.

    Args:
        root: A folder above all the data sets' folders.
        parts: Indices by name.

    Raises:
        OptionError: No data set is named, or one lies outside ``root``.
        LabelError: A data set labels faces with classes that the first one lacks.
        DataError: Faces of two data sets have different numbers of landmarks, or two of one have one id.
    """
    if not parts:
        raise OptionError("data.parts names no data set, expected such as {ferplus: {}, rafdb: {}}")
    labels = next((index.labels for index in parts.values() if index.labels is not None), None)
    tables: list[pd.DataFrame] = []
    left_out: dict[str, int] = {}
    unused: dict[str, int] = {}
    for name, index in parts.items():
        if not index.root.is_relative_to(root):
            raise OptionError(f"data.parts: {name} lies in {index.root}, outside {root}")
        if labels is not None and index.labels is not None:
            try:
                index = index.conform(labels)
            except LabelError as error:
                raise LabelError(f"data.parts: {name}: {error}") from None
        tables.append(_placed(name, index, index.root.relative_to(root)))
        left_out |= {f"{why} ({name})": count for why, count in index.left_out.items()}
        unused |= {f"{why} ({name})": count for why, count in index.unused.items()}
    table = pd.concat(tables, ignore_index=True)
    counts = sorted({len(points) for points in table["landmarks"] if points is not None})
    if len(counts) > 1:
        raise DataError(
            f"data.parts: faces have {' and '.join(map(str, counts))} landmarks, expected one number"
        )
    scales = {index.scale for index in parts.values()}
    scale = scales.pop() if len(scales) == 1 else 1.0
    margin = min(index.margin for index in parts.values())
    return FaceIndex("+".join(parts), root, labels, table, left_out, scale, unused, margin)


def _placed(name: str, index: FaceIndex, folder: Path) -> pd.DataFrame:
    """The table with paths below the common folder, subjects and clips named after their data set.

    The faces keep the ids that they have in their own data set, in a column of its own.
    """
    table = index.table.assign(id=ids(index))
    table["path"] = [None if path is None else str(folder / path) for path in table["path"]]
    for column in ("subject", "clip"):
        table[column] = [None if value is None else f"{name}/{value}" for value in table[column]]
    return table

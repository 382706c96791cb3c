"""What a system predicts for each face of an index, and the table in which it is kept beside the truth."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectzoo.console import counted, plain_cell
from affectzoo.datasets.ids import ids
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import DataError
from affectzoo.metrics.columns import DECISION, ERROR, LABEL, PROBABILITY, TEXTS, TRUE, renamed, score_columns
from affectzoo.metrics.names import DIMENSIONS
from affectzoo.sample import ClipRule

Floats = npt.NDArray[np.float64]
ScoreKind = Literal["probabilities", "decisions", "labels"]


@dataclass(frozen=True)
class Answers:
    """What a system says of each face of an index, in its order.

    Attributes:
        scores: Class scores, shape (N, C), a row of NaN where it says nothing; ``None``: it knows no classes.
        va: Values, shape (N, D), a row with NaN where it says nothing; ``None``: it knows no values.
        kind: What the scores are: ``probabilities``, ``decisions`` on any scale, or ``labels``, 1 for the
            class that was named.
        dimensions: What the columns of ``va`` are.
        rule: How the scores of frames become their clip's.
        errors: Of landmarks, see ``affectzoo.metrics.landmarks.nme``, shape (N, 1), NaN where there are none;
            ``None``: it knows no landmarks.
    """

    scores: Floats | None = None
    va: Floats | None = None
    kind: ScoreKind = "probabilities"
    dimensions: tuple[str, ...] = DIMENSIONS
    rule: ClipRule = "probabilities"
    errors: Floats | None = None

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Faces of which the system says all that it can, shape (N,)."""
        return complete(self.scores, self.va, self.errors)

    def only(self, faces: npt.NDArray[np.bool_]) -> Answers:
        """The same answers, but none for the other faces."""
        scores, va, errors = (
            None if t is None else np.where(faces[:, None], t, np.nan)
            for t in (self.scores, self.va, self.errors)
        )
        return replace(self, scores=scores, va=va, errors=errors)


def complete(*tables: Floats | None) -> npt.NDArray[np.bool_]:
    """Rows in which every table is known, shape (N,)."""
    known = [np.isfinite(table).all(axis=1) for table in tables if table is not None]
    return np.asarray(np.stack(known).all(axis=0))


def predictions_table(
    index: FaceIndex, answers: Answers, classes: Sequence[str] | None, fold: int | None = None
) -> pd.DataFrame:
    """Put predictions beside the ground truth, a row per face.

    Args:
        index: The faces.
        answers: What a system says of them.
        classes: The columns of the scores.
        fold: The fold's number, of a protocol with folds.

    Returns:
        A table with the columns of ``affectzoo.metrics.columns``.
    """
    faces = index.table
    where = {"id": ids(index), "fold": fold, "file": faces["path"].to_numpy()}
    where |= {name: faces[name].to_numpy() for name in ("subject", "clip", "frame")}
    truth = {name: faces[name].to_numpy() for name in (LABEL, *DIMENSIONS)}
    kind, dimensions = answers.kind, answers.dimensions
    table = beside(where, truth, answers.scores, answers.va, kind, dimensions, classes or ())
    return table if answers.errors is None else table.assign(**{ERROR: answers.errors[:, 0]})


def beside(
    where: Mapping[str, Any],
    truth: Mapping[str, Any],
    scores: Floats | None,
    va: Floats | None,
    kind: ScoreKind,
    dimensions: Sequence[str],
    classes: Sequence[str],
) -> pd.DataFrame:
    """Put predictions beside the ground truth, a row per face or clip.

    Args:
        where: Columns that say which face or clip a row is of.
        truth: ``label``, and values by dimension.
        scores: See ``Answers``, as all that follow.
        va: Values.
        kind: What the scores are.
        dimensions: The columns of the values.
        classes: Those of the scores.
    """
    columns = dict(where)
    if scores is not None:
        names = np.array([*classes, None], dtype=object)
        said = np.isfinite(scores).all(axis=1)
        best = np.where(said, np.nan_to_num(scores).argmax(axis=1), len(names) - 1)
        columns |= {f"{TRUE}{LABEL}": truth[LABEL], LABEL: names[best]}
        if kind != "labels":
            letter = PROBABILITY if kind == "probabilities" else DECISION
            columns |= {f"{letter}{name}": scores[:, i] for i, name in enumerate(classes)}
    if va is not None:
        for i, name in enumerate(dimensions):
            columns |= {f"{TRUE}{name}": truth[name], name: va[:, i]}
    return pd.DataFrame(columns)


def scores_of(table: pd.DataFrame, classes: Sequence[str]) -> tuple[Floats | None, ScoreKind]:
    """Class scores of a table, as they were given to ``predictions_table``, and what they are."""
    if LABEL not in table:
        return None, "probabilities"
    columns = score_columns(map(str, table))
    if columns:
        kind: ScoreKind = (
            "decisions" if next(iter(columns.values())).startswith(DECISION) else "probabilities"
        )
        return table[[columns[name] for name in classes]].to_numpy(np.float64), kind
    places = pd.Index(classes).get_indexer(pd.Index(table[LABEL]))
    chosen = (places[:, None] == np.arange(len(classes))).astype(np.float64)
    return np.where(places[:, None] < 0, np.nan, chosen), "labels"


def values_of(table: pd.DataFrame) -> tuple[Floats | None, tuple[str, ...]]:
    """Predicted values of a table, shape (N, D), and their dimensions."""
    dimensions = tuple(name for name in DIMENSIONS if name in table)
    return (table[list(dimensions)].to_numpy(np.float64) if dimensions else None), dimensions


def errors_of(table: pd.DataFrame) -> Floats | None:
    """Errors of landmarks of a table, shape (N, 1); ``None`` where it is not about landmarks."""
    return table[[ERROR]].to_numpy(np.float64) if ERROR in table else None


def read_table(path: Path) -> pd.DataFrame:
    """Read predictions as records have them beside them; empty cells are missing.

    Raises:
        DataError: There is no such file, or it is no such table.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file of predictions")
    texts = (*TEXTS, "path", "predicted_label")
    try:
        _check_widths(path)
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(texts, object),
            keep_default_na=False,
            na_values=[""],
            float_precision="round_trip",
        )
    except DataError:
        raise
    except (ValueError, OSError, csv.Error) as error:
        raise DataError(f"{path}: no table of predictions ({error})") from None
    for name in texts:
        if name in table:
            table[name] = table[name].map(plain_cell)
    table = table.rename(columns=renamed(map(str, table)))
    if "id" not in table:
        raise DataError(f"{path}: no column id; affectzoo benchmark writes one")
    if table["id"].isna().any():
        raise DataError(f"{path}: a row without id; affectzoo benchmark writes one for each face")
    numbers = [
        *score_columns(map(str, table)).values(),
        *DIMENSIONS,
        *(f"{TRUE}{name}" for name in DIMENSIONS),
        ERROR,
    ]
    for name in numbers:
        if name in table and not pd.api.types.is_numeric_dtype(table[name]):
            raise DataError(f"{path}: {name} holds text, expected numbers")
        if name in table and np.isinf(table[name].to_numpy(np.float64)).any():
            raise DataError(f"{path}: {name} holds an infinite number")
    return table


def _check_widths(path: Path) -> None:
    """Refuse lines of another number of fields than the first, which pandas would fill up or shift."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        first = len(next(rows, ()))
        for cells in rows:
            if cells and len(cells) != first:
                found = counted(len(cells), "field")
                raise DataError(f"{path}, line {rows.line_num}: {found}, the first line has {first}")

"""Predictions of another system, read from its file and put beside the faces of an index.

A file is CSV, JSON (a list of objects), JSON Lines or Parquet, with one row per face:

====================================  ========================================================================
``id``                                the face, as ``affectzoo data protocol --out`` writes it; or, instead,
``file`` or ``path``                  its image: the index's path, a path that ends with it, or an end of it
                                      that no other image has
``frame``                             beside a path: which frame of a video
``x0``, ``y0``, ``x1``, ``y1``        beside a path: the face's box, to choose by where an image has several
``p_<class>``                         probabilities of the classes; or, instead,
``s_<class>``                         decision values of any scale; or, instead,
``label``                             the class that was chosen
``valence``, ``arousal``              for [-1, 1]; regressors overshoot: up to 2 is taken
``error``                             where not empty, the row says nothing: no face was found
====================================  ========================================================================

These are the columns of ``affectzoo predict``, ``test`` and ``benchmark``, see ``affectzoo.metrics.columns``.
In a file with columns ``predicted_label``, ``predicted_valence`` or ``predicted_arousal``, plain names are
the ground truth. Empty cells and NaN are missing predictions.
"""

from __future__ import annotations

import io
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectzoo.benchmark.detection import match
from affectzoo.console import plain_cell
from affectzoo.datasets.fields import number
from affectzoo.datasets.ids import ids
from affectzoo.errors import DataError, LabelError
from affectzoo.files.text import csv_rows
from affectzoo.labels import canonical
from affectzoo.metrics.columns import BOX, DECISION, PROBABILITY
from affectzoo.metrics.names import DIMENSIONS

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.evaluation.predictions import ScoreKind
    from affectzoo.faces.preprocess import Box

Floats = npt.NDArray[np.float64]
KEYS = ("id", "path", "file")
LIMIT = 2.0
"""Beyond it, values must be on another scale."""

TOLERANCE = 1e-3
"""By which probabilities may miss a sum of 1: files round."""


class External(NamedTuple):
    """Another system's predictions, in the order of the index.

    Attributes:
        scores: Class scores, shape (N, C), NaN where there are none; ``None``: the file has no classes.
        kind: What the scores are: ``probabilities``, ``decisions``, or ``labels``, 1 for the chosen class.
        va: Valence and arousal in [-1, 1], shape (N, 2), NaN likewise, and throughout for one that the file
            does not have; ``None``: it has neither.
        missing: Faces without a full prediction, shape (N,).
        others: Of the file's rows that are of other faces: how many, and the first; empty for none.
    """

    scores: Floats | None
    kind: ScoreKind
    va: Floats | None
    missing: npt.NDArray[np.bool_]
    others: str = ""


@dataclass(frozen=True)
class _File:
    """A file's cells, ``None`` where empty, and each row's place in the file, for messages."""

    path: Path
    cells: pd.DataFrame
    places: Sequence[str]

    def where(self, row: int) -> str:
        return f"{self.path}, {self.places[row]}"

    @property
    def columns(self) -> list[str]:
        return [str(name) for name in self.cells]

    def column(self, name: str) -> list[Any]:
        """The cells of a column; ``None`` throughout where there is none."""
        return self.cells[name].tolist() if name in self.cells else [None] * len(self.cells)

    def check_lengths(self) -> None:
        """Refuse cells and columns' names that are no path, label or number."""
        for name in self.columns:
            long = [row for row, cell in enumerate(self.column(name)) if len(str(cell)) > LONGEST]
            if len(name) > LONGEST or long:
                where = self.where(long[0]) if long else str(self.path)
                raise DataError(f"{where}: {name[:40]} holds more than {LONGEST:,} characters")

    def numbers(self, names: Sequence[str], low: float = -math.inf, high: float = math.inf) -> Floats:
        """Columns as numbers, shape (rows, columns), NaN where empty."""
        found = [
            [
                math.nan if cell is None else number(cell, self.where(row), name, low, high)
                for row, cell in enumerate(self.column(name))
            ]
            for name in names
        ]
        return np.array(found, dtype=np.float64).T


def read_predictions(
    path: Path, index: FaceIndex, labels: Sequence[str] | None, *, values: bool = True
) -> External:
    """Read a file of predictions.

    Faces that the file lacks, or has no numbers for, are missing. Where it has several boxes in one image,
    as detectors find them, a face has the row whose box overlaps its own the most, and the others are left.
    Rows of other faces than those to report on are passed over and counted.

    Args:
        path: See this module's text.
        index: All faces to report on; with folds, all folds' faces together.
        labels: The classes to report on, in order; ``None``: classes are not looked at.
        values: Whether to read valence and arousal.

    Raises:
        DataError: The file cannot be read, holds none of the faces, the same face twice, no predictions,
            numbers out of range, or a label that is not the class of the highest score; file and line are
            named.
        LabelError: Its classes are not the ones to report on.
    """
    file = _read(Path(path))
    file.check_lengths()
    rows, others = _rows(file, index)
    found, kind = (None, None) if labels is None else _scores(file, labels)
    if labels is not None and found is not None and kind != "labels":
        _check_labels(file, found, labels, rows, index)
    scores, va = (_aligned(table, rows) for table in (found, _values(file) if values else None))
    if scores is None and va is None:
        raise DataError(
            f"{path}: no predictions of the faces to report on. Looked for p_<class>, s_<class> or label, "
            "and for valence and arousal; there are columns "
            f"{', '.join(file.columns)}"
        )
    needed = [] if scores is None else [scores]
    if va is not None:
        _refuse_truth(file, va, index)
        needed.append(va[:, np.isfinite(va).any(axis=0)])
    missing = np.isnan(np.concatenate(needed, axis=1).sum(axis=1))
    if missing.all():
        raise DataError(f"{path}: no face to report on has a full prediction, some cell is empty in each")
    return External(scores, kind or "probabilities", va, missing, others)


LONGEST = 1000
"""Most characters of a cell; messages show cells."""

_EMPTY = ("", "nan", "NaN", "NAN")
"""Cells that say nothing."""


def _read(path: Path) -> _File:
    kind = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"{path}: no such file of predictions")
    if kind == ".csv":
        lines = [(source.removeprefix(f"{path}, "), fields) for _, source, fields in csv_rows(path)]
        header = lines[0][1] if lines else []
        twice = [name for name, times in Counter(header).items() if times > 1]
        if twice:
            raise DataError(f"{path}: column '{twice[0]}' occurs twice")
        texts = [[plain_cell(cell) for cell in fields] for _, fields in lines[1:]]
        known = [[None if cell in _EMPTY else cell for cell in row] for row in texts]
        cells = pd.DataFrame(known, columns=header, dtype=object)
        return _File(path, cells, [place for place, _ in lines[1:]])
    try:
        if kind == ".json":
            cells = pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
        elif kind == ".jsonl":
            rows = path.read_text(encoding="utf-8").split("\n")
            cells = pd.DataFrame([json.loads(row) for row in rows if row.strip()])
        elif kind == ".parquet":
            cells = pd.read_parquet(io.BytesIO(path.read_bytes()))
        else:
            raise DataError(f"{path}: predictions are read from .csv, .json, .jsonl or .parquet")
    except DataError:
        raise
    except Exception as error:  # the libraries have errors of their own for damage
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: no table of predictions ({told})") from None
    cells = cells.rename(columns=str).astype(object).where(cells.notna(), None)
    return _File(path, cells, [f"row {number}" for number in range(1, len(cells) + 1)])


def _prefix(file: _File) -> str:
    """Beside what is called predicted, plain names are the truth."""
    return "predicted_" if any(name.startswith("predicted_") for name in file.columns) else ""


def _scores(file: _File, labels: Sequence[str]) -> tuple[Floats | None, ScoreKind | None]:
    kinds: dict[str, ScoreKind] = {PROBABILITY: "probabilities", DECISION: "decisions"}
    columns = {prefix: [name for name in file.columns if name.startswith(prefix)] for prefix in kinds}
    if all(columns.values()):
        raise DataError(
            f"{file.path}: {columns['p_'][0]} and {columns['s_'][0]}: give probabilities or decision values"
        )
    for prefix, kind in kinds.items():
        if columns[prefix]:
            scores = file.numbers(_in_order(file, columns[prefix], labels))
            for row in np.flatnonzero(np.isnan(scores).any(axis=1) & ~np.isnan(scores).all(axis=1))[:1]:
                raise DataError(
                    f"{file.where(row)}: some classes' {prefix}<class> are empty; fill all of a face, or none"
                )
            if kind == "probabilities":
                _check_probabilities(file, scores)
            return scores, kind
    name = f"{_prefix(file)}label"
    return (_one_hot(file, name, labels), "labels") if name in file.cells else (None, None)


def _in_order(file: _File, columns: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The column of each class."""
    by_class: dict[str, str] = {}
    for column in columns:
        name = canonical(column[2:])
        if name in by_class:
            raise LabelError(f"{file.path}: {by_class[name]} and {column} are the same class")
        by_class[name] = column
    wanted = [canonical(name) for name in labels]
    unknown = [by_class[name] for name in by_class if name not in wanted]
    lacking = [name for name in wanted if name not in by_class]
    if unknown or lacking:
        faults = [f"unknown: {', '.join(unknown)}"] if unknown else []
        faults += [f"lacking: {', '.join(lacking)}"] if lacking else []
        raise LabelError(
            f"{file.path}: the columns of classes do not fit ({'; '.join(faults)}); expected one for each of "
            f"{', '.join(labels)}"
        )
    return [by_class[name] for name in wanted]


def _check_probabilities(file: _File, scores: Floats) -> None:
    known = np.isfinite(scores).all(axis=1)
    wrong = known & ((scores < 0) | (scores > 1)).any(axis=1)
    wrong |= known & (np.abs(scores.sum(axis=1) - 1) > TOLERANCE)
    for row in np.flatnonzero(wrong)[:1]:
        raise DataError(
            f"{file.where(row)}: probabilities from {scores[row].min():g} to {scores[row].max():g} with the "
            f"sum {scores[row].sum():g}, expected 0 to 1 with the sum 1; decision values go into s_<class>"
        )


def _one_hot(file: _File, column: str, labels: Sequence[str]) -> Floats:
    places = {canonical(name): i for i, name in enumerate(labels)}
    scores = np.zeros((len(file.cells), len(labels)))
    for row, name in enumerate(file.column(column)):
        if name is None:
            scores[row] = np.nan
        elif canonical(str(name)) in places:
            scores[row, places[canonical(str(name))]] = 1
        else:
            raise LabelError(f"{file.where(row)}: {column} is '{name}', expected one of {', '.join(labels)}")
    return scores


def _check_labels(
    file: _File, scores: Floats, labels: Sequence[str], rows: npt.NDArray[np.int64], index: FaceIndex
) -> None:
    """Refuse scores that name other classes than the file's labels: their columns may be mixed up.

    A column that holds the ground truth throughout says nothing of the scores.
    """
    name = f"{_prefix(file)}label"
    column, places = file.column(name), {canonical(label): i for i, label in enumerate(labels)}
    truth, wrong = True, None
    for row, true in zip(rows.tolist(), index.table["label"], strict=True):
        if row < 0 or column[row] is None or np.isnan(scores[row]).any():
            continue
        said = canonical(str(column[row]))
        truth &= true == said
        place = places.get(said)
        if wrong is None and (place is None or scores[row, place] < scores[row].max() - TOLERANCE):
            wrong = row
    if wrong is not None and not truth:
        highest = labels[int(scores[wrong].argmax())]
        raise DataError(
            f"{file.where(wrong)}: {name} is '{column[wrong]}', but the highest score is that of {highest}: "
            f"are the columns of the classes mixed up? If {name} is the ground truth, call it true_label"
        )


def _values(file: _File) -> Floats:
    names = [f"{_prefix(file)}{name}" for name in DIMENSIONS]
    try:
        return file.numbers(names, -LIMIT, LIMIT)
    except DataError as error:
        raise DataError(
            f"{error}. Is the file on another scale? Bring it to -1..1 (of a scale -10..10, divide by 10)"
        ) from None


def _refuse_truth(file: _File, va: Floats, index: FaceIndex) -> None:
    truth = index.table[list(DIMENSIONS)].to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(va) & np.isfinite(truth)
    if not _prefix(file) and known.any() and (va == truth)[known].all():
        raise DataError(
            f"{file.path}: valence and arousal are the annotation itself; they are for predictions, "
            "the annotation is true_valence and true_arousal"
        )


def _aligned(found: Floats | None, rows: npt.NDArray[np.int64]) -> Floats | None:
    """Rows of the file at their faces, NaN where there is none; ``None`` where all is empty."""
    if found is None:
        return None
    aligned = np.where(rows[:, None] < 0, np.nan, found[rows])
    return aligned if np.isfinite(aligned).any() else None


def _rows(file: _File, index: FaceIndex) -> tuple[npt.NDArray[np.int64], str]:
    """For each face its row in the file, -1 for none; and which rows are of other faces."""
    key = next((name for name in KEYS if name in file.cells), None)
    if key is None:
        raise DataError(f"{file.path}: no column id, path or file says which face a row is of")
    if len(file.cells) == 0:
        raise DataError(f"{file.path}: no rows")
    names = file.column(key)
    if None in names:
        raise DataError(f"{file.where(names.index(None))}: {key} is empty")
    faces = _by_id(names, index) if key == "id" else _by_path(file, key, index)
    told = [error is None for error in file.column("error")]
    unknown = [row for row, known in enumerate(told) if known and not faces[row]]
    some = ", ".join(f"{names[row]} ({file.places[row]})" for row in unknown[:3])
    others = f"{len(unknown):,} of {len(names):,} rows are of other faces: {some}" if unknown else ""
    others += ", ..." if len(unknown) > 3 else ""
    together: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row in (row for row, known in enumerate(told) if known):
        if faces[row]:
            together[tuple(faces[row])].append(row)
    found = np.full(len(index), -1, dtype=np.int64)
    boxes = _boxes(file) if key != "id" else [None] * len(names)
    own: list[Box | None] = index.table["box"].tolist()
    for of, rows in together.items():
        for face, row in _pairs(file, list(of), rows, own, boxes):
            found[face] = row
    if (found < 0).all():
        raise DataError(
            f"{file.path}: says nothing of any of the {len(index)} faces of {index.dataset} to report on"
            + (f"; {others}" if others else "")
        )
    return found, others


def _by_id(names: Sequence[Any], index: FaceIndex) -> list[list[int]]:
    faces = {name: [i] for i, name in enumerate(ids(index))}
    return [faces.get(str(name), []) for name in names]


def _by_path(file: _File, key: str, index: FaceIndex) -> list[list[int]]:
    """For each row the faces of its image."""
    frames: dict[str, dict[Any, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, (path, frame) in enumerate(zip(index.table["path"], index.table["frame"], strict=True)):
        frames[path][frame].append(i)
    endings: dict[str, list[str]] = defaultdict(list)
    for path in frames:
        for end in _ends(path):
            endings[end].append(path)
    found = []
    for row, (name, frame) in enumerate(zip(file.column(key), file.column("frame"), strict=True)):
        picture = frames.get(_known_path(str(name), frames, endings, file.where(row)) or "", {})
        if len(picture) <= 1:
            found.append([face for faces in picture.values() for face in faces])
        elif frame is None:
            raise DataError(
                f"{file.where(row)}: {name} has {len(picture)} frames; a column frame must say which"
            )
        else:
            found.append(picture.get(int(number(frame, file.where(row), "frame", 0, whole=True)), []))
    return found


def _known_path(
    given: str, known: Mapping[str, Any], endings: Mapping[str, Sequence[str]], where: str
) -> str | None:
    """The index's path that a file's path means."""
    ends = list(_ends(given.replace("\\", "/")))
    whole = next((end for end in ends if end in known), None)
    longest = ends[0] if ends else ""  # of a path such as "." or "/"
    paths = endings.get(longest, []) if whole is None else [whole]
    if len(paths) > 1:
        raise DataError(
            f"{where}: {given} may be {paths[0]} or {paths[1]}; give more of its path, or the face's id"
        )
    return paths[0] if paths else None


def _ends(path: str) -> Iterator[str]:
    """The path and what is left of it without its first folders, the longest first."""
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _boxes(file: _File) -> list[Box | None]:
    if not set(BOX) <= set(file.cells):
        return [None] * len(file.cells)
    edges = file.numbers(BOX)
    return [None if np.isnan(box).any() else (box[0], box[1], box[2], box[3]) for box in edges.tolist()]


def _pairs(
    file: _File,
    faces: Sequence[int],
    rows: Sequence[int],
    own: Sequence[Box | None],
    boxes: Sequence[Box | None],
) -> Iterator[tuple[int, int]]:
    """Faces of one image with their rows."""
    annotated, given = [own[face] for face in faces], [boxes[row] for row in rows]
    found = [box for box in given if box is not None]
    if None not in annotated and len(found) == len(rows):
        first: dict[Box, int] = {}
        for row, box in zip(rows, found, strict=True):
            if first.setdefault(box, row) != row:
                raise _twice(file, first[box], row)
        for face, place in zip(faces, match(annotated, found), strict=True):
            if place is not None:
                yield face, rows[place]
    elif len(faces) > 1:
        raise DataError(
            f"{file.where(rows[0])}: the image has {len(faces)} annotated faces; a column id, or x0, y0, "
            "x1, y1, must say which one"
        )
    elif len(rows) > 1:
        raise _twice(file, rows[0], rows[1])
    else:
        yield faces[0], rows[0]


def _twice(file: _File, one: int, other: int) -> DataError:
    return DataError(
        f"{file.where(one)} and {file.places[other]}: the same face twice. Keep one row; of several faces "
        "that a detector found in an image one can be chosen only where both file and data set have boxes"
    )

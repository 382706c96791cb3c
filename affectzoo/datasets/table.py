r"""Your own faces, listed in a CSV file: classes, valence and arousal, boxes, landmarks, clips.

Layout::

    root/faces.csv      (or a path to any .csv file)

The header names the columns; only ``path`` and ``label`` or ``valence`` with ``arousal`` are required,
and a cell of the others may be empty. Cells are separated by commas, semicolons or tabs, as the header's are:

===========================  ===================================================================
``path``                     image, relative to the CSV file's folder; ``\`` is read as ``/`` where
                             only that is there
``label``                    class name; ``1.0`` is read as ``1``
``valence``, ``arousal``     in [-1, 1]
``split``                    ``train`` (where empty or not there), ``valid`` (``val``, ``dev``) or ``test``
``x0``, ``y0``, ``x1``,      face box in pixels of the image, x1 and y1 excluded; empty: a ready
``y1``                       crop
``landmarks``                5 or 68 points as ``x;y;x;y;...``, pixels of the image
``subject``                  who is shown; validation parts are then drawn by subject
``clip``, ``frame``          which clip the image is a frame of, and its number there
===========================  ===================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affectzoo.datasets.fields import box as box_of
from affectzoo.datasets.fields import number, points
from affectzoo.datasets.index import SPLITS, FaceIndex, one_hot, part_of
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.text import csv_rows
from affectzoo.labels import NOT_A_CLASS, SPACES, LabelSpace, canonical, label_space

BOX = ("x0", "y0", "x1", "y1")
AFFECT = ("valence", "arousal")
MISSING = frozenset({"nan", "na", "n/a", "#n/a", "<na>", "null"})
"""What programs write for a missing value, lower case; refused, as it would be a class or a person."""
COLUMNS = ("path", "label", *AFFECT, "split", *BOX, "landmarks", "subject", "clip", "frame")


@reader
def read_table(root: Path) -> FaceIndex:
    """Index your own CSV file.

    The label space is the known one with the same classes (the first that fits, such as
    ``affectnet8``), else the class names in alphabetical order. Faces labeled none, uncertain,
    unknown or non-face are excluded and counted.

    Args:
        root: The folder that holds ``faces.csv``, or a path to a ``.csv`` file.

    Raises:
        DataNotFoundError: The file is not there.
        DataError: The file is not as described; file, line and column are named.
    """
    path = root / "faces.csv" if root.is_dir() or root.suffix.lower() != ".csv" else root
    if not path.is_file():
        raise DataNotFoundError("table", path.parent, [path.name])
    left_out: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[Any, ...], str] = {}
    for row in _rows(path):
        with one_row():
            keys: list[tuple[Any, ...]] = [("path and box", row["path"], row["box"])]
            if row["clip"] is not None and row["frame"] is not None:
                keys.append(("clip and frame", row["clip"], row["frame"]))
            for key in keys:
                if seen.setdefault(key, row["source"]) != row["source"]:
                    raise DataError(f"{row['source']}: the same {key[0]} as in {seen[key]}")
            if row["label"] in NOT_A_CLASS:
                left_out[f"labeled {row['label']}"] += 1
            else:
                rows.append(row)
    counts = {len(row["landmarks"]): row["source"] for row in rows if row["landmarks"] is not None}
    if len(counts) > 1:
        named = ", ".join(f"{count} in {source}" for count, source in sorted(counts.items()))
        with one_row():
            raise DataError(f"{path}: all faces must have equally many landmarks, but there are {named}")
    if not rows:
        raise DataError(f"{path}: no faces")
    labels = _labels({row["label"] for row in rows} - {None})
    if labels is not None:
        for row in rows:
            row["target"] = None if row["label"] is None else one_hot(labels, row["label"])
    return FaceIndex.from_rows("table", path.parent, labels, rows, left_out)


def _labels(names: set[str]) -> LabelSpace | None:
    known = (space for space in SPACES.values() if set(space.names) == names)
    return next(known, label_space(sorted(names))) if names else None


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    header: list[str] = []
    for _, source, fields in csv_rows(path):
        if header:
            with one_row():
                rows.append(_row(dict(zip(header, fields, strict=True)), source, path.parent))
        else:
            header = fields
            _check_header(header, source)
    return rows


def _check_header(header: list[str], source: str) -> None:
    unknown = sorted(set(header) - set(COLUMNS))
    if "" in unknown:
        raise DataError(f"{source}: column {header.index('') + 1} has no name; known: {', '.join(COLUMNS)}")
    if unknown:
        raise DataError(f"{source}: unknown column '{unknown[0]}'; known: {', '.join(COLUMNS)}")
    twice = [name for name, times in Counter(header).items() if times > 1]
    if twice:
        raise DataError(f"{source}: column '{twice[0]}' occurs twice")
    if "path" not in header:
        raise DataError(f"{source}: no column path")
    if not {"label", "valence"} & set(header):
        raise DataError(f"{source}: neither a column label nor valence and arousal")


def _row(cells: Mapping[str, str], source: str, folder: Path) -> dict[str, Any]:
    """One face; empty cells are ``None``."""
    given = {name: cell for name, cell in cells.items() if cell}
    for group in (AFFECT, BOX):
        missing = [name for name in group if name not in given]
        if missing and len(missing) < len(group):
            raise DataError(f"{source}: {missing[0]} is empty, but {', '.join(group)} go together")
    if "path" not in given:
        raise DataError(f"{source}: path is empty")
    if "label" not in given and "valence" not in given:
        raise DataError(f"{source}: neither label nor valence and arousal are given")
    for name in ("label", "subject", "clip"):
        if given.get(name, "").lower() in (MISSING if name == "label" else MISSING | {"none"}):
            raise DataError(f"{source}: {name} is '{given[name]}', expected a name or an empty cell")
    split = part_of(given.get("split", "train"))
    if split is None:
        raise DataError(f"{source}: split is '{given['split']}', expected {', '.join(SPLITS)}")
    box = box_of(given, source, BOX) if "x0" in given else None
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        raise DataError(
            f"{source}: the box has no area; x0 < x1 and y0 < y1 are expected, corners rather than a size"
        )
    return {
        "path": _path(given["path"], folder),
        "split": split,
        "label": _class_name(given["label"]) if "label" in given else None,
        **{name: number(given[name], source, name, -1, 1) for name in AFFECT if name in given},
        "box": box,
        "landmarks": points(given["landmarks"].split(";"), source, 5, 68) if "landmarks" in given else None,
        "subject": given.get("subject"),
        "clip": given.get("clip"),
        "frame": int(number(given["frame"], source, "frame", 0, whole=True)) if "frame" in given else None,
        "source": source,
    }


def _path(text: str, folder: Path) -> str:
    """The image's path; as Windows writes it, where it is there only so."""
    path = Path(text)
    if "\\" in text and not (folder / path).exists():
        other = Path(text.replace("\\", "/"))
        path = other if (folder / other).exists() else path
    return path.as_posix()


def _class_name(text: str) -> str:
    """The class's name; a number that a program wrote with and without ``.0`` is one class."""
    return canonical(re.sub(r"^(-?[0-9]+)\.0+$", r"\1", text))

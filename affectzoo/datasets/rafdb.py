"""RAF-DB, basic part: 15,339 real-world faces in seven classes.

Li, Deng, Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression
Recognition in the Wild", CVPR 2017; Li and Deng, TIP 28(1), 2019. Access: on request,
non-commercial research.

Layout (``root`` may be ``basic`` or its parent; unpacked folders may be doubled)::

    basic/
      EmoLabel/list_patition_label.txt            train_00001.jpg 5
      Image/aligned/train_00001_aligned.jpg       100 x 100
      Image/original/train_00001.jpg
      Annotation/boundingbox/train_00001_boundingbox.txt    x0 y0 x1 y1
      Annotation/manual/train_00001_manu_attri.txt          5 points, gender, race, age group

Boxes and points are in pixels of the original picture, never of the aligned one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.labels import SPACES, decode

Pictures = Literal["aligned", "original"]
LABELS = SPACES["rafdb7"]
LISTS = ("EmoLabel/list_patition_label.txt", "EmoLabel/list_partition_label.txt")


def read_rafdb(root: Path, pictures: Pictures = "aligned") -> FaceIndex:
    """Index RAF-DB's basic part.

    Args:
        root: ``basic``, or the folder that holds it.
        pictures: ``aligned``: the authors' 100 x 100 faces; ``original``: whole pictures, with the
            face box and, where annotated, the five manual landmarks.

    Raises:
        DataNotFoundError: The partition list or the pictures' folder is not there.
        LabelError: A label is outside 1..7; file and line are named.
        DataError: A line of the list or of an annotation file is not as described.
    """
    root = Path(root)
    base = root / "basic" if (root / "basic").is_dir() else root
    partition = next((base / name for name in LISTS if (base / name).is_file()), None)
    if partition is None:
        raise DataNotFoundError("rafdb", base, LISTS)
    suffix = "_aligned.jpg" if pictures == "aligned" else ".jpg"
    folder = _unpacked(base, f"Image/{pictures}", f"*{suffix}")
    rows = list(_read_list(partition, base, folder, suffix))
    if pictures == "original":
        boxes = _unpacked(base, "Annotation/boundingbox", "*_boundingbox.txt")
        points = _search(base / "Annotation/manual", "*_manu_attri.txt")
        for row in rows:
            stem = Path(row["path"]).stem
            row["box"] = _read_box(boxes / f"{stem}_boundingbox.txt")
            if points is not None and (points / f"{stem}_manu_attri.txt").is_file():
                row["landmarks"] = _read_manual(points / f"{stem}_manu_attri.txt")
    return FaceIndex.from_rows("rafdb", base, LABELS, rows, Counter())


def _unpacked(base: Path, place: str, pattern: str) -> Path:
    found = _search(base / place, pattern)
    if found is None:
        twice = f"{place}/{Path(place).name}"
        raise DataNotFoundError("rafdb", base, [f"{place}/{pattern}", f"{twice}/{pattern}"])
    return found


def _search(folder: Path, pattern: str) -> Path | None:
    """The folder that really holds the files: some archives unpack into a second one inside."""
    folders = (folder, *sorted(folder.glob("*/")))
    return next((path for path in folders if any(path.glob(pattern))), None)


def _read_list(partition: Path, base: Path, folder: Path, suffix: str) -> Iterator[dict[str, Any]]:
    lines = partition.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        source = f"{partition}, line {number}"
        fields = line.split()
        if not fields:
            continue
        split = fields[0].partition("_")[0]
        if split not in ("train", "test") or not re.fullmatch(r"\S+ -?[0-9]+", " ".join(fields)):
            raise DataError(f"{source}: '{line}', expected a line such as 'train_00001.jpg 5'")
        label = decode("rafdb", int(fields[1]), source)
        yield {
            "path": (folder / f"{Path(fields[0]).stem}{suffix}").relative_to(base).as_posix(),
            "split": split,
            "label": label,
            "target": one_hot(LABELS, label),
            "source": source,
        }


def _numbers(path: Path, line: str, number: int, count: int) -> list[float]:
    try:
        values = [float(field) for field in line.split()]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise DataError(f"{path}, line {number}: '{line}', expected {count} numbers")
    return values


def _read_box(path: Path) -> tuple[float, ...]:
    if not path.is_file():
        raise DataError(f"{path}: the face box is missing; --data.pictures aligned needs none")
    return tuple(_numbers(path, path.read_text(encoding="utf-8").strip(), 1, 4))


def _read_manual(path: Path) -> np.ndarray:
    lines = path.read_text(encoding="utf-8").splitlines()[:5]
    if len(lines) < 5:
        raise DataError(f"{path}: {len(lines)} lines, expected 5 landmarks first")
    points = [_numbers(path, line, number, 2) for number, line in enumerate(lines, start=1)]
    return np.array(points, dtype=np.float32)

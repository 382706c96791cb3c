"""FER-2013: 35,887 grey faces of 48 x 48 pixels in seven classes.

Goodfellow et al., "Challenges in Representation Learning: A report on three machine learning
contests", ICONIP 2013. Access: the contest's page on Kaggle, under its rules.

Layouts, each told by its own files::

    root/fer2013.csv             emotion,pixels,Usage
    root/icml_face_data.csv      emotion, Usage, pixels      (names begin with a blank)
    root/train.csv               emotion,pixels              (test.csv has no labels)
    root/train/<class>/Training_<n>.jpg
    root/test/<class>/PublicTest_<n>.jpg, PrivateTest_<n>.jpg

``PublicTest`` is the validation part, ``PrivateTest`` the test part. Folders are read by class
name: their alphabetical order is not the order of the CSV's codes.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.errors import DataError, DataNotFoundError, LabelError
from affectzoo.files.faults import one_row
from affectzoo.files.images import SUFFIXES
from affectzoo.labels import SPACES, canonical, decode

SPLITS = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
TABLES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
LABELS = SPACES["fer2013"]
SIDE = 48


def read_fer2013(root: Path) -> FaceIndex:
    """Index FER-2013 from whichever of its forms lies in ``root``.

    Raises:
        DataNotFoundError: None of the forms is there.
        LabelError: A code or folder names no class; file and line are named.
        DataError: A row's pixels are not 48 x 48 values in 0..255, or its part has no known name.
    """
    root = Path(root)
    left_out: Counter[str] = Counter()
    table = next((root / name for name in TABLES if (root / name).is_file()), None)
    if table is not None:
        rows = _read_table(table, left_out)
    elif (root / "train").is_dir():
        rows = _read_folders(root, left_out)
    else:
        raise DataNotFoundError("fer2013", root, [*TABLES, "train/<class>/Training_<n>.jpg"])
    return FaceIndex.from_rows("fer2013", root, LABELS, rows, left_out)


def _read_table(path: Path, left_out: Counter[str]) -> list[dict[str, Any]]:
    rows = []
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines)
        header = [name.strip() for name in next(reader, [])]
        if not {"emotion", "pixels"} <= set(header):
            raise DataError(f"{path}, line 1: columns are {header}, expected emotion and pixels")
        for fields in reader:
            if not fields:
                continue
            source = f"{path}, line {reader.line_num}"
            with one_row():
                if len(fields) != len(header):
                    raise DataError(f"{source}: {len(fields)} fields, the header has {len(header)}")
                row = dict(zip(header, fields, strict=True))
                usage = row.get("Usage", "Training").strip()
                if usage not in SPLITS:
                    raise DataError(f"{source}: Usage is '{usage}', expected {', '.join(SPLITS)}")
                try:
                    code = int(row["emotion"])
                    pixels = np.array(row["pixels"].split(), dtype=np.int64)
                except ValueError as error:
                    raise DataError(f"{source}: not a whole number ({error})") from None
                if pixels.size != SIDE * SIDE or pixels.min() < 0 or pixels.max() > 255:
                    raise DataError(
                        f"{source}: {pixels.size} pixels, expected {SIDE * SIDE} values in 0..255"
                    )
                if pixels.min() == pixels.max():
                    left_out["blank picture"] += 1
                    continue
                label = decode("fer2013", code, source)
                rows.append(
                    {
                        "path": path.name,
                        "frame": reader.line_num - 2,  # the header is line 1
                        "split": SPLITS[usage],
                        "label": label,
                        "target": one_hot(LABELS, label),
                        "pixels": pixels.astype(np.uint8).reshape(SIDE, SIDE),
                        "source": source,
                    }
                )
    return rows


def _read_folders(root: Path, left_out: Counter[str]) -> list[dict[str, Any]]:
    rows = []
    for folder in sorted(path for part in ("train", "test") for path in root.glob(f"{part}/*/")):
        with one_row():
            label = canonical(folder.name)
            if label not in LABELS.names:
                raise LabelError(f"{folder}: the folder's name is no class of {LABELS}")
            for path in sorted(folder.iterdir()):
                with one_row():
                    usage = path.name.partition("_")[0]
                    if path.suffix.lower() not in SUFFIXES:
                        left_out["no picture"] += 1
                        continue
                    if usage not in SPLITS:
                        raise DataError(f"{path}: the name begins with none of {', '.join(SPLITS)}")
                    rows.append(
                        {
                            "path": path.relative_to(root).as_posix(),
                            "split": SPLITS[usage],
                            "label": label,
                            "target": one_hot(LABELS, label),
                            "source": str(path),
                        }
                    )
    return rows

"""FER-2013: 35,887 gray faces of 48 x 48 pixels in seven classes.

Goodfellow et al., "Challenges in Representation Learning: A report on three machine learning
contests", ICONIP 2013. Access: the contest's page on Kaggle, under its rules.

Layouts, each told by its own files::

    root/fer2013.csv             emotion,pixels,Usage
    root/icml_face_data.csv      emotion, Usage, pixels      (names begin with a blank)
    root/train.csv               emotion,pixels              (test.csv has no labels)
    root/train/<class>/Training_<n>.jpg
    root/test/<class>/PublicTest_<n>.jpg, PrivateTest_<n>.jpg
    root/{train,val,test}/<class>/<any name>.jpg

``PublicTest`` is the validation part, ``PrivateTest`` the test part. Where no folder is of the validation
part, the names of images in ``test`` must say which. Folders are read by class name: their alphabetical
order is not the order of the CSV's codes.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affectzoo.datasets.classes import class_folders, looks_like_classes
from affectzoo.datasets.fields import number
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError, LabelError
from affectzoo.files.faults import one_row
from affectzoo.files.text import csv_rows
from affectzoo.labels import ALIASES, SPACES, canonical, decode

SPLITS = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
TABLES = ("fer2013.csv", "icml_face_data.csv", "train.csv")
LABELS = SPACES["fer2013"]
SIDE = 48


@reader
def read_fer2013(root: Path) -> FaceIndex:
    """Index FER-2013 from whichever of its forms lies in ``root``.

    Raises:
        DataNotFoundError: None of the forms is there.
        LabelError: A code or folder names no class; file and line are named.
        DataError: A row's pixels are not 48 x 48 values in 0..255, or its part has no known name.
    """
    left_out: Counter[str] = Counter()
    table = next((root / name for name in TABLES if (root / name).is_file()), None)
    if table is not None:
        rows = _read_table(table, left_out)
    elif looks_like_classes(root, (*LABELS.names, *ALIASES)):
        rows = _read_folders(root)
    else:
        raise DataNotFoundError("fer2013", root, [*TABLES, "train/<class>/Training_<n>.jpg"])
    return FaceIndex.from_rows("fer2013", root, LABELS, rows, left_out)


def _read_table(path: Path, left_out: Counter[str]) -> list[dict[str, Any]]:
    rows = []
    header: list[str] = []
    for line, source, fields in csv_rows(path):
        if not header:
            header = fields
            if not {"emotion", "pixels"} <= set(header):
                raise DataError(f"{source}: columns are {header}, expected emotion and pixels")
            continue
        with one_row():
            row = dict(zip(header, fields, strict=True))
            usage = row.get("Usage", "Training")
            if usage not in SPLITS:
                raise DataError(f"{source}: Usage is '{usage}', expected {', '.join(SPLITS)}")
            label = decode("fer2013", int(number(row["emotion"], source, "emotion", whole=True)), source)
            pixels = _pixels(row["pixels"], source)
            if pixels.min() == pixels.max():
                left_out["blank image"] += 1
                continue
            rows.append(
                {
                    "path": path.name,
                    "frame": line - 2,  # the header is line 1
                    "split": SPLITS[usage],
                    "label": label,
                    "target": one_hot(LABELS, label),
                    "pixels": pixels,
                    "source": source,
                }
            )
    return rows


def _pixels(text: str, source: str) -> npt.NDArray[np.uint8]:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{source}: not a whole number ({error})") from None
    if values.size != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        raise DataError(f"{source}: {values.size} pixels, expected {SIDE * SIDE} values in 0..255")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def _read_folders(root: Path) -> list[dict[str, Any]]:
    rows = []
    folders = class_folders(root)
    divided = any(folder.part == "valid" for folder in folders)
    for part, folder, pictures in folders:
        with one_row():
            label = canonical(folder.name)
            if label not in LABELS.names:
                raise LabelError(f"{folder}: the folder's name is no class of {LABELS}")
            for path in (folder / name for name in pictures):
                with one_row():
                    known = part if divided or part == "train" else None
                    split = SPLITS.get(path.name.partition("_")[0], known)
                    if split is None:
                        raise DataError(f"{path}: the name begins with none of {', '.join(SPLITS)}")
                    rows.append(
                        {
                            "path": path.relative_to(root).as_posix(),
                            "split": split,
                            "label": label,
                            "target": one_hot(LABELS, label),
                            "source": str(path),
                        }
                    )
    return rows

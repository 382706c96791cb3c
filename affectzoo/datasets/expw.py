"""ExpW: faces from web searches, seven classes.

Zhang, Luo, Loy, Tang, "Learning Social Relation Traits from Face Images", ICCV 2015; "From Facial
Expression Recognition to Interpersonal Relation Prediction", IJCV 126, 2018. Access: the authors' page,
non-commercial research.

Layout (``root`` may be ``data`` or its parent)::

    data/
      image/origin/happy_person_12.jpg
      label/label.lst        happy_person_12.jpg 0 102 243 342 342 69.87 3

A line of the list: image, face number, box as top, left, right, bottom, the detector's confidence,
and the label 0..6.

There is no official split. The test part is drawn by a hash of the image's name: faces of one image
stay together, and the draw is the same wherever it is made.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from affectzoo.datasets.fields import box, number
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames
from affectzoo.files.text import lines
from affectzoo.labels import SPACES, decode

LABELS = SPACES["expw7"]
LISTS = ("label/label.lst", "label.lst")
FOLDERS = ("image/origin", "origin", "image")


class Face(NamedTuple):
    """What tells one face of the list from another; the box is x0, y0, x1, y1."""

    name: str
    number: str
    box: tuple[float, float, float, float]


class Line(NamedTuple):
    """What the list says of a face, and where."""

    face: Face
    confidence: float
    label: str
    source: str


@reader
def read_expw(root: Path, *, test_fraction: float = 0.1, min_confidence: float = 0.0) -> FaceIndex:
    """Index ExpW.

    Left out and counted are lines that are there twice, faces that are listed with different labels,
    boxes without area, images that are not there, and faces below ``min_confidence``.

    Args:
        root: The folder ``data``, or the one that holds it.
        test_fraction: Share of the images drawn as test part, 0 to below 1.
        min_confidence: Least confidence of the face detector.

    Raises:
        DataNotFoundError: The list, or every listed image, is not there.
        LabelError: A label is outside 0..6; file and line are named.
        DataError: A line is not as described, or ``test_fraction`` is out of range.
    """
    if not 0 <= test_fraction < 1:
        raise DataError(f"expw: test_fraction is {test_fraction}, expected 0 to below 1")
    base = root / "data" if (root / "data").is_dir() else root
    listing = next((base / name for name in LISTS if (base / name).is_file()), None)
    if listing is None:
        raise DataNotFoundError("expw", base, LISTS)
    left_out: Counter[str] = Counter()
    listed: dict[Face, Line] = {}
    labels: dict[Face, set[str]] = {}
    for line in _lines(listing):
        left_out["listed twice"] += line.face in listed
        listed.setdefault(line.face, line)
        labels.setdefault(line.face, set()).add(line.label)
    folder, on_disk = _pictures(base)
    rows = []
    for face, line in listed.items():
        x0, y0, x1, y1 = face.box
        checks = {
            "listed with different labels": len(labels[face]) > 1,
            "confidence too low": line.confidence < min_confidence,
            "box without area": x0 >= x1 or y0 >= y1,
            "no image": face.name not in on_disk,
        }
        if any(checks.values()):
            left_out[next(reason for reason, holds in checks.items() if holds)] += 1
            continue
        rows.append(
            {
                "path": (folder / face.name).relative_to(root).as_posix(),
                "split": "test" if _draw(face.name) < test_fraction else "train",
                "label": line.label,
                "target": one_hot(LABELS, line.label),
                "box": face.box,
                "source": line.source,
            }
        )
    if not rows:
        raise DataNotFoundError("expw (no listed image)", base, [f"{name}/*.jpg" for name in FOLDERS])
    return FaceIndex.from_rows("expw", root, LABELS, rows, +left_out)


def _draw(name: str) -> float:
    """A number from 0 to below 1 that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def _pictures(base: Path) -> tuple[Path, set[str]]:
    """The folder of images, and their names."""
    folder = next((base / name for name in FOLDERS if (base / name).is_dir()), base)
    return folder, set(filenames(folder))


def _lines(path: Path) -> list[Line]:
    found = []
    for line in lines(path):
        if line.text.strip():
            with one_row():
                found.append(_line(line.text, line.where))
    return found


def _line(text: str, source: str) -> Line:
    fields = text.strip().rsplit(maxsplit=7)  # a name may hold blanks
    if len(fields) != 8:
        raise DataError(
            f"{source}: '{text}', expected image, face, top, left, right, bottom, confidence and label"
        )
    sides = ("top", "left", "right", "bottom")
    top, left, right, bottom = box(fields[2:6], source, sides)
    code = number(fields[7], source, "label", whole=True)
    return Line(
        face=Face(fields[0], fields[1], (left, top, right, bottom)),
        confidence=number(fields[6], source, "confidence"),
        label=decode("expw", int(code), source),
        source=source,
    )

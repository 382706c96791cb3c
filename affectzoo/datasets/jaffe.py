"""JAFFE: 213 posed expressions of ten women, seven classes.

Lyons, Akamatsu, Kamachi, Gyoba, "Coding Facial Expressions with Gabor Wavelets", FG 1998. Access: on
request, non-commercial research.

Layout (``root`` may be the folder itself or one that holds it)::

    root/[jaffe/]KA.AN1.39.tiff        subject, expression and repetition, number; 256 x 256, gray

Expressions are AN, DI, FE, HA, NE, SA and SU. The label is the posed expression; the viewers' ratings
in the readme, which sometimes disagree, are not read.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from affectzoo.datasets.folds import fold_splits, step_folds
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError, LabelError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames, peek
from affectzoo.files.images import SUFFIXES
from affectzoo.labels import SPACES

LABELS = SPACES["jaffe7"]
NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})[0-9]+(\..*)?")
"""Subject, expression and repetition of an image."""
EXPRESSIONS = dict(zip(("AN", "DI", "FE", "HA", "NE", "SA", "SU"), LABELS.names, strict=True))


@reader
def read_jaffe(root: Path, fold: int = 0, *, folds: int | None = None) -> FaceIndex:
    """Index JAFFE, with one fold as ``test`` and the others as ``train``.

    Images whose names have another form are excluded and counted.

    Args:
        root: The folder with the images, or one that holds it.
        fold: The test fold, 0 to ``folds - 1``.
        folds: Number of subject-independent folds; by default one per subject, which leaves one out.

    Raises:
        DataNotFoundError: There are no images with such names.
        LabelError: A name has an unknown expression.
        DataError: An image is there twice, or there is no such fold.
    """
    left_out: Counter[str] = Counter()
    pictures = _pictures(root, left_out)
    splits = fold_splits("jaffe", _assign(pictures, folds), fold)
    rows = [
        {
            "path": path.relative_to(root).as_posix(),
            "split": splits[subject],
            "label": label,
            "target": one_hot(LABELS, label),
            "subject": subject,
            "source": str(path),
        }
        for path, subject, label in pictures
    ]
    return FaceIndex.from_rows("jaffe", root, LABELS, rows, +left_out)


@reader
def jaffe_folds(root: Path, folds: int | None = None) -> dict[str, int]:
    """The fold of each subject, by default each its own.

    Raises:
        DataNotFoundError: There are no images.
        DataError: The folds outnumber the subjects.
    """
    return _assign(_pictures(root, Counter()), folds)


def _assign(pictures: list[tuple[Path, str, str]], folds: int | None) -> dict[str, int]:
    subjects = {subject for _, subject, _ in pictures}
    return step_folds(subjects, len(subjects) if folds is None else folds)


def _pictures(root: Path, left_out: Counter[str]) -> list[tuple[Path, str, str]]:
    """Each image with subject and class, by name."""
    folders = [root] if root.is_dir() else []
    folders += [root / name for path in folders for name in peek(path).folders]
    folders += [path / name for path in folders[1:] for name in peek(path).folders]
    folder = next((path for path in folders if any(map(NAME.match, peek(path).files))), None)
    found: dict[str, tuple[Path, str, str]] = {}
    for path in [] if folder is None else [folder / name for name in filenames(folder)]:
        if path.suffix.lower() not in SUFFIXES:
            continue
        name = NAME.fullmatch(path.stem)
        if name is None:
            left_out["image of another name"] += 1
            continue
        with one_row():
            if name[2] not in EXPRESSIONS:
                raise LabelError(f"{path}: expression is '{name[2]}', expected {', '.join(EXPRESSIONS)}")
            if path.stem in found:
                raise DataError(f"{path}: the image is also in {found[path.stem][0].name}")
            found[path.stem] = (path, name[1], EXPRESSIONS[name[2]])
    if not found:
        raise DataNotFoundError("jaffe", root, ["KA.AN1.39.tiff", "jaffe/KA.AN1.39.tiff"])
    return list(found.values())

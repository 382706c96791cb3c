"""CK+, the extended Cohn-Kanade set: posed expressions, each a sequence from neutral to the peak.

Lucey, Cohn, Kanade, Saragih, Ambadar, Matthews, "The Extended Cohn-Kanade Dataset (CK+)", CVPRW 2010.
Access: signed agreement, research only.

Layout (folders may keep the archives' names, and unpacked ones may be doubled)::

    root/
      cohn-kanade-images/S005/001/S005_001_00000001.png ... S005_001_00000011.png
      Emotion/S005/001/S005_001_00000011_emotion.txt          one number, 0..7, such as 3.0000000e+00
      Landmarks/S005/001/S005_001_00000001_landmarks.txt      optional: 68 lines of x and y, pixels

Only 327 of the 593 sequences have an emotion file; the others are unlabeled, not neutral. The export of
48 px faces in folders per class (CK+48) is read by ``affectzoo.datamodules.Folder``.

No folds are shipped. Subjects that have a label are sorted, and every tenth goes to the same fold; see
``affectzoo.datasets.folds``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from affectzoo.datasets.fields import box_around, number, points
from affectzoo.datasets.folds import fold_splits, step_folds
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames, peek, subfolders
from affectzoo.files.images import SUFFIXES
from affectzoo.files.text import read_text
from affectzoo.labels import decode, label_space

Classes = Literal[8, 7, 6]
FOLDERS = {
    "pictures": ("cohn-kanade-images", "extended-cohn-kanade-images"),
    "emotions": ("Emotion", "Emotion_labels"),
    "landmarks": ("Landmarks",),
}
SUBJECT = re.compile("S[0-9]{3}")


class Label(NamedTuple):
    """A sequence's emotion: the class, the number of the image it was given for, and the file."""

    name: str
    peak: int
    path: Path


@reader
def read_ckplus(
    root: Path, fold: int = 0, *, folds: int = 10, classes: Classes = 7, frames: int = 3
) -> FaceIndex:
    """Index CK+, with one fold as ``test`` and the others as ``train``.

    The last images of a labeled sequence, up to the one that its emotion file names, carry its class;
    the first image never does. Where landmarks are there, the box is the one around them; otherwise
    the image is taken whole. Left out and counted are unlabeled sequences, sequences of other
    classes, without images or without the peak's image, and images whose landmarks are missing
    although the folder is there.

    Args:
        root: The folder that holds the unpacked archives.
        fold: The test fold, 0 to ``folds - 1``.
        folds: Number of subject-independent folds.
        classes: 7; 8 adds neutral, the first image of each labeled sequence; 6 leaves contempt out.
        frames: How many of the last images are used; 1 is the peak alone.

    Raises:
        DataNotFoundError: Images or emotion files are not there.
        LabelError: A code is outside 0..7; the file is named.
        DataError: A file is not as described, or there is no such fold.
    """
    labels = label_space(f"ckplus{classes}")
    if frames < 1:
        raise DataError(f"ckplus: frames is {frames}, expected at least 1")
    sequences = _read_labels(root)
    splits = fold_splits("ckplus", step_folds(_subjects(sequences), folds), fold)
    base = _find(root, "pictures")
    if base is None:
        raise DataNotFoundError("ckplus (no images)", root, _expected("pictures", ".png"))
    landmarks = _find(root, "landmarks")
    left_out: Counter[str] = Counter()
    listed = {f"{path.parent.name}/{path.name}" for path in _sequences(base) if path.name.isdecimal()}
    left_out["sequence without emotion"] = len(listed - sequences.keys())
    rows = []
    for sequence, label in sequences.items():
        pictures = _pictures(base / sequence)
        reason = _unusable(label, pictures, labels.names)
        if reason is not None:
            left_out[reason] += 1
            continue
        shown = sorted(n for n in pictures if n <= label.peak)
        chosen = [(n, label.name, sequence) for n in (shown[1:] or shown)[-frames:]]
        if "neutral" in labels.names and len(shown) > 1:
            chosen.insert(0, (shown[0], "neutral", f"{sequence}/neutral"))
        for n, name, clip in chosen:
            row: dict[str, Any] = {
                "path": pictures[n].relative_to(root).as_posix(),
                "split": splits[sequence[:4]],
                "label": name,
                "target": one_hot(labels, name),
                "subject": sequence[:4],
                "clip": clip,
                "frame": n,
                "source": str(label.path),
            }
            with one_row():
                if landmarks is not None:
                    path = landmarks / sequence / f"{pictures[n].stem}_landmarks.txt"
                    if not path.is_file():
                        left_out["image without landmarks"] += 1
                        continue
                    row |= _read_landmarks(path)
                rows.append(row)
    if not rows:
        raise DataNotFoundError("ckplus (no image of a labeled sequence)", base, ["S005/001/S005_001_*.png"])
    return FaceIndex.from_rows("ckplus", root, labels, rows, +left_out)


@reader
def ckplus_folds(root: Path, folds: int = 10) -> dict[str, int]:
    """The fold of each subject, from the emotion files alone: missing images change nothing.

    Raises:
        DataNotFoundError: There are no emotion files.
        DataError: An emotion file is not as described, or the folds outnumber the subjects.
    """
    return step_folds(_subjects(_read_labels(root)), folds)


def _subjects(sequences: Iterable[str]) -> list[str]:
    return [sequence[:4] for sequence in sequences]


def _find(root: Path, kind: str) -> Path | None:
    """The folder of that kind that really holds the subjects' folders."""
    tops = [root / name for name in FOLDERS[kind]]
    folders = [top / name for top in tops if top.is_dir() for name in ("", *peek(top).folders)]
    return next((path for path in folders if any(map(SUBJECT.fullmatch, peek(path).folders))), None)


def _sequences(folder: Path) -> list[Path]:
    """The folders of sequences, by subject."""
    subjects = [path for path in subfolders(folder) if SUBJECT.fullmatch(path.name)]
    return [path for subject in subjects for path in subfolders(subject)]


def _expected(kind: str, ending: str) -> list[str]:
    return [f"{name}/S005/001/S005_001_00000011{ending}" for name in FOLDERS[kind]]


def _read_labels(root: Path) -> dict[str, Label]:
    """The label of each sequence that has one, by subject and sequence, such as ``S005/001``."""
    folder = _find(root, "emotions")
    labels: dict[str, Label] = {}
    places = [] if folder is None else _sequences(folder)
    for path in (place / name for place in places for name in filenames(place)):
        if not path.name.endswith("_emotion.txt"):
            continue
        with one_row():
            sequence = f"{path.parts[-3]}/{path.parts[-2]}"
            found = re.fullmatch(sequence.replace("/", "_") + "_([0-9]+)_emotion.txt", path.name)
            if found is None:
                raise DataError(f"{path}: expected a name such as S005_001_00000011_emotion.txt in S005/001")
            if sequence in labels:
                raise DataError(
                    f"{path}: the sequence has another emotion file, {labels[sequence].path.name}"
                )
            code = number(read_text(path).strip(), str(path), "emotion", whole=True)
            labels[sequence] = Label(decode("ckplus", int(code), str(path)), int(found[1]), path)
    if not labels:
        raise DataNotFoundError("ckplus (no emotion files)", root, _expected("emotions", "_emotion.txt"))
    return labels


def _pictures(folder: Path) -> dict[int, Path]:
    """The images of a sequence by number."""
    pictures: dict[int, Path] = {}
    for path in (folder / name for name in filenames(folder)):
        found = re.fullmatch(f"{folder.parent.name}_{folder.name}_([0-9]+)", path.stem)
        if found is None or path.suffix.lower() not in SUFFIXES:
            continue
        with one_row():
            if pictures.setdefault(int(found[1]), path) != path:
                raise DataError(f"{path}: the image is also in {pictures[int(found[1])].name}")
    return pictures


def _unusable(label: Label, pictures: dict[int, Path], names: tuple[str, ...]) -> str | None:
    """Return why a labeled sequence cannot be used, else ``None``."""
    if label.name not in names:
        return f"sequence labeled {label.name}"
    if not pictures:
        return "sequence without images"
    return None if label.peak in pictures else "sequence without the peak's image"


def _read_landmarks(path: Path) -> dict[str, Any]:
    landmarks = points(read_text(path).split(), str(path), 68)
    return {"landmarks": landmarks, "box": box_around(landmarks)}

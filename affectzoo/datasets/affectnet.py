"""AffectNet, manually annotated part: faces from the web with expression, valence and arousal.

Mollahosseini, Hasani, Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal
Computing in the Wild", IEEE Trans. Affective Computing 10(1), 2019. Access: signed agreement.

Layouts, told by their files. The newer release has ready crops and one file per label::

    root/{train_set,val_set}/
      images/<id>.jpg                   plain numbers, with gaps
      annotations/<id>_exp.npy          0-d, text or number: 0..7
      annotations/<id>_{val,aro}.npy    0-d, text or number: -1..1, -2 for unknown
      annotations/<id>_lnd.npy          68 landmarks, x and y in turn, pixels of the crop

The older release has lists and whole images::

    root/[Manually_Annotated/]Manually_Annotated_Images/12/<hash>.jpg
    root/[Manually_Annotated[_file_lists]/]{training,validation}.csv

A line of a list: image, box as x, y, width and height, 68 landmarks, expression 0..10, valence and
arousal. The header may begin with ``#`` or be missing. The list of automatic labels is not read.

Copies repacked by class have folders named by class, in folders of parts or not, and classes alone::

    root/[{train,val}/]happy/*.jpg

The official validation part is what papers report as test; a test part was never released.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from affectzoo.datasets.classes import class_folders, looks_like_classes
from affectzoo.datasets.fields import box, number, points
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import DataError, DataNotFoundError, LabelError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames, peek
from affectzoo.files.images import SUFFIXES
from affectzoo.files.text import csv_rows
from affectzoo.labels import CODES, SPACES, LabelSpace, canonical, decode, label_space

Classes = Literal[8, 7, 6]

NAMES = SPACES["affectnet8"].names
FOLDERS = {"train": "train_set", "valid": "val_set"}
SIBLINGS = {"exp": "expression", "val": "valence", "aro": "arousal", "lnd": "landmarks"}
LISTS = {"valid": "validation.csv", "train": "training.csv"}
LIST_FOLDERS = (
    "Manually_Annotated_file_lists/",
    "Manually_Annotated/Manually_Annotated_file_lists/",
    "Manually_Annotated/",
    "",
)
PICTURE_FOLDERS = (
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated",
    ".",
)
COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
UNKNOWN = -2.0
"""Stands for unknown valence and arousal."""
RADIUS = 1.01
"""Largest distance from neutral that rounding explains; the annotation tool stayed within 1."""


@reader
def read_affectnet(root: Path, classes: Classes = 8, *, keep_none: bool = False) -> FaceIndex:
    """Index AffectNet's manually annotated part.

    Faces of other classes, without a class (none, uncertain, non-face), without a usable box or
    without one of their files are excluded and counted. Valence and arousal outside the unit circle
    (radius above 1.01) are kept as they are, with one warning that says how many.

    Args:
        root: The folder that holds ``train_set`` and ``val_set``, or the lists and images. Parts
            that are not there are excluded.
        classes: 8; 7 leaves contempt out; 6 leaves contempt and disgust out.
        keep_none: Keep faces labeled ``none`` (older release), without a class, where valence and
            arousal are known.

    Raises:
        DataNotFoundError: Neither layout is there, or labels are there but no images.
        LabelError: An expression is outside the codes; file and line are named.
        DataError: A file or line is not as described; file, line and field are named.
    """
    labels = label_space(f"affectnet{classes}")
    rules = _Rules(labels, keep_none)
    left_out: Counter[str] = Counter()
    folders = {split: root / name for split, name in FOLDERS.items() if (root / name).is_dir()}
    lists = {split: path for split, name in LISTS.items() if (path := _find_list(root, name)) is not None}
    if folders and lists:
        named = ", ".join(path.name for path in (*folders.values(), *lists.values()))
        raise DataError(f"{root} holds both releases ({named}); move one to a folder of its own")
    if folders:
        rows = [row for split in folders for row in _read_arrays(folders[split], split, rules, left_out)]
    elif lists:
        rows = _read_lists(root, lists, rules, left_out)
    elif looks_like_classes(root, NAMES):
        rows = _read_classes(root, labels, left_out)
    else:
        newer = [f"{folder}/annotations/0_exp.npy" for folder in FOLDERS.values()]
        raise DataNotFoundError("affectnet", root, newer + [f"{f}training.csv" for f in LIST_FOLDERS])
    outside = [
        row["source"] for row in rows if math.hypot(row.get("valence") or 0, row.get("arousal") or 0) > RADIUS
    ]
    if outside:
        warnings.warn(
            f"affectnet: {len(outside)} faces have valence and arousal outside the unit circle; "
            f"they are kept (first: {outside[0]})",
            stacklevel=2,
        )
    return FaceIndex.from_rows("affectnet", root, labels, rows, left_out)


def _read_classes(root: Path, labels: LabelSpace, left_out: Counter[str]) -> list[dict[str, Any]]:
    """Faces of a copy that was repacked in folders named by class; numbers are not read, as copies differ."""
    rows = []
    for part, folder, pictures in class_folders(root):
        label = canonical(folder.name)
        if label in labels.names:
            rows += [
                {
                    "path": (folder / name).relative_to(root).as_posix(),
                    "split": part or "train",
                    "label": label,
                    "target": one_hot(labels, label),
                    "source": str(folder / name),
                }
                for name in pictures
            ]
        elif label in CODES["affectnet"].values():
            left_out[f"labeled {label}"] += len(pictures)
        else:
            with one_row():
                raise LabelError(f"{folder}: the folder's name is no class of AffectNet ({', '.join(NAMES)})")
    return rows


class _LeftOutError(Exception):
    """A face that the index excludes; says why."""


class _Rules(NamedTuple):
    """Which faces are kept, and what their labels mean; the same for both releases."""

    labels: LabelSpace
    keep_none: bool

    def affect(self, texts: Mapping[str, object], where: Mapping[str, str]) -> dict[str, Any]:
        """The columns ``label``, ``target``, ``valence`` and ``arousal``.

        Args:
            texts: What the files say for ``expression``, ``valence`` and ``arousal``.
            where: The file, and line, of each.
        """
        code = number(texts["expression"], where["expression"], "expression", whole=True)
        label = decode("affectnet", int(code), where["expression"])
        row: dict[str, Any] = {}
        for name in ("valence", "arousal"):
            known = number(texts[name], where[name], name) != UNKNOWN
            row[name] = number(texts[name], where[name], name, -1, 1) if known else None
        if None in row.values():
            row = dict.fromkeys(row)
        if label in self.labels.names:
            return row | {"label": label, "target": one_hot(self.labels, label)}
        if label == "none" and self.keep_none and row["valence"] is not None:
            return row
        raise _LeftOutError(f"labeled {label}")


def _collect(
    parse: Callable[..., dict[str, Any]], items: Iterable[tuple[Any, ...]], left_out: Counter[str]
) -> list[dict[str, Any]]:
    rows = []
    for item in items:
        with one_row():
            try:
                rows.append(parse(*item))
            except _LeftOutError as reason:
                left_out[str(reason)] += 1
    return rows


def _read_arrays(part: Path, split: str, rules: _Rules, left_out: Counter[str]) -> list[dict[str, Any]]:
    pictures = {
        path.stem: path.name
        for path in map(Path, filenames(part / "images"))
        if re.fullmatch("[0-9]+", path.stem) and path.suffix.lower() in SUFFIXES
    }
    arrays = {
        (found[1], found[2])
        for name in filenames(part / "annotations")
        if (found := re.fullmatch(rf"([0-9]+)_({'|'.join(SIBLINGS)})\.npy", name))
    }
    if not pictures:
        raise DataNotFoundError("affectnet (no images)", part, ["images/0.jpg"])
    for kind in SIBLINGS.keys() - {kind for _, kind in arrays}:
        raise DataError(f"{part / 'annotations'}: no face has its <id>_{kind}.npy")

    def parse(face: str) -> dict[str, Any]:
        files = {field: part / "annotations" / f"{face}_{kind}.npy" for kind, field in SIBLINGS.items()}
        for kind in SIBLINGS:
            if (face, kind) not in arrays:
                raise _LeftOutError(f"no _{kind}.npy")
        if face not in pictures:
            raise _LeftOutError("no image")
        texts = {field: _load(path, field) for field, path in files.items()}
        where = {field: str(path) for field, path in files.items()}
        return {
            "path": f"{part.name}/images/{pictures[face]}",
            "split": split,
            **rules.affect(texts, where),
            "landmarks": points(texts["landmarks"], where["landmarks"], 68),
            "source": where["expression"],
        }

    faces = sorted({face for face, _ in arrays} | set(pictures), key=int)
    return _collect(parse, ((face,) for face in faces), left_out)


def _load(path: Path, field: str) -> object:
    """The value of a 0-d array, else the array; memory is taken for what the file holds, not what it says."""
    stream = io.BytesIO(path.read_bytes())
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else _HEADER_2
        shape, by_columns, dtype = header(stream)
        array = np.frombuffer(stream.read(), dtype).reshape(shape, order="F" if by_columns else "C")
    except Exception as error:  # numpy's parser of headers raises errors of many kinds
        raise DataError(f"{path}: no array of numbers or text ({error})") from None
    return array.item() if array.size == 1 else array


_HEADER_2 = np.lib.format.read_array_header_2_0


def _find_list(root: Path, name: str) -> Path | None:
    return next(
        (root / f"{place}{name}" for place in LIST_FOLDERS if (root / f"{place}{name}").is_file()), None
    )


def _read_lists(
    root: Path, lists: Mapping[str, Path], rules: _Rules, left_out: Counter[str]
) -> list[dict[str, Any]]:
    places = (root / place for place in PICTURE_FOLDERS if (root / place).is_dir())
    folder = next((path for path in places if any(n[0].isdecimal() for n in peek(path).folders)), None)
    if folder is None:
        raise DataNotFoundError(
            "affectnet (no images)", root, [f"{f}/12/<hash>.jpg" for f in PICTURE_FOLDERS]
        )
    on_disk: dict[str, dict[str, str]] = {}
    seen: dict[str, tuple[str, dict[str, str]]] = {}

    def parse(split: str, source: str, line: dict[str, str]) -> dict[str, Any]:
        path = Path(line["subDirectory_filePath"])
        key = _any_case(path.as_posix())
        first, same = seen.setdefault(key, (source, line))
        if first != source:
            other = first.rpartition(", line ")[0]
            if other != source.rpartition(", line ")[0]:
                raise _LeftOutError(f"also in {Path(other).name}")
            if line != same:
                raise DataError(f"{source}: says something else about {path} than {first}")
            raise _LeftOutError("listed twice")
        affect = rules.affect(line, dict.fromkeys(COLUMNS, source))
        sides = _box(line, source)
        parent = path.parent.as_posix()
        if parent not in on_disk:
            names = filenames(folder / parent)
            on_disk[parent] = {_any_case(name): name for name in names} | {name: name for name in names}
        name = on_disk[parent].get(path.name) or on_disk[parent].get(_any_case(path.name))
        if name is None:
            raise _LeftOutError("no image")
        return {
            "path": (folder / parent / name).relative_to(root).as_posix(),
            "split": split,
            **affect,
            "box": sides,
            "landmarks": points(line["facial_landmarks"].split(";"), source, 68),
            "source": source,
        }

    lines = ((split, *item) for split, path in lists.items() for item in _lines(path))
    rows = _collect(parse, lines, left_out)
    if not rows and left_out["no image"]:
        raise DataNotFoundError("affectnet (no listed image)", folder, [next(iter(seen))])
    return sorted(rows, key=lambda row: str(row["split"]))


def _lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Lines of a list by column name, with or without a header."""
    header: list[str] = []
    for _, source, fields in csv_rows(path):
        if not header:
            header = [name.removeprefix("#").strip() for name in fields]
            if len(fields) == len(COLUMNS) and re.fullmatch(r"-?[0-9]+", fields[6]):
                header = list(COLUMNS)
            elif not set(COLUMNS) <= set(header):
                raise DataError(f"{source}: columns are {', '.join(header)}; expected {', '.join(COLUMNS)}")
            else:
                continue
        yield source, dict(zip(header, fields, strict=True))


def _any_case(path: str) -> str:
    """A path's key, whatever the case of its ending."""
    stem, dot, ending = path.rpartition(".")
    return stem + dot + ending.lower()


def _box(line: Mapping[str, str], source: str) -> tuple[float, float, float, float]:
    names = COLUMNS[1:5]
    if "NULL" in (line[name] for name in names):
        raise _LeftOutError("box unusable")
    x, y, width, height = box(line, source, names)
    if width <= 0 or height <= 0:
        raise _LeftOutError("box unusable")
    return x, y, x + width, y + height

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from affectzoo.datasets.classes import class_folders, looks_like_classes
from affectzoo.datasets.fields import PIXELS, SANE, box, number, points
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.plain import NotPlainError, blocks, first_cells, landmarks, numbers
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
UNUSUAL = r"^$|^/|/$|//|(^|/)\.\.?(/|$)"
"""Paths that may be spelled in another way."""
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
    pictures = _Pictures(root, folder)
    with suppress(NotPlainError):
        return _read_plain(pictures, lists, rules, left_out)
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
        return {
            "path": pictures.find(path.as_posix()),
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


class _Pictures:
    """The images of the older release, found whatever the case of their endings."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self._known: dict[str, tuple[str, dict[str, str]]] = {}

    def find(self, path: str) -> str:
        """The path from the root of the image that a list names."""
        parent, _, name = path.rpartition("/")
        if parent not in self._known:
            place = self.folder / parent
            names = filenames(place)
            known = {_any_case(name): name for name in names} | {name: name for name in names}
            self._known[parent] = f"{place.relative_to(self.root).as_posix()}/".removeprefix("./"), known
        start, there = self._known[parent]
        found = there.get(name) or there.get(_any_case(name))
        if found is None:
            raise _LeftOutError("no image")
        return start + found


def _read_plain(
    pictures: _Pictures, lists: Mapping[str, Path], rules: _Rules, left_out: Counter[str]
) -> list[dict[str, Any]]:
    """The rows of lists in which nothing is at fault, as they are line by line.

    Raises:
        NotPlainError: Something may be at fault.
    """
    seen: dict[str, str] = {}
    lost: Counter[str] = Counter()
    targets = {name: one_hot(rules.labels, name) for name in rules.labels.names}
    rows: list[dict[str, Any]] = []

    def parse(
        split: str, source: str, path: str, label: str, va: tuple[Any, Any], sides: Any
    ) -> dict[str, Any]:
        first = seen.setdefault(_any_case(path), source)
        if first is not source:
            other = first.rpartition(", line ")[0]
            if source.startswith(f"{other}, line "):
                raise NotPlainError
            raise _LeftOutError(f"also in {Path(other).name}")
        row = {"split": split, "source": source, "valence": va[0], "arousal": va[1], "box": sides}
        if label in targets:
            row |= {"label": label, "target": targets[label]}
        elif label != "none" or not rules.keep_none or va[0] is None:
            raise _LeftOutError(f"labeled {label}")
        if sides is None:
            raise _LeftOutError("box unusable")
        try:
            return row | {"path": pictures.find(path)}
        except DataError:
            raise NotPlainError from None

    for split, path in lists.items():
        try:
            names, headed = _header(first_cells(path), str(path))
        except DataError:
            raise NotPlainError from None
        if len(set(names)) < len(names):
            raise NotPlainError
        read = int(headed)
        for table in blocks(path, names, read):
            kept = []
            for place, cells in enumerate(_plain_cells(table)):
                try:
                    rows.append(parse(split, f"{path}, line {read + place + 1}", *cells))
                    kept.append(place)
                except _LeftOutError as reason:
                    lost[str(reason)] += 1
            read += len(table)
            marks = landmarks(table["facial_landmarks"].take(pa.array(kept, pa.int64())), 68)
            for row, points_ in zip(rows[len(rows) - len(kept) :], marks, strict=True):
                row["landmarks"] = points_
    if not rows:
        raise NotPlainError
    left_out += lost
    return sorted(rows, key=lambda row: str(row["split"]))


def _plain_cells(table: pa.Table) -> Iterator[tuple[str, str, tuple[Any, Any], Any]]:
    """Path, label, valence and arousal, and box of lines; ``None`` for what is unknown or unusable."""
    paths = table["subDirectory_filePath"]
    if pc.any(pc.match_substring_regex(paths, UNUSUAL)).as_py():
        raise NotPlainError
    labels = [CODES["affectnet"].get(code, "") for code in numbers(table["expression"], SANE).tolist()]
    va = np.stack([numbers(table[name], -UNKNOWN) for name in ("valence", "arousal")], axis=1)
    unknown = (va == UNKNOWN).any(axis=1)
    if "" in labels or (np.abs(va[va != UNKNOWN]) > 1).any():
        raise NotPlainError
    texts = [table[name] for name in COLUMNS[1:5]]
    known = [pc.if_else(pc.equal(text, "NULL"), None, text) for text in texts]
    sides = np.stack([numbers(text, PIXELS) for text in known], axis=1)
    usable = np.all((sides[:, 2:] > 0) & ~np.isnan(sides[:, :2]), axis=1).tolist()
    sides[:, 2:] += sides[:, :2]
    return zip(
        paths.to_pylist(),
        labels,
        [
            (None, None) if lost else tuple(pair)
            for lost, pair in zip(unknown.tolist(), va.tolist(), strict=True)
        ],
        [tuple(edges) if good else None for good, edges in zip(usable, sides.tolist(), strict=True)],
        strict=True,
    )


def _lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Lines of a list by column name, with or without a header."""
    header: list[str] = []
    for _, source, fields in csv_rows(path):
        if not header:
            header, headed = _header(fields, source)
            if headed:
                continue
        yield source, dict(zip(header, fields, strict=True))


def _header(fields: Sequence[str], source: str) -> tuple[list[str], bool]:
    """The columns' names by a list's first line, and whether it is a header."""
    header = [name.removeprefix("#").strip() for name in fields]
    if len(fields) == len(COLUMNS) and re.fullmatch(r"-?[0-9]+", fields[6]):
        return list(COLUMNS), False
    if not set(COLUMNS) <= set(header):
        raise DataError(f"{source}: columns are {', '.join(header)}; expected {', '.join(COLUMNS)}")
    return header, True


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

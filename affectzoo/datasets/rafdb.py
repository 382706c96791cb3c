"""RAF-DB: real-world faces, 15,339 in seven basic classes and 3,954 in eleven compound ones.

Li, Deng, Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression
Recognition in the Wild", CVPR 2017; Li and Deng, TIP 28(1), 2019. Access: on request,
non-commercial research.

Layout (``root`` may be ``basic`` or its parent; unpacked folders may be doubled; ``compound`` has
the same files)::

    basic/
      EmoLabel/list_patition_label.txt            train_00001.jpg 5
      EmoLabel/distribution_basic.txt             train_00001.jpg 0.02 0.00 ... (7 shares); also
                                                  read from basic/ and from a folder inside either
      Image/aligned/train_00001_aligned.jpg       100 x 100
      Image/original/train_00001.jpg
      Annotation/boundingbox/train_00001_boundingbox.txt    x0 y0 x1 y1
      Annotation/manual/train_00001_manu_attri.txt          5 points, gender, race, age group
      Annotation/auto/train_00001_auto_attri.txt            37 points of a detector

Copies repacked by class are read too, as aligned faces; lists beside them must agree::

    [DATASET/]{train,test}/<1 to 7, or the class's name>/train_00001_aligned.jpg
    {train,test}_labels.csv                       image,label

Names are read as they are, whatever their number of digits, and with or without ``_aligned`` in the
lists. Boxes and points are in pixels of the original image, never of the aligned one. What the 37
points are is not documented: they cannot be mirrored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from affectzoo.datasets.classes import class_folders, looks_like_classes
from affectzoo.datasets.fields import PIXELS, number, parsed
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.datasets.reading import reader
from affectzoo.errors import AffectZooError, DataError, DataNotFoundError, LabelError
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames, peek
from affectzoo.files.text import csv_rows, lines, read_text
from affectzoo.labels import ALIASES, CODES, SPACES, LabelSpace, canonical, decode

Pictures = Literal["aligned", "original"]
Part = Literal["basic", "compound"]
Points = Literal["manual", "auto"]
Target = Literal["label", "distribution"]
Rows = dict[str, dict[str, Any]]
"""Index rows by the image's name as the original has it, without ending."""


class PartOf(NamedTuple):
    """One part of the data set: what it is called in the zoo, and its classes."""

    dataset: str
    labels: LabelSpace


PARTS: dict[Part, PartOf] = {
    "basic": PartOf("rafdb", SPACES["rafdb7"]),
    "compound": PartOf("rafdb_compound", SPACES["rafdb11"]),
}
LISTS = ("EmoLabel/list_patition_label.txt", "EmoLabel/list_partition_label.txt")
DISTRIBUTIONS = "distribution_basic.txt"
POINTS: dict[Points, tuple[str, int]] = {"manual": ("_manu_attri.txt", 5), "auto": ("_auto_attri.txt", 37)}


@reader
def read_rafdb(
    root: Path,
    pictures: Pictures = "aligned",
    part: Part = "basic",
    *,
    points: Points = "manual",
    target: Target = "label",
) -> FaceIndex:
    """Index one part of RAF-DB.

    Args:
        root: The part's folder, ``basic`` or ``compound``, or the folder that holds it.
        pictures: ``aligned``: the authors' 100 x 100 faces; ``original``: whole images, with the
            face box and, where annotated, landmarks.
        part: ``basic``: seven classes; ``compound``: eleven pairs of classes.
        points: Landmarks of original images: the 5 ``manual`` or the 37 ``auto`` ones.
        target: What training aims at: the ``label``, or the crowd's ``distribution`` over the basic
            classes. Training faces without one, or whose label is not its highest class, are left
            out and counted. Test faces keep their label.

    Raises:
        DataNotFoundError: The partition list, the images' folder or an annotation that was asked
            for is not there.
        LabelError: A label is outside 1..7 or 1..11; file and line are named.
        DataError: A line of a list or of an annotation file is not as described, an image is listed
            twice, or the distributions do not go with the labels.
        AffectZooError: The options do not go together.
    """
    base = _base(root, part)
    if points == "auto" and pictures == "aligned":
        raise AffectZooError("rafdb: landmarks are those of the originals; choose --data.pictures original")
    if target == "distribution" and part == "compound":
        raise AffectZooError(
            "rafdb: the crowd's distributions are over the seven basic classes, which part compound lacks; "
            "choose --data.target label"
        )
    partition = next((base / name for name in LISTS if (base / name).is_file()), None)
    if partition is not None:
        rows = _with_pictures(_read_list(partition, part), base, pictures)
    elif pictures == "aligned" and (place := _repacked(base, part)) is not None:
        rows = _read_classes(base, place, part)
    else:
        raise DataNotFoundError(
            PARTS[part].dataset, base, [*LISTS, "DATASET/train/1/train_00001_aligned.jpg"]
        )
    left_out: Counter[str] = Counter()
    if target == "distribution":
        rows = _with_distributions(rows, base, left_out)
    if pictures == "original":
        rows = _annotate(rows, base, points)
    return FaceIndex.from_rows(PARTS[part].dataset, base, PARTS[part].labels, rows.values(), left_out)


def _base(root: Path, part: Part) -> Path:
    if (root / part).is_dir():
        return root / part
    name = root.resolve().name
    if name in PARTS and name != part:  # else its codes would be taken for classes of the other part
        raise DataNotFoundError(f"{PARTS[part].dataset} ({root} is part {name})", root, [part])
    return root


def _with_pictures(rows: Rows, base: Path, pictures: Pictures) -> Rows:
    """Listed faces with the paths of their images, whatever the case of the ending."""
    suffix = "_aligned.jpg" if pictures == "aligned" else ".jpg"
    folder = _unpacked(base, f"Image/{pictures}", suffix)
    on_disk = {name.lower(): name for name in filenames(folder)}
    for stem, row in rows.items():
        name = f"{stem}{suffix}"
        row["path"] = (folder / on_disk.get(name.lower(), name)).relative_to(base).as_posix()
    return rows


def _repacked(base: Path, part: Part) -> Path | None:
    """The folder of a repacked copy that holds folders by class, of parts or not."""
    codes = CODES[PARTS[part].dataset]
    names = (*map(str, codes), *codes.values(), *ALIASES)
    places = [base, *(base / name for name in peek(base).folders)] if base.is_dir() else []
    return next((place for place in places if looks_like_classes(place, names)), None)


def _read_classes(base: Path, place: Path, part: Part) -> Rows:
    """Faces of a copy repacked in folders by code or name; lists beside them must agree."""
    dataset, labels = PARTS[part]
    rows: Rows = {}
    for split, folder, pictures in class_folders(place):
        with one_row():
            code = folder.name.strip()
            label = (
                decode(dataset, int(code), str(folder))
                if re.fullmatch("[0-9]{1,3}", code)
                else canonical(code)
            )
            if label not in labels.names:
                raise LabelError(f"{folder}: the folder's name is no class of {labels}, nor a code of RAF-DB")
            for path in (folder / name for name in pictures):
                with one_row():
                    named = path.name.partition("_")[0]
                    if {named, split} == {"train", "test"}:
                        raise DataError(f"{path}: an image of the {named} part in the folder {split}")
                    row = {"split": split or ("test" if named == "test" else "train"), "source": str(path)}
                    row |= {"path": path.relative_to(base).as_posix()}
                    _add(rows, path.name, row | {"label": label, "target": one_hot(labels, label)}, str(path))
    for listing in (folder / name for folder in dict.fromkeys((base, place)) for name in peek(folder).files):
        if listing.name.lower().endswith("labels.csv"):
            _compare(listing, rows, part)
    return rows


def _compare(listing: Path, rows: Mapping[str, Mapping[str, Any]], part: Part) -> None:
    """See that a repacked copy's list says what its folders say."""
    header: list[str] = []
    for _, source, fields in csv_rows(listing):
        if not header:
            header = [name.lower() for name in fields]
            if not {"image", "label"} <= set(header):
                raise DataError(f"{source}: columns are {', '.join(fields)}; expected image and label")
            continue
        with one_row():
            cells = dict(zip(header, fields, strict=True))
            row = rows.get(_stem(cells["image"]))
            if row is None:
                raise DataError(f"{source}: {cells['image']} is in no folder of a class")
            label = decode(
                PARTS[part].dataset, int(number(cells["label"], source, "label", whole=True)), source
            )
            if label != row["label"]:
                raise DataError(
                    f"{source}: {cells['image']} is labeled {label}, but it is in {row['source']}"
                )


def _unpacked(base: Path, place: str, ending: str) -> Path:
    found = _search(base / place, ending)
    if found is None:
        twice = f"{place}/{Path(place).name}"
        name = ending if ending == DISTRIBUTIONS else f"*{ending}"
        raise DataNotFoundError("rafdb", base, [f"{place}/{name}", f"{twice}/{name}"])
    return found


def _search(folder: Path, ending: str) -> Path | None:
    """The folder that really holds the files: some archives unpack into a second one inside."""
    folders = [folder, *(folder / name for name in peek(folder).folders)] if folder.is_dir() else []
    return next((path for path in folders if any(n.lower().endswith(ending) for n in peek(path).files)), None)


def _lines(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """The lines that are not empty: file and line for messages, the line, and its fields."""
    for line in lines(path):
        if line.text.strip():
            yield line.where, line.text, line.text.split()


def _stem(name: str) -> str:
    """An image's name as the original has it, without ending."""
    return Path(name.strip()).stem.removesuffix("_aligned")


def _add(found: dict[str, Any], name: str, entry: Any, source: str) -> None:
    """Take an entry in under its image's stem, as the original is called."""
    stem = _stem(name)
    if stem in found:
        raise DataError(f"{source}: {name} is listed twice")
    found[stem] = entry


def _read_list(partition: Path, part: Part) -> Rows:
    rows: Rows = {}
    for source, line, fields in _lines(partition):
        with one_row():
            split = fields[0].partition("_")[0]
            if split not in ("train", "test") or len(fields) != 2:
                raise DataError(f"{source}: '{line}', expected a line such as 'train_00001.jpg 5'")
            dataset, labels = PARTS[part]
            label = decode(dataset, int(number(fields[1], source, "label", whole=True)), source)
            row = {"split": split, "label": label, "target": one_hot(labels, label), "source": source}
            _add(rows, fields[0], row, source)
    return rows


def _with_distributions(rows: Rows, base: Path, left_out: Counter[str]) -> Rows:
    """Training faces with the crowd's distribution as target, and the test faces as they are."""
    folder = _search(base, DISTRIBUTIONS) or _unpacked(base, "EmoLabel", DISTRIBUTIONS)
    shares = _read_distributions(folder / DISTRIBUTIONS)
    labels = PARTS["basic"].labels
    kept, fits = {}, Counter[bool]()
    for stem, row in rows.items():
        if row["split"] == "train":
            if stem not in shares:
                left_out["without a distribution"] += 1
                continue
            row["target"] = shares[stem]
            fit = row["target"][labels.index(row["label"])] == row["target"].max()
            fits[bool(fit)] += 1
            if not fit:
                left_out["label is not its distribution's highest class"] += 1
                continue
        kept[stem] = row
    if fits[False] > fits[True]:
        raise DataError(
            f"{folder / DISTRIBUTIONS}: the highest class is not the label for {fits[False]} of "
            f"{fits.total()} training faces; expected the columns {', '.join(labels.names)}"
        )
    return kept


def _read_distributions(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    found: dict[str, npt.NDArray[np.float32]] = {}
    for source, line, fields in _lines(path):
        with one_row():
            values = np.array(_numbers(source, " ".join(fields[1:]), 7))
            if values.min() < 0 or values.sum() <= 0:
                raise DataError(f"{source}: '{line}', expected shares from 0 on, not all 0")
            _add(found, fields[0], (values / values.sum()).astype(np.float32), source)
    return found


def _annotate(rows: Rows, base: Path, points: Points) -> Rows:
    """The faces with box and landmarks; the manual points may be lacking, for one image or for all."""
    boxes = _unpacked(base, "Annotation/boundingbox", "_boundingbox.txt")
    suffix, count = POINTS[points]
    place = f"Annotation/{points}"
    folder = _search(base / place, suffix) if points == "manual" else _unpacked(base, place, suffix)
    annotated = {}
    for stem, row in rows.items():
        with one_row():
            row["box"] = _read_box(boxes / f"{stem}_boundingbox.txt")
            if folder is not None and (folder / f"{stem}{suffix}").is_file():
                row["landmarks"] = _read_points(folder / f"{stem}{suffix}", count)
            annotated[stem] = row
    return annotated


def _numbers(source: str, line: str, count: int) -> list[float]:
    values = [parsed(field) for field in line.split()]
    if len(values) != count or not all(abs(value) <= PIXELS for value in values):
        raise DataError(f"{source}: '{line}', expected {count} numbers")
    return values


def _read_box(path: Path) -> tuple[float, ...]:
    if not path.is_file():
        raise DataError(f"{path}: the face box is missing; --data.pictures aligned needs none")
    return tuple(_numbers(f"{path}, line 1", read_text(path).strip(), 4))


def _read_points(path: Path, count: int) -> npt.NDArray[np.float32]:
    """So many lines of x and y; single numbers, such as gender, may follow."""
    lines = list(_lines(path))
    if len(lines) < count:
        raise DataError(f"{path}: {len(lines)} lines, expected {count} landmarks first")
    if any(len(fields) > 1 for _, _, fields in lines[count:]):
        raise DataError(f"{path}: more than {count} landmarks")
    return np.array([_numbers(source, line, 2) for source, line, _ in lines[:count]], dtype=np.float32)

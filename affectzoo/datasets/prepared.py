"""Folders that ``affectzoo data prepare`` wrote: any data module reads them in place of the original.

Layout::

    root/prepared.json             data set, options, label space, crop rule, counts, what was excluded
    root/index.parquet             the index table, one row per face, in the original's order
    root/faces/0000/0000000.jpg    loose crops, named by their row in the original's index, or
    root/shards/00000.tar          crops in uncompressed tar files, which WebDataset reads too
    root/prepared.plan.json        what was asked for, and
    root/parts/00000.json          what is done: for going on and for checking

``index.parquet`` has the columns of ``affectzoo.datasets.index`` without ``pixels``, and besides: ``row``,
``original`` (image, or video and frame, that the crop was cut from), ``digest`` of the crop's file, and
``splits``, the face's part for each test fold, where the data set has folds. Landmarks are x, y, x, y, ...
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from struct import iter_unpack
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectzoo.console import visible
from affectzoo.datasets.index import COLUMNS, FaceIndex
from affectzoo.errors import DataError
from affectzoo.files.images import read_bytes
from affectzoo.files.remote import RECORD
from affectzoo.files.text import read_json
from affectzoo.labels import LabelSpace

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Box, Points

FORMAT = 1
FIELDS: Mapping[str, Any] = {
    "module": str,
    "name": str,
    "dataset": str,
    "options": dict,
    "index_sha256": str,
    "left_out": dict,
    "scale": int | float,
    "crop": dict,
    "labels": dict | None,
    "folds": int | None,
}
"""What ``prepared.json`` must say, with the kind of each."""
OF_ONE_FACE = ("path", "digest", "original", "source")
"""Texts of which each face has its own: they stay in Arrow's memory, which is smaller than Python's."""
PLAN = "prepared.plan.json"
INDEX = "index.parquet"

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("path", pa.string()),
        ("split", pa.string()),
        ("splits", pa.list_(pa.string())),
        ("label", pa.string()),
        ("target", pa.list_(pa.float32())),
        ("votes", pa.list_(pa.int64())),
        ("valence", pa.float64()),
        ("arousal", pa.float64()),
        ("subject", pa.string()),
        ("clip", pa.string()),
        ("frame", pa.int64()),
        ("box", pa.list_(pa.float64())),
        ("landmarks", pa.list_(pa.float32())),
        ("source", pa.string()),
        ("original", pa.string()),
        ("digest", pa.string()),
    ]
)


def is_prepared(root: Path) -> bool:
    """Whether a folder is one that ``affectzoo data prepare`` finished, or began."""
    return (root / RECORD).is_file() or (root / PLAN).is_file()


def read_prepared(
    root: Path, module: str, options: Mapping[str, Any], *, landmarks: bool = True
) -> FaceIndex:
    """Index a prepared folder.

    Args:
        root: The folder.
        module: Class name of the data module that asks, such as ``AFEWVA``.
        options: What its reader would go by; must be what the folder was prepared with. A data set with folds
            was prepared for all of them, so ``fold`` may differ.
        landmarks: Whether they are wanted.

    Raises:
        DataError: The folder is unfinished, altered, of another format, or for another data set or other
            options.
    """
    record = _record(root)
    if record["module"] != module:
        raise DataError(
            f"{root} was prepared from {record['name']}: choose the data module {record['module']}, "
            f"not {module}"
        )
    fold = options.get("fold")
    foreseen = record["folds"] is not None and isinstance(fold, int)
    free = {"fold"} if foreseen else set()
    changed = [name for name, value in record["options"].items() if options.get(name) != value]
    if set(changed) - free:
        given = ", ".join(f"{name}={json.dumps(record['options'][name])}" for name in changed)
        asked = " ".join(f"--set {name}={json.dumps(options.get(name))}" for name in changed)
        raise DataError(
            f"{root} was prepared with {given}; set these options so, or prepare another folder with {asked}"
        )
    if foreseen and not 0 <= options["fold"] < record["folds"]:
        raise DataError(f"{root}: fold is {fold}, expected 0 to {record['folds'] - 1}")
    unread = {"pixels"} if landmarks else {"pixels", "landmarks"}
    read = [name for name in COLUMNS if name not in unread]
    table = _table(root, record, [*read, "splits"] if foreseen else read)
    splits = [parts[fold] for parts in table["splits"].to_pylist()] if foreseen else None
    columns = {name: _column(table, name) for name in read}
    columns |= {name: _objects([None] * len(table)) for name in unread}
    if splits is not None:
        columns["split"] = _objects(splits)
    frame = pd.DataFrame({name: columns[name] for name in COLUMNS}, copy=False)
    space = _space(record, root / RECORD)
    names = () if space is None else space.names
    if not set(frame["label"]) - {None} <= set(names):
        raise DataError(f"{root / RECORD}: damaged (labels); delete it and run affectzoo data prepare again")
    told = record["left_out"], record["scale"]
    return FaceIndex(record["dataset"], root, space, frame, *told, margin=_margin(record, root))


class Crop(NamedTuple):
    """A crop of a prepared folder.

    Attributes:
        path: The crop's, relative to the folder.
        box: x0, y0, x1, y1 of the face in the crop; ``None``: the crop is the face.
        landmarks: Shape (N, 2), in pixels of the crop.
        margin: How much larger than the face's box the crop is, as a share of the box's longer edge.
    """

    path: str
    box: Box | None
    landmarks: Points | None
    margin: float


def prepared_crops(root: Path) -> list[Crop]:
    """List the crops of a prepared folder, whatever its data set, in the order of its index.

    Raises:
        DataError: The folder is unfinished, altered or of another format.
    """
    record = _record(root)
    names = ("path", "box", "landmarks")
    table, margin = _table(root, record, names), _margin(record, root)
    columns = (_column(table, name) for name in names)
    return [Crop(path, box, points, margin) for path, box, points in zip(*columns, strict=True)]


def _table(root: Path, record: Mapping[str, Any], columns: Sequence[str]) -> pa.Table:
    try:
        content = read_bytes(root / INDEX)
    except OSError as error:
        raise DataError(f"{root / INDEX}: {error.strerror or error}; prepare the folder again") from None
    if hashlib.sha256(content).hexdigest() != record["index_sha256"]:
        raise DataError(f"{root / INDEX} was altered since it was prepared; prepare the folder again")
    return pq.read_table(pa.BufferReader(content), columns=list(columns))


def _record(root: Path) -> dict[str, Any]:
    path = root / RECORD
    if not path.exists():
        raise DataError(f"{root}: its preparation is unfinished; run the same command again")
    record = read_json(path)
    version = record.get("format") if isinstance(record, dict) else None
    if version != FORMAT:
        raise DataError(f"{path}: format {version}, expected {FORMAT}; prepare the folder again")
    wrong = [key for key, kinds in FIELDS.items() if not isinstance(record.get(key, ...), kinds)]
    if wrong:
        raise DataError(f"{path}: damaged ({wrong[0]}); delete it and run affectzoo data prepare again")
    return dict(record)


def _margin(record: Mapping[str, Any], root: Path) -> float:
    margin = record["crop"].get("margin")
    if not isinstance(margin, int | float):
        raise DataError(f"{root / RECORD}: damaged (crop); delete it and run affectzoo data prepare again")
    return float(margin)


def _space(record: Mapping[str, Any], path: Path) -> LabelSpace | None:
    labels = record["labels"]
    if labels is None:
        return None
    names, name = labels.get("names"), labels.get("name")
    if not isinstance(names, list) or not isinstance(name, str):
        raise DataError(f"{path}: damaged (labels); delete it and run affectzoo data prepare again")
    return LabelSpace(tuple(names), name)


def _column(table: pa.Table, name: str) -> pd.Series:
    """One column as the index has it; equal texts and distributions are one object."""
    column = table[name].combine_chunks()
    if column.null_count == len(column):
        return _objects([None] * len(column))
    if name in OF_ONE_FACE and not column.null_count:
        return pd.Series(column, dtype=pd.ArrowDtype(column.type), copy=False)
    if pa.types.is_string(column.type):
        return _objects(_shared(column))
    if not pa.types.is_list(column.type):
        return _objects(column.to_pylist())
    numbers = np.array(column.flatten())
    lengths = column.drop_null().value_lengths().to_numpy()
    if name == "box":
        known: Iterable[Any] = iter_unpack("4d", numbers.data)
    elif name == "landmarks":
        known = (one.reshape(-1, 2) for one in _cut(numbers, lengths))
    else:
        known = _distributions(numbers, lengths)
    if column.null_count:
        values = iter(known)
        known = (next(values) if valid else None for valid in column.is_valid().to_pylist())
    return _objects(list(known))


def _objects(values: Sequence[Any]) -> pd.Series:
    return pd.Series(values, dtype=object)


def _cut(numbers: np.ndarray, lengths: np.ndarray) -> Iterable[np.ndarray]:
    return (numbers[start:end] for start, end in pairwise([0, *np.cumsum(lengths).tolist()]))


def _distributions(numbers: np.ndarray, lengths: np.ndarray) -> Iterable[np.ndarray]:
    """Cut numbers into arrays; equal ones are one object."""
    width = int(lengths[0]) * numbers.itemsize
    if width == 0 or (lengths != lengths[0]).any():
        return _cut(numbers, lengths)
    cut = [None, pa.py_buffer(numbers)]
    encoded = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(lengths), cut).dictionary_encode()
    arrays = [np.frombuffer(one, numbers.dtype).copy() for one in encoded.dictionary.to_pylist()]
    return (arrays[code] for code in encoded.indices.to_pylist())


def _shared(column: pa.Array) -> list[str | None]:
    encoded = column.dictionary_encode()
    texts = [*encoded.dictionary.to_pylist(), None]
    return [texts[code] for code in encoded.indices.fill_null(-1).to_pylist()]


def write_index(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write ``index.parquet``.

    Args:
        path: The file.
        rows: One per face, columns of ``SCHEMA``; what is lacking is empty.

    Returns:
        The file's SHA-256.
    """
    columns = {
        field.name: pa.array([_plain(row.get(field.name)) for row in rows], field.type) for field in SCHEMA
    }
    with path.open("wb") as file:  # a path may not be UTF-8
        pq.write_table(pa.table(columns, SCHEMA), file, compression="zstd")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(value: Any) -> Any:
    """A value as Arrow takes it; bytes of names that are not UTF-8 become visible."""
    if isinstance(value, np.ndarray):
        return value.ravel()
    return visible(value) if isinstance(value, str) else value

"""Read long lists fast: by columns, where every line is plain, of printable ASCII without quotation marks.

Anything else is ``NotPlainError``: such a list is read line by line, which says what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from affectzoo.datasets.fields import PIXELS
from affectzoo.files.folders import obstacle, pointer, touch

PLAIN = bytes({*range(0x21, 0x7F)} - {*b'"\\'}) + b"\r\n"
BLOCK = 1 << 25
"""Bytes that are read at a time."""


class NotPlainError(Exception):
    """A list has to be read line by line."""


def first_cells(path: Path) -> list[str]:
    """The cells of a list's first line.

    Raises:
        NotPlainError: It is not plain, or the list is no file.
    """
    if obstacle(path) or pointer(path):
        raise NotPlainError
    with path.open("rb") as file:
        return _checked(file.readline()).rstrip(b"\r\n").decode("ascii").split(",")


def blocks(path: Path, names: Sequence[str], skipped: int) -> Iterator[pa.Table]:
    """Iterate over a list's lines, many at a time, as columns of texts.

    Args:
        path: The list, separated by commas.
        names: Of its columns.
        skipped: Lines at its start that are passed over.

    Raises:
        NotPlainError: A line is not plain or has another number of cells.
    """
    touch(path)
    parsing = csv.ParseOptions(quote_char=False, ignore_empty_lines=False)
    texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    with path.open("rb") as file:
        for _ in range(skipped):
            file.readline()
        while block := b"".join(file.readlines(BLOCK)):
            reading = csv.ReadOptions(column_names=list(names), block_size=len(block))
            try:
                yield csv.read_csv(pa.BufferReader(_checked(block)), reading, parsing, texts).combine_chunks()
            except pa.ArrowInvalid:
                raise NotPlainError from None


def _checked(lines: bytes) -> bytes:
    if lines.translate(None, PLAIN) or lines.count(b"\r") != lines.count(b"\r\n"):
        raise NotPlainError
    return lines


def numbers(texts: pa.Array | pa.ChunkedArray, most: float) -> npt.NDArray[np.float64]:
    """Numbers of texts; NaN where there is no text.

    Args:
        texts: Shape (N,).
        most: Their largest absolute value.

    Raises:
        NotPlainError: One is no number, or larger.
    """
    try:
        values = np.asarray(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        raise NotPlainError from None
    if np.count_nonzero(np.abs(values) <= most) < len(texts) - texts.null_count:
        raise NotPlainError
    return values


def landmarks(texts: pa.ChunkedArray, count: int) -> npt.NDArray[np.float32]:
    """Landmarks, x and y in turn with semicolons between, shape (N, count, 2).

    Raises:
        NotPlainError: Another number of them, or one that is no pixel of any image.
    """
    lists = pc.split_pattern(texts, ";").combine_chunks()
    if not pc.all(pc.equal(lists.value_lengths(), 2 * count)).as_py():
        raise NotPlainError
    return numbers(lists.flatten(), PIXELS).astype(np.float32).reshape(-1, count, 2)

"""What loading processes must know of each face, packed, so that they share one copy of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa


def _points(scalar: pa.Scalar) -> np.ndarray:
    array: np.ndarray = np.array(scalar.values).reshape(-1, 2)
    return array


def _texts(values: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.large_string())
    except UnicodeEncodeError:  # names that are not UTF-8
        return pa.array([None if value is None else os.fsencode(value) for value in values])


def _flat(values: Sequence[np.ndarray | None]) -> pa.Array:
    flat = [None if value is None else value.ravel() for value in values]
    return pa.array(flat, pa.large_list(pa.float32()))


Packing = tuple[Callable[[Any], pa.Array], Callable[[Any], Any]]
_TEXT: Packing = (_texts, lambda scalar: os.fsdecode(scalar.as_py()))
_PACKED: dict[str, Packing] = {
    "path": _TEXT,
    "frame": (lambda values: pa.array(values, pa.int64()), lambda scalar: scalar.as_py()),
    "box": (lambda values: pa.array(values, pa.list_(pa.float64())), lambda scalar: tuple(scalar.as_py())),
    "landmarks": (_flat, _points),
    "digest": _TEXT,
    "source": _TEXT,
}
"""How a column is packed, and how one value gets back."""


class FaceRows:
    """Index rows, made when they are asked for.

    Python counts who uses an object in the object itself, so a forked process that only reads a list of rows
    copies it, page by page. Here the rows are a few buffers, which forked processes share.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        """Pack the columns by which images are read.

        Args:
            table: Of a ``FaceIndex``.
        """
        self._columns = {name: pack(table[name]) for name, (pack, _) in _PACKED.items()}
        pixels = table["pixels"].to_numpy()
        self._pixels = None if all(value is None for value in pixels) else pixels
        self._count = len(table)

    def __len__(self) -> int:
        """Number of faces."""
        return self._count

    def __getitem__(self, i: int) -> dict[str, Any]:
        """A face's ``path``, ``frame``, ``box``, ``landmarks``, ``digest``, ``source`` and ``pixels``."""
        row: dict[str, Any] = {"pixels": None if self._pixels is None else self._pixels[i]}
        for name, (_, unpack) in _PACKED.items():
            scalar = self._columns[name][i]
            row[name] = unpack(scalar) if scalar.is_valid else None
        return row

    def landmarks(self) -> int:
        """How many landmarks faces have; 0 where none has any."""
        known = self._columns["landmarks"].drop_null()
        return len(known[0].values) // 2 if len(known) else 0

"""What readers share: rows of CSV files, and checked numbers, ranges and landmarks."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affectzoo.errors import DataError
from affectzoo.files.faults import one_row


def csv_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The lines of a CSV file that are not empty: file and line for messages, and the stripped fields.

    Raises:
        DataError: A line has another number of fields than the first, or the file is not UTF-8.
    """
    columns = 0
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines)
        try:
            for cells in reader:
                fields = [cell.strip() for cell in cells]
                if not any(fields):
                    continue
                source = f"{path}, line {reader.line_num}"
                columns = columns or len(fields)
                if len(fields) == columns:
                    yield source, fields
                    continue
                with one_row():
                    raise DataError(f"{source}: {len(fields)} fields, the first line has {columns}")
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path}, after line {reader.line_num}: {error}; expected CSV in UTF-8") from None


def number(
    value: object,
    where: str,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    whole: bool = False,
) -> float:
    """A finite number, from text or as it is.

    Args:
        value: What the file says.
        where: File and line or frame, for the error.
        name: The field's name, for the error.
        low: Smallest value allowed.
        high: Largest value allowed.
        whole: Whether it must be a whole number.

    Raises:
        DataError: It is no number, NaN, infinite, outside the range or not whole.
    """
    try:
        found = float(value)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found) or not low <= found <= high or (whole and not found.is_integer()):
        kind = "a whole number" if whole else "a number"
        span = (
            "" if low == -math.inf else f" in {low:g}..{high:g}" if high < math.inf else f" from {low:g} on"
        )
        raise DataError(f"{where}: {name} is '{value}', expected {kind}{span}")
    return found


def points(values: object, where: str, *counts: int) -> npt.NDArray[np.float32]:
    """Landmarks.

    Args:
        values: Pairs of x and y, or x, y, x, y, ... in one sequence; numbers or texts, pixels.
        where: File and line or frame, for the error.
        counts: How many landmarks there may be.

    Returns:
        Shape (N, 2), x and y.

    Raises:
        DataError: Another number of landmarks, or a value that is no finite number.
    """
    allowed = " or ".join(str(count) for count in counts)
    try:
        array = np.asarray(values, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        raise DataError(f"{where}: landmarks must be {allowed} pairs of numbers") from None
    if (
        array.ndim not in (1, 2)
        or (array.ndim == 2 and array.shape[1] != 2)
        or array.size not in (2 * count for count in counts)
    ):
        found = f"{array.size // 2} landmarks" if array.size % 2 == 0 else f"{array.size} landmark numbers"
        raise DataError(f"{where}: {found}, expected {allowed}")
    if not np.isfinite(array).all():
        raise DataError(f"{where}: landmarks hold NaN or infinite values")
    return array.reshape(-1, 2).astype(np.float32)


def box_around(marks: npt.NDArray[np.float32]) -> tuple[float, float, float, float]:
    """The box around points of shape (N, 2), as x0, y0, x1, y1."""
    x0, y0, x1, y1 = np.concatenate([marks.min(0), marks.max(0)]).tolist()
    return x0, y0, x1, y1

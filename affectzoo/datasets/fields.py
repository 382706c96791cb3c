"""Check the numbers that files say: ranges, boxes and landmarks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from affectzoo.console import counted
from affectzoo.errors import DataError

PIXELS = 1e6
"""No image is wider or higher, so no box or landmark lies further out."""
SANE = 1e9
"""No time, frame, code or count of a data set is larger."""

Box = tuple[float, float, float, float]


def number(
    value: object,
    where: str,
    name: str,
    low: float = -SANE,
    high: float = SANE,
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
    found = parsed(value)
    if not (math.isfinite(found) and low <= found <= high) or (whole and not found.is_integer()):
        kind = "a whole number" if whole else "a number"
        span = "" if low == -SANE else f" from {low:g} on" if high == SANE else f" in {low:g}..{high:g}"
        raise DataError(f"{where}: {name} is '{_short(value)}', expected {kind}{span}{_comma(value)}")
    return found


def parsed(value: object) -> float:
    """A number as files write them; NaN for what is none, such as ``1_000`` or ``True``."""
    if isinstance(value, bool) or (isinstance(value, str) and not (value.isascii() and "_" not in value)):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        return math.nan


def box(values: Mapping[str, object] | Sequence[object], where: str, names: Sequence[str]) -> Box:
    """Four sides of a box in pixels, whether it has an area or not.

    Args:
        values: By name, or in the order of the names.
        where: File and line, for the error.
        names: The fields' names.

    Raises:
        DataError: One is no finite number, or no pixel of any image.
    """
    given = [values[name] for name in names] if isinstance(values, Mapping) else list(values)
    if len(given) != len(names):
        raise DataError(f"{where}: {counted(len(given), 'number')}, expected {', '.join(names)}")
    x0, y0, x1, y1 = (
        number(value, where, name, -PIXELS, PIXELS) for value, name in zip(given, names, strict=True)
    )
    return x0, y0, x1, y1


def points(values: Any, where: str, *counts: int) -> npt.NDArray[np.float32]:
    """Landmarks.

    Args:
        values: Pairs of x and y, or x, y, x, y, ... in one sequence; numbers or texts, pixels.
        where: File and line or frame, for the error.
        counts: How many landmarks there may be.

    Returns:
        Shape (N, 2), x and y.

    Raises:
        DataError: Another number of landmarks, or a value that is no finite number or no pixel of any image.
    """
    allowed = " or ".join(str(count) for count in counts)
    try:
        array = np.asarray(values, dtype=np.float64)
    except (OverflowError, TypeError, ValueError, RecursionError):
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
    if abs(array).max() > PIXELS:
        raise DataError(f"{where}: a landmark is at {abs(array).max():g}, expected pixels of the image")
    return array.reshape(-1, 2).astype(np.float32)


def box_around(marks: npt.NDArray[np.float32]) -> Box:
    """The box around points of shape (N, 2), as x0, y0, x1, y1."""
    x0, y0, x1, y1 = np.concatenate([marks.min(0), marks.max(0)]).tolist()
    return x0, y0, x1, y1


def _short(value: object) -> str:
    text = str(value) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}..."


def _comma(value: object) -> str:
    if isinstance(value, str) and "," in value and math.isfinite(parsed(value.replace(",", "."))):
        return "; decimals are written with a point"
    return ""

"""JSON from elsewhere: a small object, or an error that says why it is none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from affectzoo.errors import WeightsError

LIMIT = 8 * 10**6
"""Characters of a model's description, wherever it stands."""


def read_json(path: Path, limit: int, where: str) -> dict[str, Any]:
    """Read a file that holds a JSON object.

    Args:
        path: The file.
        limit: Bytes; a larger file is not read.
        where: What to call it in errors.

    Raises:
        WeightsError: It is too large, cannot be read, or holds something else.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise WeightsError(f"{where} has {size:,} bytes, at most {limit:,} are allowed")
        text = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{where} cannot be read ({error})") from None
    return parse(text, where, limit)


def parse(text: str | bytes, where: str, limit: int = LIMIT) -> dict[str, Any]:
    """Read the JSON object that a text is.

    Args:
        text: Of any length.
        where: What to call it in errors.
        limit: Characters or bytes; a longer text is not read.

    Raises:
        WeightsError: It is too long, something else, nested too deeply, or holds numbers without end.
    """
    if len(text) > limit:
        raise WeightsError(f"{where} has {len(text):,} characters, at most {limit:,} are allowed")

    def finite(number: str) -> float:
        value = float(number)  # of 1e999, infinity
        if not math.isfinite(value):
            raise ValueError(f"{number[:20]} is no number")
        return value

    try:
        values = json.loads(text, parse_constant=finite, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{where} is no JSON ({error})") from None
    if not isinstance(values, dict):
        raise WeightsError(f"{where} is no JSON object")
    return values


def other_format(given: object, reads: int) -> str | None:
    """Say that something is written in a format that is not read, and what to do; ``None`` where it is read.

    Args:
        given: The format that it names.
        reads: The one that this affectzoo reads.
    """
    number = given if isinstance(given, int) and not isinstance(given, bool) else 0
    if number == reads:
        return None
    what = "install a newer one" if number > reads else "it is damaged, or not written by affectzoo"
    return f"format {str(given)[:20]}, this affectzoo reads {reads}: {what}"

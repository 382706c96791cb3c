"""JSON from elsewhere: a small object, or an error that says why it is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from affectzoo.errors import WeightsError


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
    return parse(text, where)


def parse(text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object that a text is.

    Args:
        text: Of any length.
        where: What to call it in errors.

    Raises:
        WeightsError: It is something else, or nested too deeply.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        values = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{where} is no JSON ({error})") from None
    if not isinstance(values, dict):
        raise WeightsError(f"{where} is no JSON object")
    return values

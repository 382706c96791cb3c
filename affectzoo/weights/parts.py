"""Weights in one file, or in parts beside an index, which says where each tensor is."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from affectzoo.errors import WeightsError
from affectzoo.files.fetch import sha256
from affectzoo.weights.untrusted import read_json

FILE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"

MOST_FILES = 64
"""Bound on a model's weights files."""

INDEX_LIMIT = 16 * 10**6
"""Bytes of an index."""

_PART_NAME = re.compile(r"\w[\w.-]{0,99}\.safetensors", re.ASCII)


def files(path: Path) -> list[Path]:
    """The files behind a weights file's or index's path, that path first.

    Raises:
        WeightsError: An index is damaged, or one of its files is missing.
    """
    return [path, *read_index(path)[1]] if is_index(path) else [path]


def identity(path: Path) -> str:
    """The sha256 of a weights file; of an index, that of all its files' sums."""
    sums = [sha256(file) for file in files(path)]
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()


def is_index(path: Path) -> bool:
    """Whether a path is, by its name, an index."""
    return path.name.endswith(".safetensors.index.json")


def read_index(path: Path) -> tuple[dict[str, Any], dict[Path, set[str]]]:
    """An index's metadata, and the names of the tensors that are in each file.

    Raises:
        WeightsError: It is damaged, names what is no file beside it, or a file is missing.
    """
    values = read_json(path, INDEX_LIMIT, str(path))
    metadata, places = values.get("metadata"), values.get("weight_map")
    if not isinstance(metadata, dict) or not isinstance(places, dict) or not places:
        raise WeightsError(f"{path} is no index of weights files: it needs metadata and weight_map")
    parts: dict[Path, set[str]] = {}
    for tensor, file in places.items():
        check_part_name(file, str(path))
        parts.setdefault(path.parent / file, set()).add(tensor)
    if len(parts) > MOST_FILES:
        raise WeightsError(f"{path} names {len(parts)} files, at most {MOST_FILES} are allowed")
    for part in parts:
        if not part.is_file():
            raise WeightsError(f"{part}: the file is missing; {path.name} says that it holds tensors")
    return metadata, parts


def check_part_name(name: object, where: str) -> None:
    """Refuse what is no plain name of a safetensors file, such as one that leads elsewhere.

    Args:
        name: As a description or an index says.
        where: What says so, for errors.

    Raises:
        WeightsError: The name is something else.
    """
    if not isinstance(name, str) or not _PART_NAME.fullmatch(name) or ".." in name:
        raise WeightsError(
            f"{where} names a file {str(name)[:80]!r}: only .safetensors files beside it are read, "
            "never pickled ones"
        )

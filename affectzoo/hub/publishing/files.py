"""The published form's files: which there are, and a folder that has all of them or none."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affectzoo.errors import AffectZooError, OutputError
from affectzoo.files.writing import named
from affectzoo.store import CONFIG_NAME, LIBRARY

CARD_NAME = "README.md"
RECIPE_NAME = "recipe.yaml"

OURS = re.compile(
    r"README\.md|config\.json|recipe\.yaml|golden\.(png|json)|records/[^/]+\.json"
    r"|model\.safetensors"
)
"""Paths of the files that a published model may have."""


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside the wanted one; at the end it takes its place, as a whole.

    What a process left that was killed is put back, or cleared away.

    Args:
        folder: What there is now is replaced. After an error it stays as it was.

    Raises:
        OutputError: It cannot be made, or the disk is full.
    """
    folder = folder.absolute()
    new, old = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    _clear(folder, new, old)
    try:
        if os.path.lexists(folder) and not folder.is_dir():
            raise OutputError(f"{folder}: is no folder; name a new or an empty one")
        new.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from None
    try:
        with named(folder):
            yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        _clear(folder, new, old)


def _clear(folder: Path, new: Path, old: Path) -> None:
    """Put the older folder back if the new one did not take its place; remove what is left."""
    if old.exists() and not folder.exists():
        old.rename(folder)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)


def own_files(folder: Path) -> dict[str, Path]:
    """The files of a folder in the published form, by their path inside; none of an empty folder.

    Raises:
        AffectZooError: It holds something else.
    """
    if not folder.is_dir():
        raise AffectZooError(f"{folder}: no folder")
    files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if not p.is_dir()}
    foreign = [name for name in files if not OURS.fullmatch(name)]
    if files and (foreign or not is_ours(files.get(CONFIG_NAME))):
        raise AffectZooError(
            f"{folder}: the folder holds what affectzoo publish did not write: "
            f"{', '.join((foreign or list(files))[:3])}. Name a new or an empty one"
        )
    return files


def is_ours(config: Path | None) -> bool:
    """Whether there is a ``config.json``, and one of a model published by affectzoo."""
    if config is None or not config.is_file():
        return False
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(values, dict) and values.get("library") == LIBRARY


def write_json(path: Path, values: Any) -> None:
    """Write JSON, always with the same bytes."""
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def size(*paths: Path) -> str:
    """The size of files together, for people."""
    number = sum(path.stat().st_size for path in paths)
    return f"{number / 2**20:.1f} MiB" if number >= 2**20 else f"{number / 2**10:.1f} KiB"

"""The published form's files: which there are, and a folder that has all of them or none."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affectzoo.errors import AffectZooError
from affectzoo.store import CONFIG_NAME

CARD_NAME = "README.md"
RECIPE_NAME = "recipe.yaml"
LIBRARY = "affectzoo"

OURS = re.compile(
    r"README\.md|config\.json|recipe\.yaml|golden\.(png|json)|records/[^/]+\.json"
    r"|model\.safetensors"
)
"""Paths of the files that a published model may have."""


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside the wanted one; at the end it takes its place, as a whole.

    Args:
        folder: What there is now is replaced. After an error it stays as it was.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        place = Path(temporary) / "new"
        place.mkdir()
        yield place
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        place.rename(folder)


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
    if config is None:
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

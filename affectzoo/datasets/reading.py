"""What holds for every reader: which folder it enters, and that what it does not use is told."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from affectzoo.datasets.classes import class_folders
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.files.faults import unreadable
from affectzoo.files.folders import Unused, peek, unused

P = ParamSpec("P")
R = TypeVar("R")

DEPTH = 3
"""How many folders, each the only one in its parent, are entered in search of a data set."""
NAMED = 5
"""Folders and files that are named one by one."""


def reader(read: Callable[Concatenate[Path, P], R]) -> Callable[Concatenate[Path, P], R]:
    """Make a function that reads a data set's folder enter it as far as needed, and tell what it did not use.

    Where the root lacks the expected files and holds a single folder, as archives unpack, that one is read.
    An index gets its ``unused``; one without faces is an error. Errors of the system become the data's.
    """

    @wraps(read)
    def entering(root: Path, /, *args: P.args, **kwargs: P.kwargs) -> R:
        root = Path(root)
        try:
            return _enter(read, root, DEPTH, *args, **kwargs)
        except OSError as error:
            if isinstance(error, DataError):
                raise
            raise unreadable(error) from None

    return entering


def _enter(
    read: Callable[Concatenate[Path, P], R], root: Path, depth: int, /, *args: P.args, **kwargs: P.kwargs
) -> R:
    try:
        with unused(root) as seen:
            found = read(root, *args, **kwargs)
    except DataNotFoundError as error:
        inner = peek(root).folders if depth and root.is_dir() else ()
        if len(inner) == 1:
            with suppress(DataNotFoundError):
                return _enter(read, root / inner[0], depth - 1, *args, **kwargs)
        if depth == DEPTH:
            error.args = (f"{error}{_found(root)}",)
        raise
    if isinstance(found, FaceIndex):
        if not len(found):
            lost = ", ".join(f"{reason} {count}" for reason, count in found.left_out.items())
            raise DataError(f"{found.dataset}: {root} holds no usable face (excluded: {lost or 'none'})")
        return replace(found, unused=dict(seen + _beside(found, root, seen)))
    return found


def _found(root: Path) -> str:
    """What there is instead of what was looked for, and which data set may read it."""
    if not root.is_dir():
        return ""
    listing = peek(root)
    there = [_some(kind, names) for kind, names in (("folders", listing.folders), ("files", listing.files))]
    told = f"\nFound there: {'; '.join(filter(None, there)) or 'nothing'}"
    with suppress(DataError):  # two folders of one part
        if class_folders(root):
            command = f"affectzoo data check folder --root {shlex.quote(str(root))}"
            told += f"\nThe data set folder reads folders of classes: {command}"
    return told


def _some(kind: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{kind} {', '.join(names[:NAMED])}{more}" if names else ""


def _beside(index: FaceIndex, root: Path, seen: Unused) -> Counter[str]:
    """Entries of the root that hold none of the faces and were not looked into."""
    if not root.is_dir():
        return Counter()
    used = seen.touched | {path.partition("/")[0] for path in index.table["path"]}
    if index.root != root and index.root.is_relative_to(root):
        used.add(index.root.relative_to(root).parts[0])
    listing = peek(root)
    folders = [name for name in listing.folders if name not in used]
    files = Counter(
        f"file beside the data: {Path(name).suffix or name}" for name in listing.files if name not in used
    )
    beside = Counter({f"folder that is not read: {name}": 1 for name in folders[:NAMED]})
    return beside + files + Counter({"more folders that are not read": max(0, len(folders) - NAMED)})

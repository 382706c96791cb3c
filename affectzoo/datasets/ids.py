"""Names of faces that are the same in every copy of a data set, and one hash for any set of faces."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.errors import DataError

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex

PREFIXES = {
    "affectnet": "(Manually_Annotated/)?(Manually_Annotated_Images/)?",
    "jaffe": ".*/",
    "rafdb": ".*/",
    "rafdb_compound": ".*/",
}
"""Folders that copies of a data set spell differently; an image's id leaves them out."""


_SUM = 6
"""Bytes of an id's sum in a sketch: that two of a million ids share one has a chance of 0.2 %."""


SEVERAL = frozenset({"expw", "table"})
"""Data sets whose images may show several faces, which their boxes tell apart."""

OWN = frozenset({"folder", "table"})
"""Data sets of one's own: the same names may be other images in another folder."""


def ids(index: FaceIndex) -> list[str]:
    """An id for each face, in order, the same in every part of the data set that it is in.

    ``<data set>/<clip>#<frame>``; of stills ``<data set>/<path>``, with ``#<frame>`` for rows of one file and
    ``[x0,y0,x1,y1]`` where images may show several faces. Neither the root nor folders that copies spell
    differently (``PREFIXES``) are in it, and file endings are in lower case.

    Raises:
        DataError: Two faces have the same.
    """
    if "id" in index.table:  # of joined data sets
        return index.table["id"].to_list()
    columns = (index.table[name] for name in ("clip", "frame", "box"))
    found = [_id(index.dataset, *row) for row in zip(_files(index), *columns, strict=True)]
    if len(set(found)) < len(found):
        twice = next(name for name, times in Counter(found).items() if times > 1)
        raise DataError(f"{index.root}: two faces have the id {twice}; is the copy unpacked twice?")
    return found


def _files(index: FaceIndex) -> list[str]:
    """Each face's file; of a prepared crop the one that it was cut from."""
    columns = (index.table[name] for name in ("path", "original", "box"))
    several = index.dataset in SEVERAL
    return [
        path if original is None or (several and box is not None) else re.sub(r", frame \d+$", "", original)
        for path, original, box in zip(*columns, strict=True)
    ]


def split_hash(names: Iterable[str]) -> str:
    """SHA-256 of ids, whatever their order: equal hashes mean equal faces."""
    return hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "surrogateescape")).hexdigest()


def told_apart(index: FaceIndex) -> list[str]:
    """Ids for ``sketch`` and ``shared``; of one's own data with a sum of each file, as names say little.

    Raises:
        DataError: Two faces have the same id.
    """
    pairs = zip(ids(index), index.table["path"], strict=True)
    content = cache(lambda path: _content(index.root / path))
    return [f"{name} ({content(path)})" if name.partition("/")[0] in OWN else name for name, path in pairs]


def data_sets(told: str | None) -> list[str]:
    """The data sets that weights were trained on, by what they say of them."""
    return (told or "").split("+")


def _content(path: Path) -> str:
    """A sum of a file's size and beginning: enough to tell images apart, and quick for many."""
    try:
        with path.open("rb") as file:
            beginning = file.read(4096)
            size = file.seek(0, os.SEEK_END)
    except OSError:
        return "no file"
    return hashlib.sha256(f"{size} ".encode() + beginning).hexdigest()[:8]


def sketch(names: Iterable[str], most: int = 2048) -> str:
    """Sum up a set of ids in some kilobytes, so that ids that it shares with another set can be found.

    The ``most`` smallest of the ids' sums (six bytes of SHA-256 each) in hexadecimal: all of a set that is
    not larger, else a share of it that depends on the ids alone.

    Args:
        names: The ids.
        most: How many sums to keep.
    """
    sums = sorted({_sum(name) for name in names})
    return b"".join(sums[:most]).hex()


def shared(told: str, names: Iterable[str]) -> list[str]:
    """Ids that are surely in the set behind a sketch; of a large set, only a share of those that are.

    Args:
        told: What ``sketch`` returned; anything else has no ids.
        names: The ids to look for.
    """
    try:
        raw = bytes.fromhex(told)
    except ValueError:
        return []
    kept = {raw[start : start + _SUM] for start in range(0, len(raw), _SUM)}
    return [name for name in names if _sum(name) in kept]


def _sum(name: str) -> bytes:
    """The beginning of an id's SHA-256; names of files need not be UTF-8."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:_SUM]


def truth_hash(index: FaceIndex, landmarks: bool = False) -> str:
    """SHA-256 of the faces with their classes and values: equal hashes mean equal ground truth.

    Faces of one's own data are known by content as well, as in ``told_apart``.

    Args:
        index: The faces.
        landmarks: Whether their landmarks are the ground truth instead; all have some.
    """
    if landmarks:
        marks = (points.tobytes().hex() for points in index.table["landmarks"])
        return split_hash(f"{face} {told}" for face, told in zip(told_apart(index), marks, strict=True))
    truth = index.table[["label", "valence", "arousal"]].itertuples(index=False, name=None)
    return split_hash(f"{face} {told}" for face, told in zip(told_apart(index), truth, strict=True))


def _id(dataset: str, path: str, clip: str | None, frame: int | None, box: Any) -> str:
    number = "" if frame is None else f"#{int(frame)}"
    if clip is not None and number:
        return f"{dataset}/{clip}{number}"
    stem, dot, ending = re.sub(f"^{PREFIXES.get(dataset, '')}", "", path).rpartition(".")
    edges = "" if box is None or dataset not in SEVERAL else f"[{','.join(f'{edge:g}' for edge in box)}]"
    return f"{dataset}/{stem}{dot}{ending.lower()}{number}{edges}"

"""Names of faces that are the same in every copy of a data set, and one hash for any set of faces."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
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
"""Folders that copies of a data set spell differently; a picture's id leaves them out."""


SEVERAL = frozenset({"expw", "table"})
"""Data sets whose pictures may show several faces, which their boxes tell apart."""


def ids(index: FaceIndex) -> list[str]:
    """An id for each face, in order, the same in every part of the data set that it is in.

    ``<data set>/<clip>#<frame>``; of stills ``<data set>/<path>``, with ``#<frame>`` for rows of one file and
    ``[x0,y0,x1,y1]`` where pictures may show several faces. Neither the root nor folders that copies spell
    differently (``PREFIXES``) are in it, and file endings are in lower case.

    Raises:
        DataError: Two faces have the same.
    """
    columns = (index.table[name] for name in ("path", "clip", "frame", "box"))
    found = [_id(index.dataset, *row) for row in zip(*columns, strict=True)]
    if len(set(found)) < len(found):
        twice = next(name for name, times in Counter(found).items() if times > 1)
        raise DataError(f"{index.root}: two faces have the id {twice}; is the copy unpacked twice?")
    return found


def split_hash(names: Iterable[str]) -> str:
    """SHA-256 of ids, whatever their order: equal hashes mean equal faces."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def truth_hash(index: FaceIndex) -> str:
    """SHA-256 of the faces with their classes and values: equal hashes mean equal ground truth."""
    truth = index.table[["label", "valence", "arousal"]].itertuples(index=False, name=None)
    return split_hash(f"{face} {told}" for face, told in zip(ids(index), truth, strict=True))


def _id(dataset: str, path: str, clip: str | None, frame: int | None, box: Any) -> str:
    number = "" if frame is None else f"#{int(frame)}"
    if clip is not None and number:
        return f"{dataset}/{clip}{number}"
    stem, dot, ending = re.sub(f"^{PREFIXES.get(dataset, '')}", "", path).rpartition(".")
    edges = "" if box is None or dataset not in SEVERAL else f"[{','.join(f'{edge:g}' for edge in box)}]"
    return f"{dataset}/{stem}{dot}{ending.lower()}{number}{edges}"

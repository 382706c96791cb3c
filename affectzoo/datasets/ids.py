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


def ids(index: FaceIndex) -> list[str]:
    """An id for each face, in order: ``<data set>/<clip>#<frame>``, or ``<data set>/<path>`` for stills.

    Neither the root nor folders that copies spell differently (``PREFIXES``) are in it, and file endings are
    in lower case. Faces of one still are told apart by their boxes: ``<data set>/<path>[x0,y0,x1,y1]``.

    Raises:
        DataError: Two faces have the same.
    """
    columns = (index.table[name] for name in ("path", "clip", "frame"))
    found = [_id(index.dataset, *row) for row in zip(*columns, strict=True)]
    times = Counter(found)
    if len(times) < len(found):
        boxes = index.table["box"]
        found = [_boxed(n, box) if times[n] > 1 else n for n, box in zip(found, boxes, strict=True)]
        twice = next((name for name, number in Counter(found).items() if number > 1), None)
        if twice is not None:
            raise DataError(f"{index.root}: two faces have the id {twice}; is the copy unpacked twice?")
    return found


def split_hash(names: Iterable[str]) -> str:
    """SHA-256 of ids, whatever their order: equal hashes mean equal faces."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def _id(dataset: str, path: str, clip: str | None, frame: int | None) -> str:
    if clip is not None and frame is not None:
        return f"{dataset}/{clip}#{int(frame)}"
    stem, dot, ending = re.sub(f"^{PREFIXES.get(dataset, '')}", "", path).rpartition(".")
    return f"{dataset}/{stem}{dot}{ending.lower()}"


def _boxed(name: str, box: Any) -> str:
    return name if box is None or "#" in name else f"{name}[{','.join(f'{edge:g}' for edge in box)}]"

"""Faces as a detector finds them, in place of the data set's boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectzoo.errors import DetectorError, UnreadableImageError
from affectzoo.files.videos import SUFFIXES, read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from affectzoo.datasets.index import FaceIndex
    from affectzoo.datatools.scan import Watch
    from affectzoo.faces.detect import Detector
    from affectzoo.faces.preprocess import Box, Image


def detected(
    index: FaceIndex, detector: Detector, progress: Watch | None = None
) -> tuple[FaceIndex, npt.NDArray[np.bool_]]:
    """The same faces with the boxes that a detector gives them; each image is read once.

    See ``match`` for which detection is whose. Landmarks stay as annotated. Ids of several faces in one
    image hold their boxes: take ``ids`` of the index that goes in.

    Args:
        index: Faces of one part.
        detector: Searches whole images.
        progress: Shows progress over the images.

    Returns:
        The index with new boxes, and whether each face was found, shape (N,). A face that was not keeps its
        old box.

    Raises:
        DetectorError: The detector is the one for ready crops.
    """
    if detector.name == "none":
        raise DetectorError("detector none finds no faces in whole images; choose yunet, centerface or haar")
    table = index.table
    boxes, faces = list(table["box"]), table.to_dict("records")
    was_found = np.zeros(len(table), dtype=bool)
    pictures = list(_pictures(table).values())
    for rows in pictures if progress is None else progress(pictures, len(pictures)):
        try:
            image = read_row(index.root, faces[rows[0]])
        except UnreadableImageError:
            continue  # nothing is found in it
        found = [face.box for face in detector(image) if face.box is not None]
        for row, place in zip(rows, match([boxes[row] for row in rows], found), strict=True):
            if place is not None:
                boxes[row], was_found[row] = found[place], True
    changed = table.assign(box=pd.Series(boxes, table.index, dtype=object))
    return replace(index, table=changed), was_found


def match(faces: Sequence[Box | None], found: Sequence[Box]) -> list[int | None]:
    """Which found box belongs to which face of one image; each to one face at most.

    Pairs are made in the order of their overlap (intersection over union), the largest first. Then each face
    without a box takes the largest one that is left.

    Args:
        faces: Annotated boxes; ``None`` where there is none.
        found: Boxes in pixels of the same image.

    Returns:
        For each face a place in ``found``; ``None`` where none overlaps, or none is left.
    """
    pairs = [
        (overlap(box, other), i, j)
        for i, box in enumerate(faces)
        for j, other in enumerate(found)
        if box is not None
    ]
    chosen: dict[int, int] = {}
    for share, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if share > 0 and i not in chosen and j not in chosen.values():
            chosen[i] = j
    left = sorted(set(range(len(found))) - set(chosen.values()), key=lambda j: (-_area(found[j]), j))
    chosen |= dict(zip((i for i, box in enumerate(faces) if box is None), left, strict=False))
    return [chosen.get(i) for i in range(len(faces))]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    inside = _area(
        (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    )
    union = _area(one) + _area(other) - inside
    return inside / union if union > 0 else 0.0


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _pictures(table: pd.DataFrame) -> dict[Any, list[int]]:
    """Rows by image, in order, so that the frames of a video follow one another."""
    pictures: dict[Any, list[int]] = {}
    in_table = table["pixels"].notna()
    for row, (path, frame, own) in enumerate(zip(table["path"], table["frame"], in_table, strict=True)):
        moving = not own and f".{path.rpartition('.')[2].lower()}" in SUFFIXES
        pictures.setdefault(row if own else (path, frame if moving else None), []).append(row)
    return pictures


def read_row(root: Path, row: Mapping[Any, Any]) -> Image:
    """The whole image of an index table's row, shape (H, W, 3) RGB, 0..255.

    Raises:
        UnreadableImageError: It cannot be read.
    """
    pixels: Image | None = row["pixels"]
    if pixels is None:
        return read_picture(root / row["path"], row["frame"], row["digest"])
    return np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels

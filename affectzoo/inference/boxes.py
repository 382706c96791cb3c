"""Faces that users give beside the images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from affectzoo.console import counted
from affectzoo.errors import DetectorError, OptionError
from affectzoo.faces.detect import Detection, Detector
from affectzoo.faces.preprocess import LARGEST_BOX
from affectzoo.inference.inputs import Source

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image


def with_boxes(
    sources: Sequence[Source], boxes: Iterable[Any] | None
) -> list[tuple[Source, list[Detection] | None]]:
    """Put each image's given faces beside it; a video's are those of each of its frames.

    Args:
        sources: Images and videos.
        boxes: For each a box, several, or ``None`` for the detector; by default those that are known.

    Raises:
        OptionError: Boxes that are none, or not as many as images.
    """
    if boxes is None:
        return [(source, source.faces) for source in sources]
    if not isinstance(boxes, Iterable):
        raise OptionError(f"boxes are of the type {type(boxes).__name__}; expected one entry per image")
    given = list(boxes)
    if len(sources) != len(given):
        raise OptionError(
            f"boxes are given for {counted(len(given), 'image')}, but there are {len(sources)}; give one "
            "entry per image (a box, several, or None for the detector), and no folders or patterns"
        )
    return [(s, None if b is None else _checked(b, s.name)) for s, b in zip(sources, given, strict=True)]


def _checked(given: Any, name: str) -> list[Detection]:
    """Check an image's boxes: one, or several, each x0, y0, x1, y1 in pixels."""
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(3)
    array = array.reshape(-1, 4) if array.shape == (4,) or array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4 or not np.isfinite(array).all():
        raise OptionError(
            f"boxes of {name}: {given!r}; expected x0, y0, x1, y1 in pixels, or a list of these"
        )
    return [Detection((x0, y0, x1, y1)) for x0, y0, x1, y1 in array.tolist()]


def found_by(detector: Detector, image: Image) -> list[Detection]:
    """Ask a detector, perhaps a user's own.

    Args:
        detector: What finds faces.
        image: Shape (H, W, 3), RGB, 0..255.

    Raises:
        DetectorError: What it gives are no detections, or their boxes are not four finite numbers.
    """
    found: Any = detector(image)
    name = getattr(detector, "name", type(detector).__name__)
    if not isinstance(found, Iterable) or isinstance(found, str):
        raise DetectorError(f"detector {name} gave {found!r}; expected a list of Detection")
    faces = list(found)
    for face in faces:
        if not isinstance(face, Detection):
            raise DetectorError(f"detector {name} gave {face!r}; expected Detection(box, score)")
        try:
            sound = face.box is None or (len(face.box) == 4 and bool(np.isfinite(face.box).all()))
        except TypeError:
            sound = False
        if not sound:
            raise DetectorError(
                f"detector {name} gave the box {face.box!r}; expected x0, y0, x1, y1 in pixels"
            )
    return faces


def visible_in(face: Detection, image: Image) -> bool:
    """Whether a face's box has an area inside the image."""
    if face.box is None:
        return True
    x0, y0, x1, y1 = face.box
    return x0 < x1 and y0 < y1 and x1 > 0 and y1 > 0 and x0 < image.shape[1] and y0 < image.shape[0]


def fault_of(face: Detection, image: Image) -> str | None:
    """Say why a given box is none of a face in this image, else ``None``."""
    x0, y0, x1, y1 = face.box or (0, 0, 0, 0)
    if not visible_in(face, image):
        return "the box has no area inside the image"
    if max(x1 - x0, y1 - y0) > LARGEST_BOX * max(image.shape[:2]):
        return "the box is many times larger than the image"
    return None

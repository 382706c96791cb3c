"""Cut faces out for ``affectzoo data prepare``: crop, align, encode.

- Crop: the square that ``Preprocess.region`` cuts for the given margin, shrunk to ``size`` where larger and
  never enlarged. The face's box moves along, so a model whose margin is at most that one cuts the same
  square from the crop as from the original: pixel by pixel where nothing was shrunk.
- Align: the image is turned first, by the similarity that takes five points nearest to ``FIVE_POINTS``.
  RAF-DB's aligned faces were made so, but its template was not published; this one is the zoo's own.
- Files: crops of up to 64 px are PNG, larger ones JPEG, quality 95, full color resolution; gray faces are
  gray files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from affectzoo.errors import AffectZooError
from affectzoo.faces.preprocess import Box, Preprocess

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image, Points

Align = Literal["none", "five_points"]

PNG_UP_TO = 64

FIVE_POINTS = np.array([[0.3, 0.36], [0.7, 0.36], [0.5, 0.59], [0.335, 0.82], [0.665, 0.82]])
"""Eyes' centers, nose tip, mouth corners, in edges of the aligned face's box; the viewer's left first."""


@dataclass(frozen=True)
class CropRule:
    """How crops are made.

    Attributes:
        size: Longest edge of a crop, pixels.
        margin: Share by which the crop is larger than the face box's longer edge.
        align: Whether faces are turned upright by five points first.
    """

    size: int = 256
    margin: float = 0.5
    align: Align = "none"


class AlignmentError(AffectZooError):
    """A face without the points to align by."""


def cut(
    image: Image, box: Box | None, landmarks: Points | None, rule: CropRule
) -> tuple[Image, Box | None, Points | None]:
    """Cut one face out.

    Args:
        image: The image.
        box: The face there; ``None`` for a ready crop, which is only shrunk.
        landmarks: Shape (N, 2), pixels of the image.
        rule: How.

    Returns:
        The crop, and box and landmarks in its pixels.

    Raises:
        AffectZooError: The box has no area inside the image, or the face cannot be aligned.
    """
    if rule.align == "five_points":
        image, box, landmarks = turn(image, landmarks, rule.margin)
    if box is None:
        return _shrink(image, landmarks, rule.size)
    x, y, side, _ = Preprocess(size=1, margin=rule.margin).region(image, box)
    # Python rounds halves to even numbers: an even corner keeps a model's own square on the same pixels.
    x, y, side = x - x % 2, y - y % 2, side + 1
    square, area = Preprocess(size=min(side, rule.size)), (x, y, x + side, y + side)
    scale = square.size / side
    x0, y0, x1, y1 = box
    moved = ((x0 - x) * scale, (y0 - y) * scale, (x1 - x) * scale, (y1 - y) * scale)
    points = None if landmarks is None else square.points(landmarks, image, area)
    return square.face(image, area), moved, points


def _shrink(image: Image, landmarks: Points | None, size: int) -> tuple[Image, None, Points | None]:
    """A ready crop whose longer edge is at most ``size``."""
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, size / max(height, width))
    if scale == 1:
        return image, None, landmarks
    target = max(1, round(width * scale)), max(1, round(height * scale))
    shrunk: Image = cv2.resize(image, target, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if landmarks is not None:
        scales = np.array(target) / (width, height)
        landmarks = ((landmarks + 0.5) * scales - 0.5).astype(np.float32)
    return shrunk, None, landmarks


def turn(image: Image, landmarks: Points | None, margin: float) -> tuple[Image, Box, Points]:
    """Turn an image so that a face's five points come nearest to ``FIVE_POINTS`` of its box.

    Args:
        image: The image.
        landmarks: 5 points (eyes' centers, nose tip, mouth corners) or 68, shape (N, 2).
        margin: How much beyond the box to keep.

    Returns:
        A square image of the same resolution with the face upright, its box there, and all landmarks.

    Raises:
        AlignmentError: There are neither 5 nor 68 landmarks, or they make no face.
    """
    import cv2

    marks = five_points(landmarks)
    per_pixel = float(np.linalg.norm(similarity(marks, FIVE_POINTS)[:, 0]))
    edge = 1 / per_pixel if per_pixel > 0 else np.inf
    if not 1 <= edge <= 4 * max(image.shape[:2]):
        raise AlignmentError(f"the five points make a face of {edge:.3g} pixels")
    side = round(edge * (1 + max(0.0, margin))) + 4
    start = (side - edge) / 2
    matrix = similarity(marks, FIVE_POINTS * edge + start - 0.5)
    turned: Image = cv2.warpAffine(  # type: ignore[assignment]
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    assert landmarks is not None  # five_points has seen them
    moved = (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return turned, (start, start, start + edge, start + edge), moved


def five_points(landmarks: Points | None) -> np.ndarray:
    """Eyes' centers, nose tip and mouth corners, shape (5, 2), from 5 or 68 landmarks.

    Raises:
        AlignmentError: There are neither 5 nor 68.
    """
    if landmarks is None or len(landmarks) not in (5, 68):
        count = 0 if landmarks is None else len(landmarks)
        raise AlignmentError(f"{count} landmarks, alignment takes 5 or 68")
    points = np.asarray(landmarks, np.float64)
    if len(points) == 5:
        return points
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation, scale and shift that take points nearest to others, in least squares (no mirroring).

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991; in
    two dimensions, where a rotation with scale is a complex factor, one division.

    Args:
        source: Shape (N, 2).
        target: Shape (N, 2).

    Returns:
        Shape (2, 3); zero scale when all source points are the same.
    """
    start, end = source.mean(0), target.mean(0)
    a, b = ((points - middle) @ (1, 1j) for points, middle in ((source, start), (target, end)))
    spread = np.vdot(a, a).real
    factor = np.vdot(a, b) / spread if spread > 0 else 0j
    rotation = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([rotation, end - rotation @ start])


def encode(face: Image) -> tuple[bytes, str]:
    """A crop as a file's content and ending: PNG up to 64 px, else JPEG."""
    import cv2

    if face.ndim == 3:
        grey = (face == face[..., :1]).all()
        face = face[..., 0] if grey else cv2.cvtColor(face, cv2.COLOR_RGB2BGR)  # type: ignore[assignment]
    if max(face.shape[:2]) <= PNG_UP_TO:
        suffix, how = ".png", [cv2.IMWRITE_PNG_COMPRESSION, 6]
    else:
        full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        suffix, how = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, full]
    written, content = cv2.imencode(suffix, np.ascontiguousarray(face), how)
    assert written
    return content.tobytes(), suffix

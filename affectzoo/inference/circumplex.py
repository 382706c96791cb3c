"""Valence and arousal as points on a small circumplex, in a video with the way they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from affectzoo.inference.colors import COVER, DARK, GRAY, LIGHT, color_of
from affectzoo.inference.lettering import Rect, Size, place_plates, small, text_size, tint, write
from affectzoo.inference.results import FaceResult, named, numbers

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image

TRAIL = 25
"""Points of a face's way that are shown."""


def circumplex_size(font: int) -> Size:
    """Say how large it is beside text of a size, pixels."""
    return Size(8 * font, 8 * font + 2 * small(font))


def has_point(faces: Sequence[FaceResult]) -> bool:
    """Whether valence and arousal are predicted for any of an image's faces."""
    return any(None not in (face.valence, face.arousal) for face in faces)


class Circumplex:
    """Draws faces' valence and arousal, image by image or frame by frame."""

    def __init__(self) -> None:
        self._trails: dict[int, deque[tuple[float, float]]] = {}

    def alone(self, faces: Sequence[FaceResult], font: int) -> Image:
        """Draw an image of the plane and nothing else, of ``circumplex_size(font)``."""
        width, height = circumplex_size(font)
        image = np.full((height, width, 3), DARK, np.uint8)
        self.draw(image, (0, 0, width, height), faces, font)
        return image

    def draw(self, image: Image, plane: Rect, faces: Sequence[FaceResult], font: int) -> None:
        """Draw the plane and each face's point into an image.

        Args:
            image: Shape (H, W, 3), RGB; it is changed.
            plane: Where, in pixels; of ``circumplex_size`` or of its proportions.
            faces: Those without valence and arousal are left out.
            font: The size of text beside it, pixels.
        """
        x0, y0, x1, y1 = (round(edge) for edge in plane)
        tint(image, x0, y0, x1, y1, DARK, COVER)
        line, size = max(1, font // 14), small(font)
        x, y, radius = (x0 + x1) // 2, (y0 + y1) // 2, round((x1 - x0) / 2 - 0.75 * font)
        cv2.circle(image, (x, y), radius, GRAY, line, cv2.LINE_AA)
        cv2.line(image, (x - radius, y), (x + radius, y), GRAY, line)
        cv2.line(image, (x, y - radius), (x, y + radius), GRAY, line)
        for word, top in (("arousal \u2191", y0), ("valence \u2192", y1 - round(1.25 * size))):
            write(image, word, x - text_size(word, size).width // 2, top, size, LIGHT)

        def at(point: tuple[float, float]) -> tuple[int, int]:
            return round(x + radius * point[0]), round(y - radius * point[1])

        points: dict[int, tuple[int, int]] = {}
        for face, number in zip(faces, numbers(faces), strict=True):
            if face.valence is None or face.arousal is None:
                continue
            points[number] = at((face.valence, face.arousal))
            if face.track is not None:
                trail = self._trails.setdefault(face.track, deque(maxlen=TRAIL))
                trail.append((face.valence, face.arousal))
                way = np.array([at(point) for point in trail], np.int32)
                cv2.polylines(image, [way], False, color_of(number), max(2, font // 10), cv2.LINE_AA)
        dot = max(3, font // 4)
        for number, point in points.items():
            cv2.circle(image, point, dot + line, DARK, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(image, point, dot, color_of(number), cv2.FILLED, cv2.LINE_AA)
        if named(faces):
            _write_numbers(image, points, dot + line, size, Size(x1 - x0, y1 - y0), (x0, y0))


def _write_numbers(
    image: Image, points: dict[int, tuple[int, int]], dot: int, size: int, room: Size, origin: tuple[int, int]
) -> None:
    """Write the faces' numbers beside their points, none on another one, inside the plane."""
    x0, y0 = origin
    boxes = [(x - x0 - dot, y - y0 - dot, x - x0 + dot, y - y0 + dot) for x, y in points.values()]
    sizes = [text_size(str(number), size) for number in points]
    for number, (left, top) in zip(points, place_plates(sizes, boxes, room, 0), strict=True):
        write(image, str(number), x0 + left, y0 + top, size, color_of(number))

"""Draw predictions into images and frames: readable at any size, on dark and light, with many faces."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from affectzoo.console import visible
from affectzoo.inference.lettering import Color, Rect, Size, common, place_plates, text_size, tint, write
from affectzoo.inference.results import FaceResult

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image

COLORS: tuple[Color, ...] = (
    *((255, 214, 64), (86, 196, 255), (255, 138, 101), (129, 230, 130)),
    *((240, 150, 255), (120, 255, 230), (255, 170, 200), (200, 200, 255)),
)
"""Of faces in turn, each bright, so that one dark plate suits all."""

DARK: Color = (16, 18, 22)
LIGHT: Color = (235, 237, 240)
GRAY: Color = (150, 154, 160)
COVER = 0.78
"""How much of a plate's dark shows."""

SMALL = 400
"""Images whose longer edge is shorter are enlarged to twice that, so that the text can be read."""

TEXT, LEAST_TEXT = 0.022, 12
"""Font size as a share of the image's mean edge, and at least, pixels."""

TRAIL = 25
"""Points of a face's way over the circumplex that are shown."""


class Annotator:
    """Draws the faces of an image, or of a video's frames one after the other.

    Each face has a color of its own, a frame, and a plate with what is said of it; where valence and arousal
    are predicted, they are points on a small circumplex in a corner, in a video with the way they came.
    """

    def __init__(self) -> None:
        self._trails: dict[int, deque[tuple[float, float]]] = {}
        self._corner: tuple[bool, bool] | None = None

    def __call__(self, image: Image, results: Sequence[FaceResult]) -> Image:
        """Draw an image's results.

        Args:
            image: Shape (H, W, 3), RGB; it is not changed.
            results: Of this image.

        Returns:
            Shape (H, W, 3), RGB; small images are enlarged.
        """
        longer = max(image.shape[:2])
        scale = 1.0 if longer >= SMALL else 2 * SMALL / longer
        drawn: Image = image.copy()
        if scale > 1:
            drawn = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
        room = Size(drawn.shape[1], drawn.shape[0])
        faces = [result for result in results if result.error is None]
        boxes = [_box(result, scale, room) for result in faces]
        font = _font_size(room, boxes)
        plane = self._plane(faces, boxes, room, font)
        numbers = _numbers(faces)
        for result, box, number in zip(faces, boxes, numbers, strict=True):
            if result.box is not None:
                _frame(drawn, box, _color(number), font)
        several = len(faces) > 1 or any((result.track or 1) > 1 for result in faces)
        plates = [
            _Plate(result, number, several, font) for result, number in zip(faces, numbers, strict=True)
        ]
        taken = [] if plane is None else [plane]
        corners = place_plates([plate.size for plate in plates], boxes, room, max(2, font // 4), taken)
        for plate, corner, box in zip(plates, corners, boxes, strict=True):
            plate.draw(drawn, *corner, box)
        if plane is not None:
            self._circumplex(drawn, plane, faces, several, font)
        return drawn

    def _plane(
        self, faces: Sequence[FaceResult], boxes: Sequence[Rect], room: Size, font: int
    ) -> Rect | None:
        """Choose the corner that hides the least of the faces, once in a video."""
        if not any(None not in (face.valence, face.arousal) for face in faces):
            return None
        gap = font // 2
        width, height = 7 * font, 7 * font + 2 * _small(font)
        corners = {
            (right, low): (x, y, x + width, y + height)
            for right, x in ((True, room.width - gap - width), (False, gap))
            for low, y in ((True, room.height - gap - height), (False, gap))
        }
        if self._corner is None:
            self._corner = min(corners, key=lambda key: sum(common(corners[key], box) for box in boxes))
        return corners[self._corner]

    def _circumplex(
        self, drawn: Image, plane: Rect, faces: Sequence[FaceResult], several: bool, font: int
    ) -> None:
        x0, y0, x1, y1 = (round(edge) for edge in plane)
        tint(drawn, x0, y0, x1, y1, DARK, COVER)
        center, radius = ((x0 + x1) // 2, (y0 + y1) // 2), round((x1 - x0) / 2 - font / 2)
        line, small = max(1, font // 14), _small(font)
        cv2.circle(drawn, center, radius, GRAY, line, cv2.LINE_AA)
        cv2.line(drawn, (center[0] - radius, center[1]), (center[0] + radius, center[1]), GRAY, line)
        cv2.line(drawn, (center[0], center[1] - radius), (center[0], center[1] + radius), GRAY, line)
        for word, top in (("arousal \u2191", y0), ("valence \u2192", y1 - round(1.25 * small))):
            write(drawn, word, center[0] - text_size(word, small).width // 2, top, small, LIGHT)

        def at(valence: float, arousal: float) -> tuple[int, int]:
            return round(center[0] + radius * valence), round(center[1] - radius * arousal)

        for face, number in zip(faces, _numbers(faces), strict=True):
            if face.valence is None or face.arousal is None:
                continue
            color = _color(number)
            if face.track is not None:
                trail = self._trails.setdefault(face.track, deque(maxlen=TRAIL))
                trail.append((face.valence, face.arousal))
                way = np.array([at(*point) for point in trail], np.int32)
                cv2.polylines(drawn, [way], False, color, max(2, font // 10), cv2.LINE_AA)
            point, size = at(face.valence, face.arousal), max(3, font // 4)
            cv2.circle(drawn, point, size + max(1, line), DARK, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(drawn, point, size, color, cv2.FILLED, cv2.LINE_AA)
            if several:
                write(drawn, str(number), point[0] + size + 1, point[1] - small // 2, small, color)


class _Plate:
    """What is said of a face, as lines on a dark ground, with a bar as long as the label is likely."""

    def __init__(self, result: FaceResult, number: int, several: bool, font: int) -> None:
        self._color, self._font = _color(number), font
        self._share = None if result.label is None else result.probabilities[result.label]
        self._lines = [] if self._share is None else [f"{visible(result.label or '')} {self._share:.2f}"]
        values = {"V": result.valence, "A": result.arousal}
        if told := [f"{name} {value:+.2f}" for name, value in values.items() if value is not None]:
            self._lines.append("  ".join(told))
        if several:
            self._lines[0] = f"{number}  {self._lines[0]}"
        widths = [text_size(text, font).width for text in self._lines]
        self._pad, self._line = max(2, font // 4), round(font * 1.25)
        self.size = Size(max(widths) + 2 * self._pad, self._line * len(self._lines) + 2 * self._pad)

    def draw(self, image: Image, x: int, y: int, box: Rect) -> None:
        """Draw it with its upper left corner at x, y, with a line to its face where that is apart."""
        width, height = self.size
        ends = _nearest((x, y, x + width, y + height), box)
        if math.dist(*ends) > self._font / 2:
            cv2.line(image, *ends, DARK, 3 * max(1, self._font // 12), cv2.LINE_AA)
            cv2.line(image, *ends, self._color, max(1, self._font // 12), cv2.LINE_AA)
        tint(image, x, y, x + width, y + height, DARK, COVER)
        for row, text in enumerate(self._lines):
            color = self._color if row == 0 else LIGHT
            write(image, text, x + self._pad, y + self._pad + row * self._line, self._font, color)
        if self._share is not None:
            thick = max(2, self._font // 8)
            tint(image, x, y + height - thick, x + round(width * self._share), y + height, self._color, 1)


def _box(result: FaceResult, scale: float, room: Size) -> Rect:
    x0, y0, x1, y1 = result.box or (0, 0, room.width / scale, room.height / scale)
    return x0 * scale, y0 * scale, x1 * scale, y1 * scale


def _numbers(faces: Sequence[FaceResult]) -> list[int]:
    """The faces' numbers: their tracks, or in a still their places."""
    return [place if face.track is None else face.track for place, face in enumerate(faces, 1)]


def _nearest(plate: Rect, box: Rect) -> tuple[tuple[int, int], tuple[int, int]]:
    """The points of two rectangles that are nearest to each other."""

    def along(low: float, high: float, other_low: float, other_high: float) -> tuple[int, int]:
        if high < other_low or other_high < low:
            return (round(high), round(other_low)) if high < other_low else (round(low), round(other_high))
        middle = round((max(low, other_low) + min(high, other_high)) / 2)
        return middle, middle

    across = along(plate[0], plate[2], box[0], box[2])
    down = along(plate[1], plate[3], box[1], box[3])
    return (across[0], down[0]), (across[1], down[1])


def _small(font: int) -> int:
    """The font size of what stands at points and axes."""
    return max(9, round(font * 0.7))


def _color(number: int) -> Color:
    return COLORS[(number - 1) % len(COLORS)]


def _font_size(room: Size, boxes: Sequence[Rect]) -> int:
    """Text grows with the image, and is smaller where faces are many or small."""
    size = TEXT * math.sqrt(room.width * room.height)
    if len(boxes) > 1:
        widths = sorted(x1 - x0 for x0, _, x1, _ in boxes)
        size *= min(1.0, max(0.6, widths[len(widths) // 2] / (7 * size)))
    return max(LEAST_TEXT, round(size))


def _frame(image: Image, box: Rect, color: Color, font: int) -> None:
    """Draw a face's frame: bright between dark, so that it shows on any ground."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    thick = max(2, round(font / 8))
    cv2.rectangle(image, (x0, y0), (x1, y1), DARK, thick + 2 * max(1, thick // 2))
    cv2.rectangle(image, (x0, y0), (x1, y1), color, thick)


def annotate(image: Image, results: Sequence[FaceResult]) -> Image:
    """Draw an image's results; see ``Annotator``."""
    return Annotator()(image, results)

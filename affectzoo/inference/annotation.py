"""Draw predictions into images and frames: readable at any size, on dark and light, with many faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import cv2

from affectzoo.console import visible
from affectzoo.inference.circumplex import Circumplex, circumplex_size, has_point
from affectzoo.inference.colors import COVER, DARK, GRAY, LIGHT, Color, color_of
from affectzoo.inference.lettering import Rect, Size, common, place_plates, small, text_size, tint, write
from affectzoo.inference.results import UNCERTAIN, FaceResult, named, numbers

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image

SMALL = 400
"""Images whose longer edge is shorter are enlarged to twice that, so that the text can be read."""

TEXT, LEAST_TEXT = 0.022, 12
"""Font size as a share of the image's mean edge, and at least, pixels."""

RANKED, FEW = 3, 3
"""How many classes a plate shows in an image of at most so many faces; else, and in videos, the likeliest."""

LIKELY = 0.05
"""The least probability of the further classes."""


class Annotator:
    """Draws the faces of an image, or of a video's frames one after the other.

    Each face has a color of its own, a frame, its landmarks, where they are predicted, and a plate with what
    is said of it; where valence and arousal are predicted, they are points on a small circumplex in a corner,
    in a video with the way they came.
    """

    def __init__(self, circumplex: bool = True) -> None:
        """Begin an image, or a video.

        Args:
            circumplex: Whether valence and arousal are shown on one, where they are predicted.
        """
        self._circumplex = Circumplex() if circumplex else None
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
        people = numbers(faces)
        for result, box, number in zip(faces, boxes, people, strict=True):
            if result.box is not None:
                _frame(drawn, box, color_of(number), font)
            _dots(drawn, result.landmarks, scale, color_of(number))
        ranked, several = RANKED if len(faces) <= FEW else 1, named(faces)
        plates = [
            _Plate(result, number, several, ranked, font)
            for result, number in zip(faces, people, strict=True)
        ]
        taken = [] if plane is None else [plane]
        corners = place_plates([plate.size for plate in plates], boxes, room, max(2, font // 4), taken)
        for plate, corner, box in zip(plates, corners, boxes, strict=True):
            plate.draw(drawn, *corner, box)
        if plane is not None and self._circumplex is not None:
            self._circumplex.draw(drawn, plane, faces, font)
        return drawn

    def _plane(
        self, faces: Sequence[FaceResult], boxes: Sequence[Rect], room: Size, font: int
    ) -> Rect | None:
        """Choose the corner that hides the least of the faces, once in a video."""
        if self._circumplex is None or not has_point(faces):
            return None
        gap = font // 2
        width, height = circumplex_size(font)
        corners = {
            (right, low): (x, y, x + width, y + height)
            for right, x in ((True, room.width - gap - width), (False, gap))
            for low, y in ((True, room.height - gap - height), (False, gap))
        }
        if self._corner is None:
            self._corner = min(corners, key=lambda key: sum(common(corners[key], box) for box in boxes))
        return corners[self._corner]


class _Line(NamedTuple):
    """A line of a plate, and how long the bar below it is, 0..1."""

    text: str
    size: int
    color: Color
    share: float | None = None


class _Plate:
    """What is said of a face, as lines on a dark ground, with a bar as long as each class is likely."""

    def __init__(self, result: FaceResult, number: int, several: bool, ranked: int, font: int) -> None:
        self._color, self._font = color_of(number), font
        self._bar, self._pad = max(2, font // 7), max(2, font // 4)
        ranked = 1 if result.track is not None else ranked
        likely = [name for name, share in result.ranked() if share >= LIKELY and name != result.label]
        self._lines: list[_Line] = []
        if result.label is not None:
            self._add_class(result, result.label, font, self._color)
        elif result.uncertain:
            self._lines.append(_Line(UNCERTAIN, font, self._color))
        for name in likely[: ranked - 1]:
            self._add_class(result, name, small(font), LIGHT)
        values = {"V": result.valence, "A": result.arousal}
        if told := [f"{name} {value:+.2f}" for name, value in values.items() if value is not None]:
            self._lines.append(_Line("  ".join(told), font, LIGHT if self._lines else self._color))
        if result.landmarks:
            self._lines.append(_Line(f"{len(result.landmarks)} landmarks", font, self._color))
        if several:
            self._lines[0] = self._lines[0]._replace(text=f"{number}  {self._lines[0].text}")
        widths = [text_size(line.text, line.size).width for line in self._lines]
        heights = [self._height(line) for line in self._lines]
        self.size = Size(max(widths) + 2 * self._pad, sum(heights) + 2 * self._pad)

    def _add_class(self, result: FaceResult, name: str, size: int, color: Color) -> None:
        share = result.probabilities[name]
        self._lines.append(_Line(f"{visible(name)} {share:.2f}", size, color, share))

    def _height(self, line: _Line) -> int:
        return round(1.25 * line.size) + (0 if line.share is None else 3 * self._bar)

    def draw(self, image: Image, x: int, y: int, box: Rect) -> None:
        """Draw it with its upper left corner at x, y, with a line to its face where that is apart."""
        width, height = self.size
        ends = _nearest((x, y, x + width, y + height), box)
        if math.dist(*ends) > self._font / 2:
            cv2.line(image, *ends, DARK, 3 * max(1, self._font // 12), cv2.LINE_AA)
            cv2.line(image, *ends, self._color, max(1, self._font // 12), cv2.LINE_AA)
        tint(image, x, y, x + width, y + height, DARK, COVER)
        left, right, top = x + self._pad, x + width - self._pad, y + self._pad
        for line in self._lines:
            write(image, line.text, left, top, line.size, line.color)
            top += self._height(line)
            if line.share is not None:
                low = top - 2 * self._bar
                tint(image, left, low - self._bar, right, low, GRAY, 0.4)
                end = left + round((right - left) * line.share)
                tint(image, left, low - self._bar, end, low, self._color, 1)


def _box(result: FaceResult, scale: float, room: Size) -> Rect:
    x0, y0, x1, y1 = result.box or (0, 0, room.width / scale, room.height / scale)
    return x0 * scale, y0 * scale, x1 * scale, y1 * scale


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


def _dots(image: Image, points: Sequence[tuple[float, float]], scale: float, color: Color) -> None:
    """Draw landmarks as dots that grow with the face: bright between dark."""
    if not points:
        return
    wide = max(x for x, _ in points) - min(x for x, _ in points)
    radius = max(1, round(scale * wide / 100))
    places = [(round((x + 0.5) * scale - 0.5), round((y + 0.5) * scale - 0.5)) for x, y in points]
    for size, tone in ((radius + 1, DARK), (radius, color)):
        for place in places:
            cv2.circle(image, place, size, tone, cv2.FILLED, cv2.LINE_AA)


def annotate(image: Image, results: Sequence[FaceResult]) -> Image:
    """Draw an image's results; see ``Annotator``."""
    return Annotator()(image, results)

"""Contact sheets: many images on one, each small, with its faces' predictions below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from affectzoo.console import counted, visible
from affectzoo.files.writing import write_bytes
from affectzoo.inference.colors import DARK, GRAY, LIGHT, Color, color_of
from affectzoo.inference.lettering import text_size, write
from affectzoo.inference.results import FaceResult

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image

WIDTH, HEIGHT = 288, 216
"""The largest thumbnail, pixels."""

GAP, TEXT, LINE = 12, 15, 20
"""Pixels between the cells, of the text, and from line to line."""

FACES = 3
"""How many faces are told below an image."""

COLUMNS, CELLS = 6, 60
"""How many images stand in a row, and on a sheet, at most."""


class ContactSheet:
    """Collects images as small ones, and writes a sheet each time that one is full."""

    def __init__(self, path: Path) -> None:
        """Say where it goes.

        Args:
            path: A ``.jpg`` file; further sheets are ``<name>-2.jpg`` and so on.
        """
        self._path = path
        self._sheets = 0
        self._cells: list[Image] = []

    def add(self, name: str, image: Image | None, results: Sequence[FaceResult]) -> None:
        """Add an image.

        Args:
            name: The file.
            image: Shape (H, W, 3), RGB; ``None`` for one that cannot be read.
            results: Its results.

        Raises:
            OutputError: A sheet is full and cannot be written.
        """
        self._cells.append(_cell(name, image, results))
        if len(self._cells) == CELLS:
            self.finish()

    def finish(self) -> None:
        """Write what was added since the last sheet.

        Raises:
            OutputError: It cannot be written.
        """
        if not self._cells:
            return
        self._sheets += 1
        path = self._path
        if self._sheets > 1:
            path = path.with_name(f"{path.stem}-{self._sheets}{path.suffix}")
        sheet = cv2.cvtColor(_sheet(self._cells), cv2.COLOR_RGB2BGR)
        self._cells = []
        write_bytes(path, cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def _sheet(cells: Sequence[Image]) -> Image:
    columns = min(COLUMNS, math.ceil(math.sqrt(len(cells) * 1.3)))
    rows = math.ceil(len(cells) / columns)
    tall, wide = max(len(cell) for cell in cells), WIDTH
    sheet = _dark(GAP + rows * (tall + GAP), GAP + columns * (wide + GAP))
    for place, cell in enumerate(cells):
        y, x = (
            GAP + step * (size + GAP) for step, size in zip(divmod(place, columns), (tall, wide), strict=True)
        )
        sheet[y : y + len(cell), x : x + wide] = cell
    return sheet


def _cell(name: str, image: Image | None, results: Sequence[FaceResult]) -> Image:
    cell = _dark(_height(1 + FACES), WIDTH)
    faces = [result for result in results if result.error is None]
    if image is not None:
        scale = min(WIDTH / image.shape[1], HEIGHT / image.shape[0])
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        thumbnail = cv2.resize(image, size, interpolation=way)
        for number, face in enumerate(faces, 1):
            if face.box is not None:
                x0, y0, x1, y1 = (round(edge * scale) for edge in face.box)
                cv2.rectangle(thumbnail, (x0, y0), (x1, y1), DARK, 4)
                cv2.rectangle(thumbnail, (x0, y0), (x1, y1), color_of(number), 2)
        y, x = (HEIGHT - size[1]) // 2, (WIDTH - size[0]) // 2
        cell[y : y + size[1], x : x + size[0]] = thumbnail
    lines: list[tuple[str, Color]] = [(_fitted(visible(Path(name).name)), LIGHT)]
    several = len(faces) > 1
    shown = FACES if len(faces) <= FACES else FACES - 1
    for number, face in enumerate(faces[:shown], 1):
        told = "  ".join(face.told()).replace("valence", "V").replace("arousal", "A")
        lines.append((_fitted(f"{number}  {told}" if several else told), color_of(number)))
    if len(faces) > shown:
        lines.append((f"and {counted(len(faces) - shown, 'face')} more", GRAY))
    if not faces:
        errors = [result.error for result in results if result.error is not None]
        why = visible("".join(errors[:1]).replace(f"{name}: ", ""))
        lines += [(line, GRAY) for line in _wrapped(why)]
    for row, (text, color) in enumerate(lines):
        write(cell, text, 0, HEIGHT + LINE // 4 + row * LINE, TEXT, color)
    return cell[: _height(len(lines))]


def _height(lines: int) -> int:
    return HEIGHT + LINE // 4 + lines * LINE


def _wrapped(text: str) -> list[str]:
    """Break text between words into lines as wide as a cell; the last of ``FACES`` lines is shortened."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and (text_size(longer, TEXT).width <= WIDTH or len(lines) == FACES):
            lines[-1] = longer
        else:
            lines.append(word)
    return [_fitted(line) for line in lines]


def _fitted(text: str) -> str:
    """Shorten text that is wider than a cell, in its middle, where names differ least."""
    if text_size(text, TEXT).width <= WIDTH:
        return text
    kept = len(text) - 1
    while kept > 2 and text_size(shortened := _without_middle(text, kept), TEXT).width > WIDTH:
        kept -= 1
    return shortened


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"


def _dark(height: int, width: int) -> Image:
    return np.full((height, width, 3), DARK, np.uint8)

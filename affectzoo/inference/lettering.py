"""Text for drawings: any alphabet that DejaVu has, at any size, and where its plates go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from affectzoo.inference.colors import Color

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image

Rect = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    """DejaVu as Matplotlib brings it, without loading Matplotlib; else Pillow's own."""
    from PIL import ImageFont

    found = find_spec("matplotlib")
    for place in () if found is None else found.submodule_search_locations or ():
        file = Path(place) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


@lru_cache(maxsize=512)
def _mask(text: str, size: int) -> npt.NDArray[np.float32]:
    """How much of each pixel the text covers, 0..1; as high as a line, shape (H, W)."""
    from PIL import Image, ImageDraw

    font = _font(size)
    canvas = Image.new("L", (max(1, round(font.getlength(text))) + 2, round(size * 1.25)))
    ImageDraw.Draw(canvas).text((1, 0), text, font=font, fill=255)
    return np.asarray(canvas).astype(np.float32) / np.float32(255)


def text_size(text: str, size: int) -> Size:
    """Say how large a line of text is; ``size`` is the font's, pixels."""
    height, width = _mask(text, size).shape
    return Size(width, height)


def small(font: int) -> int:
    """Return the size of text that matters less than text of a size, pixels."""
    return max(9, round(font * 0.7))


def write(image: Image, text: str, x: int, y: int, size: int, color: Color) -> None:
    """Write a line of text into an image, its upper left corner at x, y; what leaves the image is cut off."""
    mask = _mask(text, size)
    top, left = max(0, -y), max(0, -x)
    part = image[max(0, y) : y + mask.shape[0], max(0, x) : x + mask.shape[1]]
    cover = mask[top : top + part.shape[0], left : left + part.shape[1], None]
    if part.size:
        part[:] = np.rint(part * (1 - cover) + np.array(color, np.float32) * cover)


def tint(image: Image, x0: int, y0: int, x1: int, y1: int, color: Color, share: float) -> None:
    """Lay a color over a rectangle of an image; ``share`` is how much of it shows, 0..1."""
    part = image[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    if part.size:
        part[:] = np.rint(part * (1 - share) + np.array(color, np.float32) * share)


def place_plates(
    sizes: Sequence[Size], boxes: Sequence[Rect], room: Size, gap: int, taken: Sequence[Rect] = ()
) -> list[tuple[int, int]]:
    """Find a place for each face's plate of text: near its face, on no other plate, on few faces.

    Args:
        sizes: Of the plates.
        boxes: Of the faces.
        room: Of the image.
        gap: Pixels between a plate and its face.
        taken: Where none may be.

    Returns:
        The upper left corner of each plate, inside the image.
    """
    placed: list[Rect] = list(taken)
    corners = []
    for number, (size, box) in enumerate(zip(sizes, boxes, strict=True)):
        others = [other for place, other in enumerate(boxes) if place != number]
        best = _best(size, box, others, placed, room, gap)
        placed.append((*best, best[0] + size.width, best[1] + size.height))
        corners.append(best)
    return corners


def _best(
    size: Size, box: Rect, others: Sequence[Rect], placed: Sequence[Rect], room: Size, gap: int
) -> tuple[int, int]:
    area = size.width * size.height

    def cost(candidate: tuple[int, tuple[int, int]]) -> float:
        rank, corner = candidate
        plate = (*corner, corner[0] + size.width, corner[1] + size.height)
        hidden = sum(common(plate, other) for other in others) / area
        clash = sum(common(plate, other) for other in placed) / area
        own, apart = common(plate, box) / area, _apart(plate, box) / size.height
        return 100 * clash + 12 * hidden + 4 * own + apart / 4 + rank / 50  # in a video it seldom jumps

    return min(enumerate(_candidates(size, box, room, gap)), key=cost)[1]


def _candidates(size: Size, box: Rect, room: Size, gap: int) -> list[tuple[int, int]]:
    """Places around a face, the best first, then further up and down."""
    x0, y0, x1, y1 = box
    width, height = size
    above, below = y0 - gap - height, y1 + gap
    lefts = [x0, x1 - width, (x0 + x1 - width) / 2]
    found = [(x, y) for y in (above, below) for x in lefts]
    found += [(x, y) for x in (x1 + gap, x0 - gap - width) for y in (y0, y1 - height, (y0 + y1 - height) / 2)]
    found += [(x0 + gap, y0 + gap), (x0 + gap, y1 - gap - height)]
    step = height + gap
    aside = (*lefts, x1 + gap, x0 - gap - width)
    for turn in range(1, 9):
        found += [(x, y) for x in aside for y in (above - turn * step, below + turn * step)]
    right, low = max(0, room.width - width), max(0, room.height - height)
    return [(round(min(max(0.0, x), right)), round(min(max(0.0, y), low))) for x, y in found]


def common(one: Rect, other: Rect) -> float:
    """Pixels that two rectangles have in common."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _apart(one: Rect, other: Rect) -> float:
    """Pixels between two rectangles, across and down together."""
    across = max(one[0] - other[2], other[0] - one[2], 0.0)
    return across + max(one[1] - other[3], other[1] - one[3], 0.0)

"""Faces made worse, as bad cameras, light, hands and crops make them: how much a model loses by it.

Every face is first brought to 48 pixels, those of FER+, whose faces are 48 pixels. Strengths are in pixels of
these; of what was around the face's box, a quarter of its edge stays on each side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd

from affectzoo.benchmark.detection import read_row
from affectzoo.errors import AffectZooError
from affectzoo.faces.preprocess import Preprocess

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.faces.preprocess import Image

EDGE = 48
"""Height and width of a face, pixels."""
_AROUND = Preprocess(size=EDGE * 3 // 2, margin=0.5)
_BOX = (EDGE / 4, EDGE / 4, 1.25 * EDGE, 1.25 * EDGE)
"""Where the face is in what ``_AROUND`` cuts out."""


@dataclass(frozen=True)
class Damage:
    """One way to make an image of a face worse.

    Attributes:
        change: From an image, shape (H, W, 3), 0..255, to one of the same shape; also takes a generator.
        turn: Degrees by which image and landmarks are turned about the center.
        scale: Factor by which they grow.
        shift: Share of the face by which they go to the right and down.
    """

    change: Callable[[Image, np.random.Generator], Image] = lambda image, random: image
    turn: float = 0.0
    scale: float = 1.0
    shift: float = 0.0

    def matrix(self, image: Image) -> np.ndarray:
        """Where the image's points go, shape (2, 3)."""
        height, width = image.shape[:2]
        center = ((width - 1) / 2, (height - 1) / 2)
        moved = np.asarray(cv2.getRotationMatrix2D(center, self.turn, self.scale), np.float64)
        moved[:, 2] += self.shift * EDGE
        return moved


def _blur(sigma: float) -> Damage:
    return Damage(lambda image, random: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8))


def _noise(deviation: float) -> Damage:
    def change(image: Image, random: np.random.Generator) -> Image:
        noisy = image + random.normal(0, deviation, image.shape[:2])[..., None]
        return noisy.round().clip(0, 255).astype(np.uint8)

    return Damage(change)


def _jpeg(quality: int) -> Damage:
    def change(image: Image, random: np.random.Generator) -> Image:
        _, stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(stored, cv2.IMREAD_COLOR)  # type: ignore[return-value]

    return Damage(change)


def _pixels(edge: int) -> Damage:
    def change(image: Image, random: np.random.Generator) -> Image:
        height, width = image.shape[:2]
        small = cv2.resize(image, (width * edge // EDGE, height * edge // EDGE), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height))  # type: ignore[return-value]

    return Damage(change)


def _light(red: float, green: float, blue: float) -> Damage:
    return Damage(
        lambda image, random: (image * (red, green, blue)).round().clip(0, 255).astype(np.uint8),
    )


def _cover(top: int, bottom: int, left: int, right: int) -> Damage:
    """Gray over rows and columns of the face, which is in the middle of the image."""

    def change(image: Image, random: np.random.Generator) -> Image:
        image = image.copy()
        row, column = ((edge - EDGE) // 2 for edge in image.shape[:2])
        image[row + top : row + bottom, column + left : column + right] = 128
        return image

    return Damage(change)


DAMAGES: Mapping[str, Damage] = MappingProxyType(
    {
        "none": Damage(),
        "JPEG, quality 30": _jpeg(30),
        "24 pixels": _pixels(24),
        "16 pixels": _pixels(16),
        "blur, 1 px": _blur(1),
        "blur, 1.5 px": _blur(1.5),
        "noise, 8 levels": _noise(8),
        "noise, 15 levels": _noise(15),
        "half as bright": _light(0.5, 0.5, 0.5),
        "1.5 times as bright": _light(1.5, 1.5, 1.5),
        "tinted red": _light(1.15, 1, 0.8),
        "eyes covered": _cover(10, 22, 4, 44),
        "mouth covered": _cover(31, 45, 12, 36),
        "turned by 15 degrees": Damage(turn=15),
        "turned by 30 degrees": Damage(turn=30),
        "crop 15 % larger": Damage(scale=1 / 1.15),
        "crop 15 % smaller": Damage(scale=1.15),
        "crop shifted by 8 %": Damage(shift=0.08),
    }
)
"""By what a table calls them. Eyes and mouth are where FER+'s crops have them. Pixel noise is gray."""


def damaged(index: FaceIndex) -> Iterator[tuple[str, FaceIndex]]:
    """An index's faces under each damage, one after the other.

    Args:
        index: Faces of one part; what cannot be read stays as it is.

    Yields:
        The damage's name, and an index whose images are in memory. The same damage is the same in every call.
    """
    faces = [_brought(index, row) for row in index.table.to_dict("records")]
    for name, damage in DAMAGES.items():
        columns: dict[str, list[object]] = {"pixels": [], "box": [], "landmarks": []}
        for number, (image, box, landmarks) in enumerate(faces):
            if image is not None:
                image, landmarks = _apply(damage, image, landmarks, np.random.default_rng(number))
            for column, value in zip(columns, (image, box, landmarks), strict=True):
                columns[column].append(value)
        table = index.table.assign(
            **{
                column: pd.Series(values, index.table.index, dtype=object)
                for column, values in columns.items()
            }
        )
        yield name, replace(index, table=table)


def _brought(index: FaceIndex, row: Mapping[Any, Any]) -> tuple[Image | None, object, np.ndarray | None]:
    """A face of 48 pixels with what is around it, its box and landmarks; no image where it is unreadable."""
    box, landmarks = row["box"], row["landmarks"]
    try:
        image = read_row(index.root, row)
        cut = _AROUND if box is not None else Preprocess(size=EDGE)
        pixels = cut.face(image, box)
    except AffectZooError:
        return None, box, landmarks
    moved = None if landmarks is None else cut.points(landmarks, image, box)
    return pixels, None if box is None else _BOX, moved


def _apply(
    damage: Damage, image: Image, landmarks: np.ndarray | None, random: np.random.Generator
) -> tuple[Image, np.ndarray | None]:
    changed = damage.change(image, random)
    if (damage.turn, damage.scale, damage.shift) == (0, 1, 0):
        return changed, landmarks
    matrix = damage.matrix(image)
    moved = (
        None if landmarks is None else (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(landmarks.dtype)
    )
    turned = cv2.warpAffine(changed, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return turned, moved  # type: ignore[return-value]

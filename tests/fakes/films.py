"""Videos of squares that move, and what finds the squares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from affectzoo.faces.detect import Detection

TICKS = 90_000


def write_film(
    path: Path, images: Iterable[np.ndarray], times: Sequence[float] | None = None, codec: str = "libx264"
) -> Path:
    """Write a video of RGB images, by default 25 a second."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        stream: Any = film.add_stream(codec, rate=25, options={"g": "12"})
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if times is not None:
            stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS)
        for number, image in enumerate(images):
            if not number:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * TICKS), Fraction(1, TICKS)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path


def turn(path: Path, a: int = 0, b: int = 1, c: int = -1, d: int = 0) -> None:
    """Have an MP4 shown turned, by default clockwise by a quarter, as telephones do: by its matrix alone."""
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 4 + 4 + 20 + 8 + 8
    matrix = [a, b, 0, c, d, 0, 0, 0, 1 << 14]
    data[place : place + 36] = b"".join((value << 16).to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(data)


def squares(*places: tuple[int, int], size: int = 24, shape: tuple[int, int] = (96, 160)) -> np.ndarray:
    """Draw an image with bright squares at x, y on a dark ground."""
    image = np.full((*shape, 3), 20, np.uint8)
    for x, y in places:
        image[max(0, y) : y + size, max(0, x) : x + size] = (200, 210, 190)
    return image


class Squares:
    """A detector of bright squares."""

    name = "squares"

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Find them, from left to right."""
        _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 1] > 110).astype(np.uint8))
        found = sorted((int(x), int(y), int(w), int(h)) for x, y, w, h, area in stats[1:] if area > 30)
        return [Detection((float(x), float(y), float(x + w), float(y + h)), 0.9) for x, y, w, h in found]

"""Write a video frame by frame, whole or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from affectzoo.files.video_frames import load_av
from affectzoo.files.writing import writing

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image

TICKS = 90_000
"""Parts of a second in which times are written."""


class VideoWriter:
    """An MP4 (H.264) in the making: it is there once it is closed without error."""

    def __init__(self, path: Path) -> None:
        """Begin it.

        Args:
            path: The ``.mp4`` file; its folder is made.

        Raises:
            OutputError: It cannot be written.
            MissingPackageError: PyAV is not installed.
        """
        av = load_av()
        self._stack = ExitStack()
        part = self._stack.enter_context(writing(path))
        self._container: Any = self._stack.enter_context(av.open(f"file:{part}", "w", format="mp4"))
        self._frame = av.VideoFrame
        self._stream: Any = None
        self._last = -1

    def add(self, image: Image, time: float) -> None:
        """Add a frame.

        Args:
            image: Shape (H, W, 3), RGB, 0..255; brought to the first one's size.
            time: Seconds from the first one; later than the frame before.
        """
        if self._stream is None:
            self._begin(*image.shape[:2])
        height, width = self._stream.height, self._stream.width
        if image.shape[:2] != (height, width):
            image = _fitted(image, height, width)
        frame = self._frame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        self._last = max(self._last + 1, round(time * TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))

    def _begin(self, height: int, width: int) -> None:
        options = {"crf": "20", "preset": "veryfast"}
        self._stream = self._container.add_stream("libx264", rate=30, options=options)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = self._stream.time_base = Fraction(1, TICKS)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._stream is not None:
            self._container.mux(self._stream.encode())
        self._stack.__exit__(kind, error, trace)


def _fitted(image: Image, height: int, width: int) -> Image:
    """Bring a frame to the video's size, which is even: one row or column is repeated, else it is resized."""
    import cv2

    below, right = height - image.shape[0], width - image.shape[1]
    if 0 <= below <= 1 and 0 <= right <= 1:
        return np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

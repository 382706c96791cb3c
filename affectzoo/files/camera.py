"""Frames of a camera, as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from affectzoo.errors import CameraError

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image

TRIES, PAUSE = 20, 0.05
"""How many times in a row a frame may be missing, as when a camera starts, and the seconds between."""


class Camera:
    """An open camera; going through it takes frames until it is closed (``contextlib.closing``)."""

    def __init__(self, number: int = 0) -> None:
        """Open it.

        Args:
            number: Which one, from 0.

        Raises:
            CameraError: It cannot be opened.
        """
        import cv2

        self.number = number
        self._capture: Any = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise CameraError(
                f"camera {number} cannot be opened; see whether it is connected, whether another program "
                "uses it, and whether this one may (the system's settings); --camera 1 is the next one"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest frame, not one that waited

    def __iter__(self) -> Iterator[Image]:
        """Take frames, shape (H, W, 3), RGB, 0..255.

        Raises:
            CameraError: It gives no more.
        """
        import cv2

        missing = 0
        while self._capture is not None:
            read, frame = self._capture.read()
            if read and frame is not None:
                missing = 0
                image: Image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                yield image
                continue
            missing += 1
            if missing >= TRIES:
                raise CameraError(f"camera {self.number} gives no more frames; see whether it is connected")
            time.sleep(PAUSE)

    def close(self) -> None:
        """Give the camera back."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

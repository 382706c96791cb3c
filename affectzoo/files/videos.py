"""Reading videos frame by frame."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.console import counted
from affectzoo.errors import UnreadableImageError
from affectzoo.files.images import read_image

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov"),
        *("mp4", "mpeg", "mpg", "mts", "ogv", "webm", "wmv"),
    )
)
"""File name endings taken for videos, lower case."""


class Video:
    """An open video; frames that follow one another are read without seeking."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Args:
            path: The file.

        Raises:
            UnreadableImageError: It is missing or no video.
        """
        import cv2

        self.path = path
        if not path.is_file():
            raise UnreadableImageError(f"{path}: no such file")
        try:
            str(path).encode()
        except UnicodeEncodeError:  # at which OpenCV would crash
            raise UnreadableImageError(
                f"{path}: OpenCV opens no video whose path is not UTF-8: rename it"
            ) from None
        self._capture: Any = cv2.VideoCapture(str(path.absolute()))  # a:b is no protocol
        self._next = 0
        if not self._capture.isOpened():
            raise UnreadableImageError(f"{path}: no video, or one that OpenCV cannot decode")

    @property
    def frames(self) -> int:
        """Number of frames that the file declares; damaged ones hold fewer."""
        import cv2

        return max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    @property
    def rate(self) -> float:
        """Frames per second; 0 where the file does not say."""
        import cv2

        return float(self._capture.get(cv2.CAP_PROP_FPS))

    def read(self, number: int) -> Image:
        """One frame, RGB.

        Args:
            number: From 0 on.

        Returns:
            Shape (H, W, 3), RGB, 0..255.

        Raises:
            UnreadableImageError: The video ends before it, or the frame is damaged.
        """
        import cv2

        if not self._next <= number < self._next + 32:  # near ahead, decoding on is exact and faster
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            self._next = number
        while self._next < number and self._capture.grab():
            self._next += 1
        read, frame = self._capture.read()
        if not read or self._next != number:
            self._next = -1000  # wherever it stands now: seek next time
            raise UnreadableImageError(
                f"{self.path}, frame {number}: cannot be read ({counted(self.frames, 'frame')})"
            )
        self._next = number + 1
        image: Image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        return image


@lru_cache(maxsize=4)
def open_video(path: Path) -> Video:
    """A video, kept open with the last few of this process, as clips are read in order."""
    return Video(path)


def read_picture(path: Path, frame: int | None = None, digest: str | None = None) -> Image:
    """An image, or one frame of a video, RGB.

    Args:
        path: An image's file, or a video's, known by its ending.
        frame: Which frame of a video, from 0 on.
        digest: Of an image's file, see ``images.read_image``.

    Raises:
        UnreadableImageError: It cannot be read.
    """
    if path.suffix.lower() not in SUFFIXES:
        return read_image(path, digest)
    return open_video(path).read(frame or 0)

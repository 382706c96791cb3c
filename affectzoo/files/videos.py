"""Reading videos frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affectzoo.console import counted
from affectzoo.errors import UnreadableImageError
from affectzoo.files.images import read_image

if TYPE_CHECKING:
    import numpy.typing as npt

    from affectzoo.faces.preprocess import Image

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov"),
        *("mp4", "mpeg", "mpg", "mts", "ogv", "webm", "wmv"),
    )
)
"""File name endings taken for videos, lower case."""

NEAR = 32
"""Frames ahead that are decoded on to, which is faster than to seek."""

CUT_SECONDS, CUT_SHARE = 0.5, 0.01
"""A video that ends earlier than it declares, by more than both, is cut off: seconds, share of its length."""

LOST = -NEAR
"""The next frame of a video that stands nobody knows where."""


class Video:
    """An open video; frames that follow one another are read without seeking."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Args:
            path: The file.

        Raises:
            UnreadableImageError: It is missing or no video.
        """
        self.path = path
        if not path.is_file():
            raise UnreadableImageError(f"{path}: no such file")
        try:
            str(path).encode()
        except UnicodeEncodeError:  # at which OpenCV would crash
            raise UnreadableImageError(
                f"{path}: OpenCV opens no video whose path is not UTF-8: rename it"
            ) from None
        self._capture = _captured(path)
        self._next = 0
        if not self._capture.isOpened():
            raise UnreadableImageError(f"{path}: no video, or one that OpenCV cannot decode")

    @property
    def frames(self) -> int:
        """Number of frames; of a file that is cut off as many as it declares, where it declares any."""
        import cv2

        declared = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        if _form(self.path) is not None:
            return declared
        held = _packets(self.path)  # of others what is declared is a guess by length and rate
        if len(held) == 0:
            return declared
        length = declared / self.rate if self.rate else 0.0
        cut_off = length - held[-1] / 1000 > max(CUT_SECONDS, CUT_SHARE * length)
        return max(declared, len(held)) if cut_off else len(held)

    @property
    def rate(self) -> float:
        """Frames per second, their mean where that varies; 0 where the file does not say."""
        import cv2

        return float(self._capture.get(cv2.CAP_PROP_FPS))

    @property
    def times(self) -> npt.NDArray[np.float64] | None:
        """Seconds from the first frame to each, shape (N,); ``None`` where the file says a rate alone."""
        known = np.empty(0) if _form(self.path) == "avi" else _times(self.path)
        return (known - known[0]) / 1000 if len(known) else None

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

        if not self._next <= number < self._next + NEAR:
            self._go_to(number)
        while self._next <= number and self._capture.grab():
            self._next += 1
        frame: Any = None
        read = False
        if self._next == number + 1:
            read, frame = self._capture.retrieve()
        if not read:
            self._next = LOST
            raise UnreadableImageError(
                f"{self.path}, frame {number}: cannot be read ({counted(self.frames, 'frame')})"
            )
        image: Image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        return image

    def _go_to(self, number: int) -> None:
        """Grab a frame, or one before it from which decoding on leads there.

        OpenCV's own seeking errs where rates vary, and in files without an index, such as MPEG streams: it is
        taken at its word only where the time of the frame that it found tells which one that is.
        """
        import cv2

        if number >= NEAR and self._capture.set(cv2.CAP_PROP_POS_FRAMES, number) and self._capture.grab():
            place = _place(self._capture.get(cv2.CAP_PROP_POS_MSEC), _times(self.path))
            if place is not None and place <= number:
                self._next = place + 1
                return
        self._capture = _captured(self.path)
        self._next = 0


def _captured(path: Path) -> Any:
    import cv2

    return cv2.VideoCapture(str(path.absolute()))  # a:b is no protocol


def _form(path: Path) -> str | None:
    """``avi`` or ``mp4``, whose files list their frames, at one rate in AVI; ``None`` for all others."""
    with path.open("rb") as file:
        head = file.read(8)
    boxes = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
    return "avi" if head[:4] == b"RIFF" else "mp4" if head[4:] in boxes else None


@lru_cache(maxsize=512)
def _packets(path: Path) -> npt.NDArray[np.float64]:
    """Milliseconds of a video's packets, one for each frame, in rising order; they are not decoded."""
    import cv2

    packets = _captured(path)
    told = packets.set(cv2.CAP_PROP_FORMAT, -1)
    return np.sort(np.fromiter(_grabbed(packets) if told else (), np.float64))


@lru_cache(maxsize=512)
def _times(path: Path) -> npt.NDArray[np.float64]:
    """Milliseconds at which a video shows its frames, from its packets.

    None where these do not say, or the first frames have other times than their packets, as in AVI files
    whose frames are not in the order of their packets.
    """
    times = _packets(path)
    first = np.array(list(islice(_grabbed(_captured(path)), NEAR)))
    told = (np.diff(times) > 0).all() and np.array_equal(first, times[: len(first)])
    return times if told else np.empty(0)


def _grabbed(capture: Any) -> Iterator[float]:
    import cv2

    while capture.grab():
        yield capture.get(cv2.CAP_PROP_POS_MSEC)


def _place(time: float, times: npt.NDArray[np.float64]) -> int | None:
    """The number of the frame that is shown at a time; ``None`` where none is."""
    if len(times) == 0:
        return None
    place = int(np.abs(times - time).argmin())
    gap = np.diff(times[max(0, place - 1) : place + 2]).min(initial=np.inf)
    return place if abs(times[place] - time) < gap / 4 else None


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

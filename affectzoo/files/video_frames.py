"""Decode a video from its first frame to its last: upright, with true times, and as far as it can be read.

PyAV decodes (``pip install "affectzoo[video]"``); ``files.videos`` has the single frames of data sets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from affectzoo.console import counted
from affectzoo.errors import OptionError, UnreadableImageError
from affectzoo.files.decoding import PIXELS
from affectzoo.files.folders import obstacle, pointer
from affectzoo.files.videos import CUT_SECONDS, CUT_SHARE
from affectzoo.packages import need

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image

SHOWN = 0.5
"""A video that shows less than this share of the frames that its index lists is damaged; edits hide some."""

RATE = 25.0
"""Frames per second where neither frames nor file say any."""


class VideoFrame(NamedTuple):
    """A decoded frame.

    Attributes:
        number: Its place in the video, from 0.
        time: Seconds from the video's first frame.
        image: Shape (H, W, 3), RGB, 0..255, as players show it.
    """

    number: int
    time: float
    image: Image


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are taken.

    Attributes:
        every: One in so many, the first included.
        fps: The first frame of each 1/fps seconds, by the frames' times, instead of ``every``.
    """

    every: int = 1
    fps: float | None = None

    def __post_init__(self) -> None:
        """Refuse what takes no frame."""
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise OptionError(f"every is {self.every!r}; expected a whole number from 1")
        check_rate(self.fps)
        if self.fps is not None and self.every != 1:
            raise OptionError("every and fps both say which frames to take; give one of them")

    def slot(self, number: int, time: float) -> int | None:
        """Say for which place among the taken frames one stands; the first of each place is taken."""
        if self.fps is not None:
            return math.floor(time * self.fps + 1e-3)
        return None if number % self.every else number // self.every


def check_rate(fps: float | None) -> None:
    """Refuse frames per second that are none.

    Raises:
        OptionError: They are neither ``None`` nor a number above 0.
    """
    if fps is not None and (isinstance(fps, bool) or not isinstance(fps, Real) or not 0 < fps < math.inf):
        raise OptionError(f"fps is {fps!r}; expected frames per second, above 0")


class VideoFrames:
    """A video's frames in the order in which they are shown, to be gone through once.

    Attributes:
        path: The file.
        damage: After the last frame: what of the video could not be read; ``None`` where all was.
    """

    def __init__(self, path: Path, sampling: Sampling = Sampling()) -> None:
        """Open it.

        Args:
            path: The file.
            sampling: Which frames to take.

        Raises:
            UnreadableImageError: It is missing, no video, or damaged so that nothing of it can be read.
            MissingPackageError: PyAV is not installed.
        """
        av = load_av()
        self.path = path
        self.damage: str | None = None
        self._sampling = sampling
        self._errors: type[Exception] = av.FFmpegError
        self._damaged = 0
        if (reason := obstacle(path) or pointer(path)) is not None:
            raise UnreadableImageError(f"{path}: {reason}")
        try:
            self._container: Any = av.open(f"file:{path}", metadata_errors="ignore")  # a:b is no protocol
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UnreadableImageError(f"{path}: {_why_closed(path, error)}") from None
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:
            self.close()
            told = "it holds no video that can be decoded" if streams else "it holds sound, but no video"
            raise UnreadableImageError(f"{path}: {told}")
        self._stream: Any = streams[0]
        self._stream.thread_type = "AUTO"

    @property
    def rate(self) -> float:
        """Frames per second that the file declares; ``RATE`` where it does not."""
        return float(self._stream.average_rate or self._stream.guessed_rate or RATE)

    @property
    def duration(self) -> float | None:
        """Seconds that the file declares, from the first frame's beginning to the last one's end."""
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        if (told := _seconds(self._stream.metadata.get("DURATION"))) is not None:
            return told
        alone = len(self._container.streams) == 1 and self._container.duration is not None
        return self._container.duration / 1e6 if alone else None

    @property
    def total(self) -> int | None:
        """How many frames will be taken, about, as the file declares; ``None`` where it does not."""
        frames = self._stream.frames or round((self.duration or 0) * self.rate)
        if not frames:
            return None
        if self._sampling.fps is not None:
            return min(frames, max(1, round(frames / self.rate * self._sampling.fps)))
        return math.ceil(frames / self._sampling.every)

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode; then ``damage`` is known."""
        number, last, end, start = -1, None, 0.0, None
        try:
            for number, frame in enumerate(self._decoded()):
                time = frame.time if frame.time is not None else (start or 0.0) + end
                start = time if start is None else start
                time = max(0.0, float(time - start))
                end = time + (float(frame.duration * frame.time_base) if frame.duration else 1 / self.rate)
                self._damaged += bool(frame.is_corrupt)
                slot = self._sampling.slot(number, time)
                if slot is not None and slot != last:
                    last = slot
                    yield VideoFrame(number, time, self._image(frame))
            self.damage = self._told(number + 1, end)
        finally:
            self.close()

    def _decoded(self) -> Iterator[Any]:
        """Decode packet by packet: a damaged one is passed over, at a broken end the rest is brought out."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._errors:
                self._damaged += 1
                packet = None
            try:
                frames = self._stream.codec_context.decode(packet)
            except self._errors:
                self._damaged += 1
                frames = []
            yield from frames
            if packet is None:
                return

    def _image(self, frame: Any) -> Image:
        if frame.width * frame.height > PIXELS:
            raise UnreadableImageError(f"{self.path}: {frame.width} x {frame.height} pixels are too many")
        aspect = self._stream.codec_context.sample_aspect_ratio
        width = round(frame.width * aspect) if aspect and 0.25 <= aspect <= 4 else frame.width
        image = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
        return _upright(image, frame.side_data.get("DISPLAYMATRIX"))

    def _told(self, frames: int, end: float) -> str | None:
        """Say what could not be read."""
        if not frames:
            return f"{self.path}: none of its frames can be decoded"
        parts = []
        declared = self.duration or 0.0
        if self._container.format.name == "avi":  # whose length is made to fit what is there
            declared = max(declared, self._stream.frames / self.rate)
        if declared - end > max(CUT_SECONDS, CUT_SHARE * declared):
            parts.append(f"it ends after {end:.1f} s of {declared:.1f} s")
        if frames < SHOWN * self._stream.frames:  # its table of times is wrong, and hides them
            parts.append(f"its index lists {counted(self._stream.frames, 'frame')}")
        if self._damaged:
            parts.append(counted(self._damaged, "damaged place"))
        if not parts:
            return None
        return (
            f"{self.path}: cut off or damaged: {', '.join(parts)}; {counted(frames, 'frame')} could be read"
        )

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def _upright(image: Image, matrix: Any) -> Image:
    """Turn and mirror a frame as its display matrix says, if it has one, by whole quarters."""
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(float)
    if a * d < b * c:
        image, a, b = image[:, ::-1], -a, -b
    turns = round(math.atan2(-b, a) / (math.pi / 2)) % 4
    return np.ascontiguousarray(np.rot90(image, turns))


def load_av() -> ModuleType:
    """Load PyAV.

    Raises:
        MissingPackageError: It is not installed.
    """
    need("videos", "video", "av")
    import av

    return av


def _why_closed(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return "the file is empty"
    reason = getattr(error, "strerror", None) or str(error)
    if "Invalid data" in reason:
        return "no video, or one whose beginning or index is missing: cut off, or not fully copied"
    return f"cannot be opened as a video: {reason}"


def _seconds(text: str | None) -> float | None:
    """Read a length such as ``00:01:02.500``."""
    try:
        hours, minutes, seconds = (float(part) for part in (text or "").split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds

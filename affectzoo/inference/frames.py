"""What is predicted on, one image after the other: stills, and the frames of videos and live sources."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from affectzoo.errors import CameraError, UnreadableImageError
from affectzoo.files.images import as_image, check_image
from affectzoo.inference.inputs import Source
from affectzoo.inference.results import UNREADABLE, FaceResult

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image
    from affectzoo.files.video_frames import Sampling, VideoFrames


@dataclass(frozen=True)
class Frame:
    """One image on its way to predictions.

    Attributes:
        source: Where it is from.
        image: Shape (H, W, 3), RGB, 0..255; ``None`` where there is none (any more).
        number: Its place in the video, from 0; ``None`` for a still.
        time: Seconds from the video's first frame.
        error: Why there is no image.
        ends: Whether its source has no further one. A video ends with a frame without image, which says
            what of it could not be read.
        of: How many frames its video has, about; ``None`` where that is not known.
    """

    source: Source
    image: Image | None = None
    number: int | None = None
    time: float | None = None
    error: str | None = None
    ends: bool = True
    of: int | None = None

    def result(self, **fields: Any) -> FaceResult:
        """Make a result of this frame."""
        return FaceResult(self.source.name, frame=self.number, time=self.time, **fields)

    def without_image(self) -> Frame:
        """Drop the pixels."""
        return replace(self, image=None)


def frames_of(source: Source, sampling: Sampling) -> Iterator[Frame]:
    """Read an image, or a video's frames one by one; what cannot be read is a frame with ``error``.

    Args:
        source: The image or video.
        sampling: Which frames of a video are taken.

    Raises:
        MissingPackageError: It is a video, and PyAV is not installed.
    """
    if source.problem is not None or not source.video:
        try:
            yield Frame(source, source.read())
        except UnreadableImageError as error:
            yield Frame(source, error=f"{UNREADABLE}{error}")
        return
    from affectzoo.files.video_frames import VideoFrames

    try:
        with closing(VideoFrames(cast(Path, source.value), sampling)) as video:
            yield from _of_video(source, video)
    except UnreadableImageError as error:
        yield Frame(source, error=f"{UNREADABLE}{error}")


def _of_video(source: Source, video: VideoFrames) -> Iterator[Frame]:
    total = video.total
    for number, seconds, image in video:
        yield Frame(source, image, number, seconds, ends=False, of=total)
    yield Frame(source, error=None if video.damage is None else f"{UNREADABLE}{video.damage}")


def live_frames(images: Iterable[Any], name: str, fps: float | None) -> Iterator[Frame]:
    """Number the images of a live source; that a camera failed is a last frame with ``error``.

    Args:
        images: What ``files.images.as_image`` takes.
        name: What the source is called.
        fps: How many of them are a second; ``None``: the clock says when each came.

    Raises:
        OptionError: One is no image; names its place.
        UnreadableImageError: One cannot be decoded.
    """
    source = Source(name, video=True)
    start: float | None = None
    try:
        for number, image in enumerate(images):
            where = f"{name}, frame {number}"
            check_image(image, where)
            now = time.monotonic() if fps is None else number / fps
            start = now if start is None else start
            yield Frame(source, as_image(image, where), number, now - start, ends=False)
    except CameraError as error:
        yield Frame(source, error=f"{UNREADABLE}{error}")

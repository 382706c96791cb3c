"""What readers of filmed data sets share: numbered frames, videos, ``.pts`` files, folds of recordings."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from affectzoo.console import counted
from affectzoo.datasets.fields import box_around, points
from affectzoo.errors import DataError
from affectzoo.files import videos
from affectzoo.files.faults import one_row
from affectzoo.files.folders import filenames
from affectzoo.files.images import SUFFIXES as PICTURES
from affectzoo.files.text import read_text

VARIES = 0.02
"""A frame rate varies where a frame is shown so many seconds or more off its time at the mean rate."""


class Footage(NamedTuple):
    """The frames of one recording.

    Attributes:
        paths: The image, or the video, of each frame, by its number from 0 on; relative to the root.
        film: The video; ``None`` where there are extracted images alone.
    """

    paths: Mapping[int, str]
    film: videos.Video | None = None

    @property
    def length(self) -> int:
        """Frames up to the last one."""
        return max(self.paths, default=-1) + 1

    @property
    def rate(self) -> float:
        """Frames per second, their mean where that varies; 0 where no video says."""
        return 0.0 if self.film is None else self.film.rate

    def times(self, rate: float) -> npt.NDArray[np.float64]:
        """Seconds from the first frame to each up to the last one, shape (``length``,).

        Args:
            rate: Frames per second where no video says.

        Raises:
            DataError: Images go on behind the end of a video whose frame rate varies.
        """
        steady: npt.NDArray[np.float64] = np.arange(self.length) / (self.rate or rate)
        known = None if self.film is None else self.film.times
        if self.film is None or known is None:
            return steady
        if len(known) >= self.length:
            return known[: self.length]
        if abs(known - steady[: len(known)]).max() > VARIES:
            raise DataError(
                f"{self.film.path}: its frame rate varies, and it has {counted(len(known), 'frame')}, but "
                f"images go on to {self.length}: extract its frames one by one (ffmpeg -fps_mode passthrough)"
            )
        return steady


def find_footage(root: Path, pictures: Path, video: Path | None) -> Footage:
    """The frames of one recording: extracted images where there are some, else those of the video.

    Args:
        root: The data set's folder.
        pictures: Folder of extracted frames, numbered from 1 on as in the video; need not be there.
        video: The video, or ``None``.

    Raises:
        UnreadableImageError: The video cannot be opened.
        DataError: An image's number is 0, or two have the same.
    """
    film = None if video is None else videos.Video(video)
    names = numbered(pictures, PICTURES)
    if names:
        folder = pictures.relative_to(root).as_posix()
        return Footage({number - 1: f"{folder}/{name}" for number, name in names.items()}, film)
    if film is None:
        return Footage({})
    return Footage(dict.fromkeys(range(film.frames), film.path.relative_to(root).as_posix()), film)


def numbered(folder: Path, suffixes: Collection[str]) -> dict[int, str]:
    """Names of the files whose stem is a whole number, by that number in rising order.

    Args:
        folder: Where to look; need not be there.
        suffixes: Endings to accept, lower case, with the dot.

    Raises:
        DataError: A number is 0 or occurs twice.
    """
    found: dict[int, str] = {}
    for name in filenames(folder):
        stem, dot, ending = name.rpartition(".")
        if not re.fullmatch("[0-9]+", stem) or (dot + ending).lower() not in suffixes:
            continue
        with one_row():
            number = int(stem)
            if number == 0:
                raise DataError(f"{folder / name}: numbers begin with 1, the first frame")
            if found.setdefault(number, name) != name:
                raise DataError(f"{folder / name}: {found[number]} has the same number")
    return dict(sorted(found.items()))


def find_videos(folders: Iterable[Path]) -> dict[str, Path]:
    """Videos in these folders by stem; folders need not be there.

    Raises:
        DataError: Two videos have the same stem.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in (folder / name for name in filenames(folder)):
            with one_row():
                if path.suffix.lower() in videos.SUFFIXES and found.setdefault(path.stem, path) != path:
                    raise DataError(f"{path}: {found[path.stem]} is a video of the same recording")
    return found


def unpacked(folder: Path) -> Path:
    """The folder, or the one of its name inside it, as some archives unpack."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder


def read_pts(path: Path, *counts: int) -> npt.NDArray[np.float32]:
    """Points of a ``.pts`` file: header lines, then x and y of each point in braces.

    Args:
        path: The file.
        counts: How many points there may be.

    Returns:
        Shape (N, 2), x and y in pixels.

    Raises:
        DataError: There are no braces, another number of points, or something else than numbers.
    """
    body, closed, _ = read_text(path).partition("{")[2].partition("}")
    if not closed:
        raise DataError(f"{path}: no points in braces {{ }}")
    return points(body.split(), str(path), *counts)


def annotated_rows(
    footage: Footage,
    affect: npt.NDArray[np.float64],
    landmarks: Path,
    common: Mapping[str, Any],
    left_out: Counter[str],
    every: int,
) -> list[dict[str, Any]]:
    """Index rows of one recording: each ``every``-th frame that is annotated.

    Args:
        footage: The frames.
        affect: Valence and arousal of all frames up to the last one, shape (``footage.length``, 2); NaN
            where not annotated.
        landmarks: Folder of 68 landmarks per frame, ``.pts`` files numbered from 1 on. Where there are
            some, frames without are excluded, and the box is the one around them.
        common: The recording's own columns.
        left_out: Counts frames that are excluded.
        every: One in so many frames is taken, the first one on.
    """
    marks = numbered(landmarks, (".pts",))
    rows = []
    for frame, path in footage.paths.items():
        if frame % every:
            continue
        valence, arousal = affect[frame].tolist()
        if math.isnan(valence) or math.isnan(arousal):
            left_out["not annotated"] += 1
            continue
        row = {**common, "path": path, "frame": frame, "valence": valence + 0.0, "arousal": arousal + 0.0}
        row["source"] = f"{common['source']}, frame {frame}"
        with one_row():
            if marks:
                if frame + 1 not in marks:
                    left_out["no landmarks"] += 1
                    continue
                row["landmarks"] = read_pts(landmarks / marks[frame + 1], 68)
                row["box"] = box_around(row["landmarks"])
            rows.append(row)
    return rows


def check_every(dataset: str, every: int) -> None:
    """Refuse a share of frames that makes no sense.

    Raises:
        DataError: ``every`` is below 1.
    """
    if every < 1:
        raise DataError(f"{dataset}: every is {every}, expected one in 1 or more frames")

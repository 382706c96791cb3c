"""Write annotated images and videos."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import cv2

from affectzoo.errors import OptionError
from affectzoo.files.writing import try_writing, write_bytes
from affectzoo.inference.annotation import Annotator, annotate
from affectzoo.inference.contact_sheet import ContactSheet
from affectzoo.inference.frames import Frame
from affectzoo.inference.inputs import Source
from affectzoo.inference.results import FaceResult
from affectzoo.inference.time_chart import TimeChart

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image
    from affectzoo.files.video_writing import VideoWriter


SHEET = "contact_sheet"
"""The name of the contact sheet, without its ending."""

CHART = "_over_time"
"""What the name of a video's chart ends with."""


class Drawings:
    """Annotated images and videos of a run, each whole or not at all.

    Several images are on a contact sheet, too, and each video has a chart of its predictions over time.
    """

    def __init__(self, sources: Sequence[Source], folder: Path) -> None:
        """Say where they go.

        Args:
            sources: What is drawn.
            folder: Where to; it is made.

        Raises:
            OptionError: A drawing would overwrite one of the inputs.
            OutputError: Nothing can be written there.
        """
        videos = {source.name for source in sources if source.video}
        self._paths = drawing_paths([source.name for source in sources], folder, videos)
        for path in list(self._paths.values())[:1]:
            try_writing(path)
        several = len(sources) - len(videos) > 1
        self._sheet = ContactSheet(folder / f"{SHEET}.jpg") if several else None
        self._film: VideoWriter | None = None
        self._stack = ExitStack()
        self._annotator = Annotator()
        self._chart: TimeChart | None = None

    def add(self, frame: Frame, results: Sequence[FaceResult]) -> None:
        """Draw an image, or a frame of a video; nothing for one that could not be read.

        Raises:
            OutputError: It cannot be written.
        """
        path = self._paths[frame.source.name]
        if not frame.source.video and self._sheet is not None:
            self._sheet.add(frame.source.name, frame.image, results)
        if frame.image is not None and frame.time is None:
            draw(frame.image, results, path)
        elif frame.image is not None and frame.time is not None:
            if self._film is None or self._chart is None:
                from affectzoo.files.video_writing import VideoWriter

                self._film = self._stack.enter_context(VideoWriter(path))
                self._annotator = Annotator()
                self._chart = TimeChart(Path(frame.source.name).name, chart_path(path))
            self._film.add(self._annotator(frame.image, results), frame.time)
            self._chart.add(results)
        elif frame.ends:
            self._end_film()

    def _end_film(self) -> None:
        self._stack.close()
        self._film = None
        if self._chart is not None:
            self._chart.finish()
        self._chart = None

    def __enter__(self) -> Drawings:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        self._end_film()
        if self._sheet is not None:
            self._sheet.finish()


def chart_path(film: Path) -> Path:
    """Return where the chart of a drawn video goes."""
    return film.with_name(f"{film.stem}{CHART}.png")


def drawing_paths(
    names: Sequence[str], folder: Path, videos: Collection[str] = frozenset()
) -> dict[str, Path]:
    """Say where the drawing of each input goes: ``<name>.png``, numbered where several have one name.

    Args:
        names: The inputs' names, each once.
        folder: Where drawings go.
        videos: Those that are videos, whose drawings are ``<name>.mp4``, with a chart beside.

    Raises:
        OptionError: A drawing would overwrite one of the images.
    """
    paths: dict[str, Path] = {}
    taken: set[str] = set()
    originals = {os.path.realpath(name) for name in names}
    for name in names:
        stem, number = Path(name).stem, 1
        while True:
            key = f"{stem}-{number}" if number > 1 else stem
            path = folder / f"{key}{'.mp4' if name in videos else '.png'}"
            written = [path, chart_path(path)] if name in videos else [path]
            keys = {key.casefold(), *(one.stem.casefold() for one in written)}
            if not keys & taken:
                break
            number += 1
        taken |= keys
        paths[name] = path
        for one in written:
            _check_apart(one, originals)
    for original in originals:
        path = folder / Path(original).name
        if path.suffix == ".jpg" and path.stem.startswith(SHEET):
            _check_apart(path, originals)
    return paths


def _check_apart(path: Path, originals: Collection[str]) -> None:
    if os.path.realpath(path) in originals:
        raise OptionError(f"{path} is one of the images; drawings need a folder of their own")


def draw(image: Image, results: Sequence[FaceResult], path: Path) -> None:
    """Write an image with its predictions drawn in.

    Args:
        image: Shape (H, W, 3), RGB, 0..255.
        results: Its results.
        path: A ``.png`` file.

    Raises:
        OutputError: It cannot be written.
    """
    drawn = cv2.cvtColor(annotate(image, results), cv2.COLOR_RGB2BGR)
    write_bytes(path, cv2.imencode(".png", drawn)[1].tobytes())

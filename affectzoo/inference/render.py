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
from affectzoo.inference.frames import Frame
from affectzoo.inference.inputs import Source
from affectzoo.inference.results import FaceResult

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image
    from affectzoo.files.video_writing import VideoWriter


class Drawings:
    """Annotated images and videos of a run, each whole or not at all."""

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
        self._film: VideoWriter | None = None
        self._stack = ExitStack()
        self._annotator = Annotator()

    def add(self, frame: Frame, results: Sequence[FaceResult]) -> None:
        """Draw an image, or a frame of a video; nothing for one that could not be read.

        Raises:
            OutputError: It cannot be written.
        """
        path = self._paths[frame.source.name]
        if frame.image is not None and frame.time is None:
            draw(frame.image, results, path)
        elif frame.image is not None and frame.time is not None:
            if self._film is None:
                from affectzoo.files.video_writing import VideoWriter

                self._film, self._annotator = self._stack.enter_context(VideoWriter(path)), Annotator()
            self._film.add(self._annotator(frame.image, results), frame.time)
        elif frame.ends:
            self._stack.close()
            self._film = None

    def __enter__(self) -> Drawings:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def drawing_paths(
    names: Sequence[str], folder: Path, videos: Collection[str] = frozenset()
) -> dict[str, Path]:
    """Say where the drawing of each input goes: ``<name>.png``, numbered where several have one name.

    Args:
        names: The inputs' names, each once.
        folder: Where drawings go.
        videos: Those that are videos, whose drawings are ``<name>.mp4``.

    Raises:
        OptionError: A drawing would overwrite one of the images.
    """
    paths: dict[str, Path] = {}
    taken: set[str] = set()
    originals = {os.path.realpath(name) for name in names}
    for name in names:
        stem, number = Path(name).stem, 1
        while (key := f"{stem}-{number}" if number > 1 else stem).casefold() in taken:
            number += 1
        taken.add(key.casefold())
        paths[name] = folder / f"{key}{'.mp4' if name in videos else '.png'}"
        if os.path.realpath(paths[name]) in originals:
            raise OptionError(f"{paths[name]} is one of the images; drawings need a folder of their own")
    return paths


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

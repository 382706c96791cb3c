"""What the app shows: a photograph's faces, a video's people, a camera's frames; its page is elsewhere."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from affectzoo.console import counted
from affectzoo.errors import AffectZooError, UnreadableImageError
from affectzoo.faces.detect import make_detector
from affectzoo.files import videos
from affectzoo.files.decoding import decode
from affectzoo.files.images import read_bytes
from affectzoo.inference.annotation import Annotator
from affectzoo.inference.backend import load_model
from affectzoo.inference.circumplex import Circumplex, has_point
from affectzoo.inference.inputs import Source
from affectzoo.inference.prediction import Predictor
from affectzoo.inference.render import Drawings, chart_path, drawing_paths
from affectzoo.inference.results import FaceResult, write_rows
from affectzoo.inference.tally import Tracks
from affectzoo.store import entries
from affectzoo.zoo.listing import ON_HUB, pretrained

if TYPE_CHECKING:
    from affectzoo.export.onnx_model import OnnxModel
    from affectzoo.faces.detect import Detector
    from affectzoo.files.decoding import Image
    from affectzoo.models.base import AffectModel

FACE_COLUMNS = ("face", "prediction", "valence", "arousal", "next")
TRACK_COLUMNS = ("track", "frames", "seconds", "mean prediction")

SHOWN = 1600
"""The longer edge of a photograph in the page, pixels."""

PLANE_FONT = 36
"""The size of text beside which the circumplex of the page is drawn, pixels."""


@dataclass(frozen=True)
class AppLimits:
    """What the app takes at most.

    Attributes:
        megabytes: MiB of a file.
        megapixels: Million pixels of a photograph.
        seconds: Of a video, from its beginning.
        fps: Frames per second that are taken of a video.
    """

    megabytes: float = 100.0
    megapixels: float = 50.0
    seconds: float = 60.0
    fps: float = 10.0


@dataclass(frozen=True)
class Analysis:
    """What is shown of a photograph or video; where something is missing, ``told`` says why.

    Attributes:
        told: What was found, or what is wrong.
        picture: The photograph with its faces, shape (H, W, 3), RGB.
        plane: Its circumplex, shape (H, W, 3), RGB.
        rows: One for each face or track; see ``FACE_COLUMNS`` and ``TRACK_COLUMNS``.
        table: A CSV file of everything.
        film: The video with its faces.
        chart: Its predictions over time.
    """

    told: str
    picture: Image | None = None
    plane: Image | None = None
    rows: tuple[tuple[str, ...], ...] = ()
    table: Path | None = None
    film: Path | None = None
    chart: Path | None = None


class Analyst:
    """Analyzes what users send, with the model that they choose.

    Each photograph and video has a predictor of its own, so that several can be analyzed at once.
    """

    def __init__(
        self,
        folder: Path,
        limits: AppLimits = AppLimits(),
        detector: Callable[[], Detector] = make_detector,
        **options: Any,
    ) -> None:
        """Say where results go and what is taken.

        Args:
            folder: For tables, films and charts.
            limits: What is taken at most.
            detector: Makes one; each photograph and video has its own.
            **options: Of each ``Predictor``.
        """
        self._folder, self.limits = folder, limits
        self._detector, self._options = detector, options

    def predictor(self, model: str, **options: Any) -> Predictor:
        """Make a predictor; a model is loaded once."""
        return Predictor(_model(model), self._detector(), **self._options, **options)

    def photo(self, path: Path, model: str) -> Analysis:
        """Analyze a photograph.

        Args:
            path: Its file.
            model: A name that ``affectzoo.load`` takes.

        Returns:
            A file that is too large, damaged or no image is told.
        """
        try:
            return self._photo(path, model)
        except (AffectZooError, OSError) as error:
            return Analysis(str(error))

    def _photo(self, path: Path, model: str) -> Analysis:
        self._check_size(path)
        image = decode(read_bytes(path), path.name, round(1e6 * self.limits.megapixels))
        predictor = self.predictor(model)
        ((_, faces),) = predictor.run([Source(path.name, image)])
        folder = self._new_folder()
        table = folder / f"{path.stem}.csv"
        write_rows((face.to_row() for face in faces), predictor.columns, table)
        found = [face for face in faces if face.error is None]
        told = f"{path.name}: {counted(len(found), 'face')}" if found else f"{path.name}: {faces[0].error}"
        picture, plane = _pictures(image, faces, Annotator(circumplex=False), Circumplex())
        rows = tuple(_face_row(number, face) for number, face in enumerate(found, 1))
        return Analysis(told, picture, plane, rows, table)

    def video(
        self,
        path: Path,
        model: str,
        smooth: bool = False,
        progress: Callable[[float, float | None], object] = lambda done, total: None,
    ) -> Analysis:
        """Analyze a video's first seconds.

        Args:
            path: Its file.
            model: A name that ``affectzoo.load`` takes.
            smooth: Whether to smooth each track's predictions.
            progress: Is told how many frames are done, and of how many if that is known.

        Returns:
            A file that is too large or no video is told; of a damaged one, what could be read.
        """
        try:
            return self._video(path, model, smooth, progress)
        except (AffectZooError, OSError) as error:
            return Analysis(str(error).replace(str(path), path.name))

    def _video(
        self, path: Path, model: str, smooth: bool, progress: Callable[[float, float | None], object]
    ) -> Analysis:
        self._check_size(path)
        if path.suffix.lower() not in videos.SUFFIXES:
            raise UnreadableImageError(f"{path.name}: no video, by its ending")
        source = Source(str(path), path, video=True)
        predictor = self.predictor(model, fps=self.limits.fps, smooth=smooth)
        folder = self._new_folder()
        tracks, results, done, cut = Tracks(), list[FaceResult](), 0, False
        with Drawings([source], folder) as drawings:
            for frame, faces in predictor.run([source], images=True):
                if frame.time is not None and frame.time > self.limits.seconds:
                    cut = True
                    break
                drawings.add(frame, faces)
                done += frame.number is not None
                faces = [_by_name(face, path) for face in faces]
                tracks.add(faces)
                results += faces
                progress(done, frame.of)
        film = drawing_paths([source.name], folder, {source.name})[source.name]
        if not film.exists():
            return Analysis(results[-1].error or "" if results else f"{path.name}: no frames")
        table = folder / f"{path.stem}.csv"
        write_rows((face.to_row() for face in results), predictor.columns, table)
        rows = tuple(row[1:] for row in tracks.rows())
        told = [f"{path.name}: {counted(len(rows), 'track')}"]
        told += [f"the first {self.limits.seconds:g} s of it"] * cut
        told += [results[-1].error or ""] * results[-1].unreadable
        chart = chart_path(film)
        return Analysis("; ".join(told), None, None, rows, table, film, chart if chart.exists() else None)

    def _check_size(self, path: Path) -> None:
        size, most = path.stat().st_size, round(self.limits.megabytes * 2**20)
        if size > most:
            raise UnreadableImageError(f"{path.name}: {size:,} bytes are more than {most:,}; make it smaller")

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))


class Live:
    """Analyzes a camera's frames, each when it comes, with the way of the faces that are followed."""

    def __init__(self, predictor: Predictor) -> None:
        """Begin.

        Args:
            predictor: Of this camera alone.
        """
        self._waiting: deque[Image] = deque()
        self._predictor = predictor
        self._begin()
        self._annotator, self._circumplex = Annotator(circumplex=False), Circumplex()

    def _begin(self) -> None:
        self._waiting.clear()
        self._results = self._predictor.stream(self._frames(), name="camera", images=True)

    def _frames(self) -> Iterator[Image]:
        while True:
            yield self._waiting.popleft()

    def __call__(self, image: Image) -> tuple[Image, Image | None, str]:
        """Analyze a frame.

        Args:
            image: Shape (H, W, 3), RGB, 0..255.

        Returns:
            The frame with its faces, its circumplex, and what was found; or the frame and what is wrong with
            it, after which the next one is the first of a new film.
        """
        self._waiting.append(image)
        try:
            _, faces = next(self._results)
        except AffectZooError as error:
            self._begin()
            return image, None, str(error)
        drawn, plane = _pictures(image, faces, self._annotator, self._circumplex)
        return drawn, plane, "; ".join(face.error or ", ".join(face.told()) for face in faces)


@cache
def _model(name: str) -> AffectModel | OnnxModel:
    return load_model(name)


def choices() -> list[str]:
    """Name the pretrained weights on this machine that predict affect on single images."""
    at_hand = {row["name"] for row in pretrained() if row["files"] != ON_HUB}
    metas = {name: entry.meta for name, entry in entries().items() if name in at_hand}
    return [name for name, m in metas.items() if not m.sequence and m.task != "landmarks"]


def check_fits(predictor: Predictor, name: str) -> None:
    """Refuse a model that the app has no use for.

    Raises:
        AffectZooError: It reads sequences, and no single images, or gives landmarks alone.
    """
    if predictor.model.sequence:
        raise AffectZooError(f"{name} reads videos alone: choose another --model, or use affectzoo predict")
    if predictor.model.describe().task == "landmarks":
        raise AffectZooError(
            f"{name} finds landmarks alone: choose another --model, or use affectzoo predict"
        )


def _pictures(
    image: Image, faces: list[FaceResult], annotator: Annotator, circumplex: Circumplex
) -> tuple[Image, Image | None]:
    drawn = annotator(image, faces)
    scale = SHOWN / max(drawn.shape[:2])
    if scale < 1:
        drawn = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return drawn, circumplex.alone(faces, PLANE_FONT) if has_point(faces) else None


def _face_row(number: int, face: FaceResult) -> tuple[str, ...]:
    told = replace(face, valence=None, arousal=None).told()  # these have columns of their own
    values = ["" if value is None else f"{value:+.2f}" for value in (face.valence, face.arousal)]
    return str(number), ", ".join(told), *values, face.further()


def _by_name(face: FaceResult, path: Path) -> FaceResult:
    """Return a result that names a file as its sender does, not where it lies."""
    error = None if face.error is None else face.error.replace(str(path), path.name)
    return replace(face, file=path.name, error=error)

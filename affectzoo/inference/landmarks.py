"""Landmarks for models that take them: found in the faces, or brought by users.

Those of users also say where the faces are. They are one of

- a CSV file with the columns ``file``, for videos ``frame`` (from 0), ``landmarks`` (``x;y;x;y;...``, pixels)
  and, if known, the box ``x0``, ``y0``, ``x1``, ``y1``; by default the box is the one around the landmarks.
  ``affectzoo predict`` writes such files by a model of landmarks,
- a CSV file as OpenFace's FeatureExtraction writes it (``frame`` from 1, ``x_0`` to ``y_67``, pixels), of one
  image or video,
- a ``.pts`` file of one image,
- a folder of these, named as the images and videos are: ``photo.pts``, ``film.csv``; or of a folder for each
  video with a ``.pts`` file for each frame, numbered from 1: ``film/00001.pts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.datasets.fields import box, box_around, number, points
from affectzoo.datasets.footage import numbered, read_pts
from affectzoo.errors import DataError
from affectzoo.faces.detect import Detection
from affectzoo.faces.landmarks import IBUG
from affectzoo.files.folders import user_path
from affectzoo.files.text import csv_rows
from affectzoo.inference.backend import make_backend
from affectzoo.inference.boxes import fault_of, visible_in
from affectzoo.inference.frames import Frame
from affectzoo.inference.inputs import Source
from affectzoo.metrics.columns import BOX

if TYPE_CHECKING:
    import torch

    from affectzoo.export.onnx_model import OnnxModel
    from affectzoo.faces.preprocess import Image
    from affectzoo.models.base import AffectModel

FINDER = "landmarks_s.rendered"
"""The model that finds landmarks where neither a file nor the detector gives them."""

Place = tuple[str, int | None]
"""Name of an image or video, empty where the file is of only one; the frame, ``None`` in an image."""


class Landmarks:
    """The faces that files of landmarks say."""

    landmarks = IBUG

    def __init__(self, path: str | Path) -> None:
        """Look at the file or folder.

        Args:
            path: See above.

        Raises:
            DataError: It is missing, or not as described; file and line are named.
        """
        self.path = user_path(path)
        self._folder = self.path.is_dir()
        self._source: Source | None = None
        self._faces: Mapping[Place, list[Detection]] = {}
        self._frames: Mapping[int, str] = {}
        if not self._folder:
            self._faces = read_landmarks(self.path)

    def faces(self, frame: Frame) -> list[Detection]:
        """Say where the faces of an image or frame are, with their landmarks.

        Raises:
            DataError: A file of the folder is not as described, or a file of one video is asked for others.
        """
        if frame.source is not self._source:
            self._begin(frame.source)
        if frame.number is not None and frame.number + 1 in self._frames:
            return [_face(self._video_folder(frame.source) / self._frames[frame.number + 1])]
        for name in (frame.source.name, Path(frame.source.name).name, ""):
            if (found := self._faces.get((name, frame.number))) is not None:
                return found
        return []

    def _begin(self, source: Source) -> None:
        """Read the files of the next image or video."""
        if self._folder:
            self._faces, self._frames = {}, {}
            stem = self.path / Path(source.name).stem
            if source.video and self._video_folder(source).is_dir():
                self._frames = numbered(self._video_folder(source), (".pts",))
            for file in (stem.with_name(f"{stem.name}.csv"), stem.with_name(f"{stem.name}.pts")):
                if file.is_file():
                    self._faces = read_landmarks(file)
                    break
        elif self._source is not None and any(not name for name, _ in self._faces):
            raise DataError(
                f"{self.path} has no column file, so that it is of one image or video, but there are more; "
                "give a folder with one such file for each, named as they are"
            )
        self._source = source

    def _video_folder(self, source: Source) -> Path:
        return self.path / Path(source.name).stem


class LandmarkFinder:
    """Finds the landmarks of faces in their crops, by a model that predicts some.

    Attributes:
        name: What people call it.
    """

    name = f"landmarks by {FINDER}"

    def __init__(self, model: AffectModel | OnnxModel, device: str | torch.device | None = None) -> None:
        """Take a model.

        Args:
            model: Of the task landmarks.
            device: Where it shall run; ``None`` leaves it where it is.
        """
        self._preprocess = model.preprocess
        self._backend = make_backend(model, device)

    def __call__(self, image: Image, faces: Sequence[Detection], *, keep_boxes: bool) -> list[Detection]:
        """Give faces their landmarks.

        Args:
            image: Shape (H, W, 3), RGB, 0..255.
            faces: Those whose box is none in this image stay as they are.
            keep_boxes: Whether boxes stay; else they become those around the landmarks, as with landmarks
                from files, for which models that take some are trained.
        """
        places = [place for place, face in enumerate(faces) if fault_of(face, image) is None]
        marked = list(faces)
        if not places:
            return marked
        cut = [self._preprocess.face(image, faces[place].box) for place in places]
        found = self._backend.answer(cut, [None] * len(cut), {}).points
        assert found is not None
        for place, values in zip(places, found, strict=True):
            face = faces[place]
            points = self._preprocess.image_points(values, self._preprocess.region(image, face.box))
            around = replace(face, box=box_around(points), landmarks=points)
            keep = keep_boxes or face.box is None or not visible_in(around, image)
            marked[place] = replace(around, box=face.box) if keep else around
        return marked


def read_landmarks(path: Path) -> dict[Place, list[Detection]]:
    """Read a file of landmarks.

    Args:
        path: ``.csv`` or ``.pts``, see above.

    Returns:
        Faces with box and landmarks, by place.

    Raises:
        DataError: It is missing, or not as described; file and line are named.
    """
    if path.suffix.lower() == ".pts":
        return {("", None): [_face(path)]}
    rows = csv_rows(path)
    head = next(rows, None)
    names = [] if head is None else head.cells
    openface = {f"{axis}_{point}" for axis in "xy" for point in range(IBUG)} <= set(names)
    if not openface and not {"file", "landmarks"} <= set(names):
        raise DataError(
            f"{path}: needs the columns file and landmarks (x;y;x;y;...), or x_0 to y_{IBUG - 1} as files "
            "of OpenFace have"
        )
    found: dict[Place, list[Detection]] = {}
    for row in rows:
        cells = dict(zip(names, row.cells, strict=True))
        frame = cells.get("frame") or None
        at = None if frame is None else int(number(frame, row.where, "frame", 0, whole=True))
        if openface:
            if number(cells.get("success", "1"), row.where, "success") == 0:
                continue
            pairs = [cells[f"{axis}_{point}"] for point in range(IBUG) for axis in "xy"]
            at = None if at is None else at - 1
        elif cells.get("error"):  # of results: no face
            continue
        else:
            pairs = cells["landmarks"].split(";")
        marks = points(pairs, row.where, IBUG)
        whole = all(cells.get(edge) for edge in BOX)
        edges = box(cells, row.where, BOX) if whole else box_around(marks)
        found.setdefault((cells.get("file", ""), at), []).append(Detection(edges, landmarks=marks))
    return found


def _face(path: Path) -> Detection:
    marks = read_pts(path, IBUG)
    return Detection(box_around(marks), landmarks=marks)

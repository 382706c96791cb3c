"""Predict for every face of images and videos: faces of several share batches, the order is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from affectzoo.errors import AffectZooError, ImageNotFoundError, OptionError
from affectzoo.export.onnx_model import OnnxModel
from affectzoo.faces.detect import Detection, Detector, DetectorName, ReadyCrop, make_detector
from affectzoo.faces.preprocess import Region
from affectzoo.files.video_frames import Sampling, check_rate
from affectzoo.inference.backend import BackendName, load_model, make_backend
from affectzoo.inference.boxes import fault_of, found_by, visible_in, with_boxes
from affectzoo.inference.following import Following, Track
from affectzoo.inference.frames import Frame, frames_of, live_frames
from affectzoo.inference.inputs import Source, find, listed
from affectzoo.inference.probabilities import abstained, balanced, taken_out, threshold_of
from affectzoo.inference.results import NO_FACE, NOT_FINITE, FaceResult, columns
from affectzoo.registry import DEFAULT_MODEL
from affectzoo.weights.meta import check_share

if TYPE_CHECKING:
    import torch

    from affectzoo.export.onnx_model import Answers
    from affectzoo.faces.preprocess import Image, Points
    from affectzoo.inference.landmarks import LandmarkFinder
    from affectzoo.models.base import AffectModel

HELD = 2**27
"""Bytes of pixels that may wait for a batch, where images are handed on with their results."""


class Entry(NamedTuple):
    """A face that waits for its batch.

    Attributes:
        result: What is known of it already.
        face: As ``Preprocess.face`` cuts it; ``None`` where there is nothing to predict on.
        points: Landmarks in pixels of ``face``, shape (N, 2), for models that take them.
        track: Whose face it is; ``None`` in a still.
        region: The part of the image that is ``face``.
    """

    result: FaceResult
    face: Image | None = None
    points: Points | None = None
    track: Track | None = None
    region: Region = Region(0, 0, 0, 0)


class Predictor:
    """A model, a face detector and their options, ready for images, videos and live sources.

    Attributes:
        model: The loaded model, in whatever mode it is, which it keeps; or an exported one.
        backend: What computes with it.
        detector: What finds the faces.
        batch_size: Faces per forward pass.
        min_score: Faces that the detector is less sure of do not count.
        min_face: Nor do those whose box has a shorter longer edge, pixels.
        sampling: Which frames of videos are taken.
        smooth: Whether classes and values of each track are smoothed over time; landmarks are not.
        balance: The share of the classes' frequencies, or of what is left of them, that is taken out of the
            probabilities.
        threshold: Faces whose likeliest class is less probable have no label; 0 where each has one.
        landmarks: Where the faces and their landmarks are, instead of a detector.
        finder: What finds landmarks, where the model takes some and neither file nor detector gives them.
    """

    def __init__(
        self,
        model: str | Path | AffectModel | OnnxModel = DEFAULT_MODEL,
        detector: DetectorName | Detector = "auto",
        *,
        backend: BackendName | None = None,
        device: str | torch.device | None = None,
        batch_size: int = 64,
        min_score: float | None = None,
        min_face: float | None = None,
        every: int = 1,
        fps: float | None = None,
        smooth: bool = False,
        landmarks: str | Path | None = None,
        balance: float = 0.0,
        abstain: bool | float = False,
    ) -> None:
        """Load what is needed.

        Args:
            model: A loaded model, a name that ``affectzoo.load`` takes, or an exported ``.onnx`` file.
            detector: ``auto``, ``yunet``, ``centerface``, ``haar``, a detector of your own, or ``none`` when
                each image is a ready crop.
            backend: ``torch`` or, without importing torch, ``onnx``, for which a model that is named is
                exported once; by default as the model asks for.
            device: Where the model runs, such as ``cuda``; it is moved there.
            batch_size: Faces per forward pass, from 1.
            min_score: The least detector score of a face; those of affectzoo's detectors are in 0..1.
            min_face: The least longer edge of a face's box, pixels of the image; smaller ones do not count.
            every: Of videos, one in so many frames is taken.
            fps: Of videos, so many frames a second are taken, by their times; instead of ``every``.
            smooth: Whether to smooth the classes and values of each track of a video (one-euro filter).
            landmarks: A file or folder of 68 landmarks for models that take some, see
                ``affectzoo.inference.landmarks``; these are the faces then, and no detector runs. By default
                ``landmarks_s.rendered`` finds them in each face, unless the detector does.
            balance: The share of the classes' frequencies, or of what the weights have left of them, to take
                out of the probabilities, 0 to 1, so that rare classes are found more often; for calibrated
                weights, see ``affectzoo calibrate``.
            abstain: The least probability of the likeliest class, below which a face has no label; ``True``
                takes the weights' own threshold, see ``affectzoo calibrate``.

        Raises:
            AffectZooError: An unknown model, detector or device, a wrong option, or a model that is to be
                trained first.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise OptionError(f"batch_size is {batch_size!r}; expected a whole number from 1")
        if min_score is not None:
            if not isinstance(min_score, Real) or not math.isfinite(min_score):
                raise OptionError(f"min_score is {min_score!r}; expected a number")
        if min_face is not None and (
            isinstance(min_face, bool) or not isinstance(min_face, Real) or not 0 < min_face < math.inf
        ):
            raise OptionError(f"min_face is {min_face!r}; expected pixels, above 0")
        for name, given in (("min_score", min_score), ("min_face", min_face)):
            searched = landmarks is None and detector != "none" and not isinstance(detector, ReadyCrop)
            if given is not None and not searched:
                raise OptionError(f"{name} is of faces that a detector finds, and none runs here")
        if backend not in (None, "torch", "onnx"):
            raise OptionError(f"backend is {backend!r}; expected torch or onnx")
        if backend is not None and not isinstance(model, str | Path):
            raise OptionError(f"backend is {backend!r}, but the model is loaded; give its name instead")
        self.sampling = Sampling(every, fps)
        self.model = load_model(model, None, backend) if isinstance(model, str | Path) else model
        self.backend = make_backend(self.model, device)
        self.detector = make_detector(detector)
        self.batch_size = batch_size
        self.min_score, self.min_face = min_score, min_face
        self.smooth = smooth
        self.balance = check_share("balance", balance)
        self._taken = taken_out(self.model, self.balance)
        self.threshold = threshold_of(self.model, abstain, self.balance)
        self.landmarks = None
        if landmarks is not None:
            from affectzoo.inference.landmarks import Landmarks

            self.landmarks = Landmarks(landmarks)
        self.finder: LandmarkFinder | None = None
        found = getattr(self.landmarks or self.detector, "landmarks", 0)
        if self.model.landmarks and found != self.model.landmarks:
            from affectzoo.inference.landmarks import FINDER, LandmarkFinder

            same: BackendName | None = "onnx" if isinstance(self.model, OnnxModel) else None
            self.finder = LandmarkFinder(load_model(FINDER, None, same), device)

    @property
    def faces_from(self) -> str:
        """What says where faces and landmarks are: detector and finder, or file or folder of landmarks."""
        if self.landmarks is not None:
            return str(self.landmarks.path)
        return self.detector.name if self.finder is None else f"{self.detector.name}, {self.finder.name}"

    @property
    def columns(self) -> list[str]:
        """The columns of its results."""
        return columns(self.model.labels, self.model.describe().task == "landmarks")

    def __call__(self, inputs: Any, boxes: Any = None) -> list[FaceResult]:
        """Predict for every face of one or many images and videos; see ``affectzoo.predict``."""
        return [result for _, faces in self.iterate(inputs, boxes) for result in faces]

    def iterate(
        self, inputs: Any, boxes: Any = None, *, images: bool = False
    ) -> Iterator[tuple[Frame, list[FaceResult]]]:
        """Predict image by image and frame by frame; however long a video is, little of it is held.

        Args:
            inputs: See ``affectzoo.predict``.
            boxes: See ``affectzoo.predict``.
            images: Whether the frames keep their pixels, as for drawing.

        Yields:
            Each image, or frame of a video, with its results. A video ends with a frame without image, whose
            results tell what of it could not be read, if anything.

        Raises:
            AffectZooError: As ``affectzoo.predict``.
        """
        several = listed(inputs)
        if boxes is not None and len(several) == 1 and several[0] is inputs:
            boxes = [boxes]
        sources = find(several).found
        for source in sources:
            if source.problem is not None and source.named:
                raise ImageNotFoundError(f"{source.name}: {source.problem}")
        return self.run(sources, boxes, images=images)

    def stream(
        self,
        frames: Iterable[Any],
        *,
        name: str = "stream",
        fps: float | None = None,
        images: bool = False,
    ) -> Iterator[tuple[Frame, list[FaceResult]]]:
        """Predict for the frames of a live source, such as a camera, each as soon as it comes.

        Args:
            frames: Arrays of shape (H, W, 3), RGB uint8, or whatever else ``affectzoo.predict`` takes for an
                image, in the order of time.
            name: What the results have as ``file``.
            fps: Frames per second, from which their times follow; by default the clock says when each came.
            images: Whether the frames keep their pixels, as for drawing.

        Yields:
            Each frame with its results.

        Raises:
            AffectZooError: A frame that is no image, with its number, or a wrong option.
        """
        check_rate(fps)
        if not isinstance(frames, Iterable):
            raise OptionError(f"frames are of the type {type(frames).__name__}; expected images, one by one")
        waiting = ((frame, None) for frame in live_frames(frames, name, fps))
        return self._through(waiting, 1, images=images)

    def run(
        self,
        sources: Iterable[Source],
        boxes: Iterable[Any] | None = None,
        *,
        images: bool = False,
        known: Iterator[list[Detection]] = iter(()),
    ) -> Iterator[tuple[Frame, list[FaceResult]]]:
        """Predict for images and videos that were found, as ``iterate`` does.

        Args:
            sources: The images and videos.
            boxes: For each its face boxes, see ``affectzoo.predict``.
            images: Whether the frames keep their pixels.
            known: The faces of the first frames of the first source, which were predicted on before: they
                are followed and not yielded again.

        Yields:
            Each image, or frame of a video, with its results.

        Raises:
            AffectZooError: Boxes that are none, or not as many as images; an image for a model that reads
                clips; prepared crops that end before what the model looks at.
        """
        pairs = with_boxes(list(sources), boxes)
        for source, _ in pairs:
            if boxes is None:
                self.model.preprocess.check_margin(source.margin, source.name)
            if self.model.sequence and source.problem is None and not source.video:
                raise AffectZooError(
                    f"{source.name}: this {self.model.arch} reads videos, not single images; give it a video "
                    "file, the frames of a clip (Predictor.stream), or take a model of single images"
                )
        frames = ((frame, given) for source, given in pairs for frame in frames_of(source, self.sampling))
        return self._through(frames, self.batch_size, images=images, known=known)

    def _through(
        self,
        frames: Iterable[tuple[Frame, list[Detection] | None]],
        batch_size: int,
        *,
        images: bool,
        known: Iterator[list[Detection]] = iter(()),
    ) -> Iterator[tuple[Frame, list[FaceResult]]]:
        """Find, follow and cut out faces, gather batches, predict."""
        following = Following(self.smooth)
        waiting: list[tuple[Frame, list[Entry]]] = []
        faces = held = 0
        for frame, given in frames:
            if frame.number is not None and (before := next(known, None)) is not None:
                following(frame, before)
                continue
            entries = self._entries(frame, given, following)
            waiting.append((frame if images else frame.without_image(), entries))
            faces += sum(entry.face is not None for entry in entries)
            held += frame.image.nbytes if images and frame.image is not None else 0
            if faces >= batch_size or len(waiting) >= batch_size or held >= HELD:
                yield from self._classify(waiting, following)
                waiting, faces, held = [], 0, 0
        yield from self._classify(waiting, following)

    def _counts(self, face: Detection) -> bool:
        """Whether a detector was sure enough of a face, and it is large enough."""
        sure = self.min_score is None or face.score is None or face.score >= self.min_score
        if self.min_face is None or face.box is None:
            return sure
        x0, y0, x1, y1 = face.box
        return sure and max(x1 - x0, y1 - y0) >= self.min_face

    def _entries(self, frame: Frame, given: list[Detection] | None, following: Following) -> list[Entry]:
        """Find a frame's faces, follow them, cut them out."""
        image = frame.image
        if image is None:
            return [] if frame.error is None else [Entry(frame.result(error=frame.error))]
        faces = given
        if faces is None:
            try:
                found = self.landmarks.faces(frame) if self.landmarks else found_by(self.detector, image)
            except cv2.error as error:
                return [Entry(frame.result(error=f"{self.detector.name} failed: {error.err}"))]
            faces = [face for face in found if visible_in(face, image) and self._counts(face)]
        if self.finder is not None:
            faces = self.finder(image, faces, keep_boxes=given is not None)
        tracks = following(frame, faces)
        if not faces:
            return [Entry(frame.result(error=NO_FACE))]
        entries = []
        for face, track in zip(faces, tracks, strict=True):
            fault = fault_of(face, image)
            if fault is None and self.model.landmarks and face.landmarks is None:
                fault = "the face has no landmarks, which the model takes"
            number = None if track is None else track[1]
            result = frame.result(box=face.box, score=face.score, track=number, error=fault)
            entries.append(Entry(result) if fault is not None else self._cut(result, image, face, track))
        return entries

    def _cut(self, result: FaceResult, image: Image, face: Detection, track: Track | None) -> Entry:
        """Make the network's input of a face."""
        preprocess = self.model.preprocess
        points = None
        if self.model.landmarks and face.landmarks is not None:
            points = preprocess.points(face.landmarks, image, face.box)
        region = preprocess.region(image, face.box)
        return Entry(result, preprocess.face(image, face.box), points, track, region)

    def _classify(
        self, waiting: list[tuple[Frame, list[Entry]]], following: Following
    ) -> Iterator[tuple[Frame, list[FaceResult]]]:
        faces = [entry for _, entries in waiting for entry in entries if entry.face is not None]
        predictions: list[dict[str, Any]] = []
        for start in range(0, len(faces), self.batch_size):
            some = faces[start : start + self.batch_size]
            cut = [entry.face for entry in some if entry.face is not None]
            points = [entry.points for entry in some if entry.points is not None] or None
            tracks = [entry.track for entry in some]
            answers = self.backend.answer(cut, tracks, following.states, points)
            if answers.probabilities is not None and self._taken is not None:
                answers = answers._replace(probabilities=balanced(answers.probabilities, self._taken))
            predictions += _predictions(self.model, answers, some)
        if following.smoother is not None:
            smooth = following.smoother
            predictions = [
                smooth(face.track, face.result.time, fields)
                for face, fields in zip(faces, predictions, strict=True)
            ]
        if self.threshold:
            predictions = [abstained(fields, self.threshold) for fields in predictions]
        following.forget()
        rest = iter(predictions)
        for frame, entries in waiting:
            yield frame, [e.result if e.face is None else replace(e.result, **next(rest)) for e in entries]


def _predictions(
    model: AffectModel | OnnxModel, answers: Answers, faces: Sequence[Entry]
) -> list[dict[str, Any]]:
    """For each face of a batch the fields of ``FaceResult`` that the model's tasks fill, or ``error``."""
    predictions: list[dict[str, Any]] = [{} for _ in faces]
    if answers.probabilities is not None and model.labels is not None:
        for prediction, shares in zip(predictions, answers.probabilities.tolist(), strict=True):
            probabilities = dict(zip(model.labels.names, shares, strict=True))
            label = max(probabilities, key=probabilities.__getitem__)
            prediction |= {"label": label, "probabilities": probabilities}
    if answers.va is not None:
        for prediction, row in zip(predictions, answers.va.tolist(), strict=True):
            prediction |= dict(zip(model.dimensions, row, strict=True))
    if answers.points is not None:
        for prediction, face, values in zip(predictions, faces, answers.points, strict=True):
            points = model.preprocess.image_points(values, face.region)
            prediction["landmarks"] = tuple((x, y) for x, y in points.tolist())
    numbers = [values.reshape(len(faces), -1) for values in answers if values is not None]
    finite = np.isfinite(np.hstack(numbers))
    return [
        told if row.all() else {"error": NOT_FINITE} for told, row in zip(predictions, finite, strict=True)
    ]


def predict(
    inputs: Any,
    model: str | Path | AffectModel | OnnxModel = DEFAULT_MODEL,
    detector: DetectorName | Detector = "auto",
    batch_size: int = 64,
    *,
    backend: BackendName | None = None,
    boxes: Sequence[Any] | None = None,
    min_score: float | None = None,
    min_face: float | None = None,
    device: str | torch.device | None = None,
    every: int = 1,
    fps: float | None = None,
    smooth: bool = False,
    landmarks: str | Path | None = None,
    balance: float = 0.0,
    abstain: bool | float = False,
) -> list[FaceResult]:
    """Predict for every face of one or many images and videos.

    Args:
        inputs: Files of images and videos, folders, glob patterns, addresses of images and prepared folders
            that fsspec knows (``s3://bucket/faces``); arrays of shape (H, W, 3) or tensors of shape
            (3, H, W) or (H, W, 3), RGB uint8; Pillow images; contents of images' files as bytes; open
            binary files of images. One, or a list of these, mixed as you like.
        model: A loaded model, a name that ``affectzoo.load`` takes, or an exported ``.onnx`` file. It keeps
            its mode, and no tensor of it changes.
        detector: ``auto``, ``yunet``, ``centerface``, ``haar``, a detector of your own, or ``none`` when
            each image is a ready crop: then there is one result per image, in order.
        batch_size: Faces per forward pass.
        backend: ``torch`` or ``onnx``; see ``Predictor``.
        boxes: Faces that are known: for each image a box (x0, y0, x1, y1 in pixels), a list of boxes, or
            ``None`` for the detector. Such an image has one result per box, in order; in a video, each frame.
        min_score: The least detector score of a face; see ``Predictor``.
        min_face: The least longer edge of a face's box, pixels.
        device: Where the model runs, such as ``cuda``; it is moved there.
        every: Of videos, one in so many frames is taken.
        fps: Of videos, so many frames a second are taken, by their times; instead of ``every``.
        smooth: Whether to smooth the predictions of each track of a video; see ``Predictor``.
        landmarks: A file or folder of landmarks, for models that take some, which else are found; see
            ``Predictor``.
        balance: The share of the classes' frequencies to take out of the probabilities; see ``Predictor``.
        abstain: The least probability of the likeliest class of a face that gets a label, or ``True`` for
            the weights' own threshold; see ``Predictor``.

    Returns:
        One result per face, images in the order given, frames by time, faces the largest first. An image or
        frame without a face and one that cannot be read have one result with ``error`` set; so has what of
        a video could not be read, behind its frames. ``Predictor.iterate`` gives them as they come.

    Raises:
        AffectZooError: An input that does not exist, holds no images or is no image, with its place; an
            unknown model; a wrong option.
    """
    predictor = Predictor(
        model,
        detector,
        backend=backend,
        device=device,
        batch_size=batch_size,
        min_score=min_score,
        min_face=min_face,
        every=every,
        fps=fps,
        smooth=smooth,
        landmarks=landmarks,
        balance=balance,
        abstain=abstain,
    )
    return predictor(inputs, boxes)

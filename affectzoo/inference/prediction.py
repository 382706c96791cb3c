"""Predict for every face of images: faces of several images share batches, the order is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from affectzoo.errors import AffectZooError, ImageNotFoundError, OptionError, UnreadableImageError
from affectzoo.faces.detect import Detection, Detector, DetectorName, make_detector
from affectzoo.inference.inputs import Source, find, listed
from affectzoo.inference.results import NO_FACE, UNREADABLE, FaceResult
from affectzoo.models.inference import inference
from affectzoo.sample import AffectOutput

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image
    from affectzoo.models.base import AffectModel

DEFAULT_MODEL = "dlp_cnn_s.ferplus"

LARGEST_BOX = 4
"""How many times larger than its image's longer edge a given box may be."""

Entry = tuple[FaceResult, torch.Tensor | None]


class Predictor:
    """A model, a face detector and their options, ready for images.

    Attributes:
        model: The loaded model, in whatever mode it is, which it keeps.
        detector: What finds the faces.
        batch_size: Faces per forward pass.
        min_score: Faces that the detector is less sure of do not count.
    """

    def __init__(
        self,
        model: str | Path | AffectModel = DEFAULT_MODEL,
        detector: DetectorName | Detector = "auto",
        *,
        device: str | torch.device | None = None,
        batch_size: int = 64,
        min_score: float | None = None,
    ) -> None:
        """Load what is needed.

        Args:
            model: A loaded model, or a name that ``affectzoo.load`` takes.
            detector: ``auto``, ``yunet``, ``haar``, a detector of your own, or ``none`` when each image is a
                ready crop.
            device: Where the model runs, such as ``cuda``; it is moved there.
            batch_size: Faces per forward pass, from 1.
            min_score: The least detector score of a face: YuNet's is in 0..1, Haar's an open scale.

        Raises:
            AffectZooError: An unknown model, detector or device, a wrong option, or a model that does not
                predict on single images.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise OptionError(f"batch_size is {batch_size!r}; expected a whole number from 1")
        if min_score is not None and not math.isfinite(min_score):
            raise OptionError(f"min_score is {min_score!r}; expected a number")
        if isinstance(model, str | Path):
            from affectzoo.zoo.loading import load

            model = load(model)
        check_usable(model)
        self.model = model
        self.detector = make_detector(detector)
        self.batch_size = batch_size
        self.min_score = min_score
        if device is not None:
            _move(model, device)

    def __call__(self, inputs: Any, boxes: Any = None) -> list[FaceResult]:
        """Predict for every face of one or many images; see ``affectzoo.predict``."""
        several = listed(inputs)
        if boxes is not None and len(several) == 1 and several[0] is inputs:
            boxes = [boxes]
        sources = find(several).images
        for source in sources:
            if source.problem is not None and source.named:
                raise ImageNotFoundError(f"{source.name}: {source.problem}")
        return [result for image in self.stream(sources, boxes) for result in image]

    def stream(
        self, sources: Iterable[Source], boxes: Iterable[Any] | None = None
    ) -> Iterator[list[FaceResult]]:
        """Predict image by image, faces gathered into batches; order is kept.

        Args:
            sources: The images.
            boxes: For each image its face boxes, see ``affectzoo.predict``.

        Yields:
            Each image's results; one with ``error`` set for an image without a face, or an unreadable one.

        Raises:
            OptionError: Boxes that are none, or not as many as images.
        """
        waiting: list[list[Entry]] = []
        faces = 0
        for source, given in _paired(sources, boxes):
            waiting.append(self._faces(source, given))
            faces += sum(tensor is not None for _, tensor in waiting[-1])
            if faces >= self.batch_size or len(waiting) >= self.batch_size:
                yield from self._classify(waiting)
                waiting, faces = [], 0
        yield from self._classify(waiting)

    def _faces(self, source: Source, boxes: list[Detection] | None) -> list[Entry]:
        """Read an image and cut its faces out."""
        try:
            image = source.read()
        except UnreadableImageError as error:
            return [(FaceResult(source.name, error=f"{UNREADABLE}{error}"), None)]
        if boxes is not None:
            return [self._given(source.name, image, face) for face in boxes] or [_without_face(source)]
        try:
            found = self.detector(image)
        except cv2.error as error:
            return [(FaceResult(source.name, error=f"{self.detector.name} failed: {error.err}"), None)]
        least = -math.inf if self.min_score is None else self.min_score
        seen = [f for f in found if _visible(f, image) and (f.score is None or f.score >= least)]
        return [
            (FaceResult(source.name, face.box, face.score), self.model.preprocess(image, face.box))
            for face in seen
        ] or [_without_face(source)]

    def _given(self, name: str, image: Image, face: Detection) -> Entry:
        x0, y0, x1, y1 = face.box or (0, 0, 0, 0)
        result = FaceResult(name, face.box)
        if not _visible(face, image):
            return replace(result, error="the box has no area inside the image"), None
        if max(x1 - x0, y1 - y0) > LARGEST_BOX * max(image.shape[:2]):
            return replace(result, error="the box is many times larger than the image"), None
        return result, self.model.preprocess(image, face.box)

    def _classify(self, waiting: list[list[Entry]]) -> Iterator[list[FaceResult]]:
        tensors = [tensor for entries in waiting for _, tensor in entries if tensor is not None]
        first = next(p for p in self.model.parameters() if p.is_floating_point())
        predictions: list[dict[str, Any]] = []
        with inference(self.model):
            for start in range(0, len(tensors), self.batch_size):
                batch = torch.stack(tensors[start : start + self.batch_size])
                predictions += _predictions(self.model, self.model(batch.to(first.device, first.dtype)))
        following = iter(predictions)
        for entries in waiting:
            yield [r if tensor is None else replace(r, **next(following)) for r, tensor in entries]


def check_usable(model: AffectModel) -> None:
    """Refuse a model that does not predict on single images.

    Raises:
        AffectZooError: It is to be trained first, or takes clips or landmarks.
    """
    fresh = () if model.meta is None else model.meta.fresh
    if fresh:
        raise AffectZooError(
            f"these weights are to start a training from: {', '.join(fresh)} are random. Train them first: "
            "affectzoo fit --config ... --model.weights FILE --model.new_head true"
        )
    if model.sequence:
        raise AffectZooError(
            f"this {model.arch} needs clips (windows of {model.window or 'several'} frames), not single "
            "images; evaluate it on clips (affectzoo test), or take a model of single images"
        )
    if model.landmarks:
        raise AffectZooError(
            f"this {model.arch} takes {model.landmarks} landmarks with each face, which no detector here "
            "finds; evaluate it on data that have them, or take a model without landmarks"
        )


def _move(model: AffectModel, device: str | torch.device) -> None:
    try:
        model.to(torch.device(device))
    except Exception as error:  # torch raises several kinds for devices that are not there
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OptionError(f"device {str(device)!r} cannot be used: {first}") from None


def _paired(
    sources: Iterable[Source], boxes: Iterable[Any] | None
) -> Iterator[tuple[Source, list[Detection] | None]]:
    if boxes is None:
        yield from ((source, None) for source in sources)
        return
    images, given = list(sources), list(boxes)
    if len(images) != len(given):
        raise OptionError(
            f"boxes are given for {len(given)} images, but there are {len(images)}; give one entry per image "
            "(a box, several, or None for the detector), and no folders or patterns"
        )
    pairs = [(s, None if b is None else _boxes(b, s.name)) for s, b in zip(images, given, strict=True)]
    yield from pairs


def _boxes(given: Any, name: str) -> list[Detection]:
    """Check an image's boxes: one, or several, each x0, y0, x1, y1 in pixels."""
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(3)
    array = array.reshape(-1, 4) if array.shape == (4,) or array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4 or not np.isfinite(array).all():
        raise OptionError(
            f"boxes of {name}: {given!r}; expected x0, y0, x1, y1 in pixels, or a list of these"
        )
    return [Detection((x0, y0, x1, y1)) for x0, y0, x1, y1 in array.tolist()]


def _without_face(source: Source) -> Entry:
    return FaceResult(source.name, error=NO_FACE), None


def _visible(face: Detection, image: Image) -> bool:
    if face.box is None:
        return True
    x0, y0, x1, y1 = face.box
    return x0 < x1 and y0 < y1 and x1 > 0 and y1 > 0 and x0 < image.shape[1] and y0 < image.shape[0]


def _predictions(model: AffectModel, output: AffectOutput) -> list[dict[str, Any]]:
    """For each face of a batch the fields of ``FaceResult`` that the model's tasks fill."""
    predictions: list[dict[str, Any]] = [{} for _ in output.features]
    if output.expression is not None and model.labels is not None:
        for prediction, shares in zip(
            predictions, output.expression.float().softmax(dim=1).tolist(), strict=True
        ):
            probabilities = dict(zip(model.labels.names, shares, strict=True))
            label = max(probabilities, key=probabilities.__getitem__)
            prediction |= {"label": label, "probabilities": probabilities}
    if output.va is not None:
        values = output.va.float().clamp(-1, 1).tolist()
        for prediction, row in zip(predictions, values, strict=True):
            prediction |= dict(zip(model.dimensions, row, strict=True))
    return predictions


def predict(
    inputs: Any,
    model: str | Path | AffectModel = DEFAULT_MODEL,
    detector: DetectorName | Detector = "auto",
    batch_size: int = 64,
    *,
    boxes: Sequence[Any] | None = None,
    min_score: float | None = None,
    device: str | torch.device | None = None,
) -> list[FaceResult]:
    """Predict for every face of one or many images.

    Args:
        inputs: Files, folders, glob patterns; arrays of shape (H, W, 3) or tensors of shape (3, H, W) or
            (H, W, 3), RGB uint8; Pillow images; contents of files as bytes; open binary files. One, or a
            list of these, mixed as you like.
        model: A loaded model, or a name that ``affectzoo.load`` takes. It keeps its mode, and no tensor of it
            changes.
        detector: ``auto``, ``yunet``, ``haar``, a detector of your own, or ``none`` when each image is a
            ready crop: then there is one result per image, in order.
        batch_size: Faces per forward pass.
        boxes: Faces that are known: for each image a box (x0, y0, x1, y1 in pixels), a list of boxes, or
            ``None`` for the detector. Such an image has one result per box, in order.
        min_score: The least detector score of a face; see ``Predictor``.
        device: Where the model runs, such as ``cuda``; it is moved there.

    Returns:
        One result per face, images in the order given, faces the largest first. An image without a face
        and one that cannot be read have one result with ``error`` set.

    Raises:
        AffectZooError: An input that does not exist, holds no images or is no image, with its place; an
            unknown model; a wrong option.
    """
    return Predictor(model, detector, device=device, batch_size=batch_size, min_score=min_score)(
        inputs, boxes
    )

"""What the service answers, as JSON; OpenAPI is made of these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from affectzoo.console import visible
from affectzoo.inference.results import NO_FACE, FaceResult


class Face(BaseModel):
    """A face and what the model says of it."""

    box: tuple[float, float, float, float] | None = Field(
        description="x0, y0, x1, y1 in pixels of the upright image; null where the image is a ready crop"
    )
    score: float | None = Field(description="the detector's confidence")
    label: str | None = Field(
        description="the likeliest class; null for models without classes, and where no class is as probable "
        "as the service's threshold"
    )
    probabilities: dict[str, float] = Field(description="of each class, summing to 1")
    valence: float | None = Field(description="-1 to 1; null for models that do not predict it")
    arousal: float | None = Field(description="-1 to 1; null for models that do not predict it")
    landmarks: list[tuple[float, float]] = Field(
        description="68 points x, y in pixels of the upright image; none for models that predict none"
    )


class ImageAnswer(BaseModel):
    """An image and its faces, the largest first."""

    file: str = Field(description="the name that came with the image")
    faces: list[Face]
    error: str | None = Field(
        description=f"why there are no faces, as affectzoo predict says it: {NO_FACE}, or unreadable: ..."
    )


class BatchAnswer(BaseModel):
    """Several images, in the order in which they came."""

    images: list[ImageAnswer]


class Bounds(BaseModel):
    """What the service takes at most."""

    image_bytes: int
    image_pixels: int
    batch_files: int
    batch_bytes: int
    seconds: float
    waiting: int


class ModelAnswer(BaseModel):
    """The model behind the answers."""

    name: str
    architecture: str
    tasks: list[str]
    labels: list[str]
    input: str
    detector: str
    threshold: float = Field(
        description="least probability of a label; 0: each face of a model with classes has one"
    )
    license: dict[str, str] = Field(description="terms of weights, images and labels")
    limits: Bounds


class Health(BaseModel):
    """That the service answers, and how busy it is."""

    status: str
    model: str
    version: str
    requests: int = Field(description="requests with images that are being answered or wait")


class Fault(BaseModel):
    """What went wrong."""

    code: str = Field(description="such as too_large, unsupported_type, unreadable_image, busy, timeout")
    message: str = Field(description="what was wrong, and what to do")


class Failure(BaseModel):
    """An answer that is no prediction."""

    error: Fault


def image_answer(file: str, results: Iterable[FaceResult]) -> ImageAnswer:
    """Turn an image's results into an answer."""
    told = list(results)
    error = next((result.error for result in told if result.error is not None), None)
    return ImageAnswer(
        file=visible(file),
        faces=[_face(result) for result in told if result.error is None],
        error=None if error is None else visible(error),
    )


def _face(result: FaceResult) -> Face:
    fields: dict[str, Any] = {name: getattr(result, name) for name in Face.model_fields}
    return Face(**fields)

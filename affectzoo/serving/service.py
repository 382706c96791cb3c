"""The HTTP service: health, the model, one image, several images; every error is JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from affectzoo import __version__
from affectzoo.errors import AffectZooError
from affectzoo.inference.inputs import Source
from affectzoo.inference.prediction import Predictor
from affectzoo.serving.answers import (
    BatchAnswer,
    Bounds,
    Failure,
    Health,
    ImageAnswer,
    ModelAnswer,
    image_answer,
)
from affectzoo.serving.refusal import Refusal
from affectzoo.serving.uploads import MULTIPART, Limits, Upload, decoded, read_upload, read_uploads
from affectzoo.serving.workers import Workers

DESCRIPTION = """\
Find the faces of images and predict each one's expression. Images are decoded in memory, predicted on
and forgotten; nothing is written and nothing is sent on. An expression is how a face looks to others, not
what the person feels.
"""

_BINARY = {"type": "string", "format": "binary"}
_ONE_FILE = {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
_FILES = {
    "type": "object",
    "properties": {"files": {"type": "array", "items": _BINARY}},
    "required": ["files"],
}
_TOLD = {
    400: "the form cannot be read",
    408: "the request came too slowly",
    413: "too many bytes, pixels or files",
    415: "no image, or of a format that is not read",
    422: "a damaged image, or no file",
    503: "too many requests, or it took too long; try again later",
}
_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": told} for status, told in _TOLD.items()
}


def build_service(predictors: Sequence[Predictor], name: str, limits: Limits = Limits()) -> FastAPI:
    """Make the service, to be run by uvicorn or another ASGI server.

    Args:
        predictors: One for each request that is answered at the same time; they may share a model, but no
            detector.
        name: What the model is called.
        limits: What is taken at most.

    Returns:
        The application: ``GET /health``, ``GET /model``, ``POST /predict``, ``POST /batch``, ``GET /docs``.

    Raises:
        AffectZooError: The model reads sequences, and no single images.
    """
    model = predictors[0].model
    if model.sequence:
        raise AffectZooError(
            f"this {model.arch} reads videos, and the service takes single images: choose another --model, "
            "or use affectzoo predict for videos"
        )
    workers = Workers(predictors, limits.waiting, limits.seconds)
    about = _about(predictors[0], name, limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        workers.close()

    service = FastAPIOffline(
        title="affectzoo", version=__version__, description=DESCRIPTION, redoc_url=None, lifespan=lifespan
    )

    @service.get("/", include_in_schema=False)
    async def start() -> RedirectResponse:
        return RedirectResponse("docs")

    @service.get("/health")
    async def health() -> Health:
        """Say that the service answers."""
        return Health(status="ok", model=name, version=__version__, requests=workers.requests)

    @service.get("/model")
    async def describe_model() -> ModelAnswer:
        """Describe the model, its terms and the service's limits."""
        return about

    content: dict[str, Any] = {MULTIPART: {"schema": _ONE_FILE}}
    content |= {kind: {"schema": _BINARY} for kind in ("application/octet-stream", "image/jpeg", "image/png")}

    @service.post("/predict", responses=_FAILURES, openapi_extra=_body(content))
    async def predict(request: Request) -> ImageAnswer:
        """Predict for the faces of one image: its bytes as the body, or a form with one file."""
        async with workers.place():
            upload = await read_upload(request, limits)
            return await workers.run(lambda predictor: _one(predictor, upload))

    @service.post("/batch", responses=_FAILURES, openapi_extra=_body({MULTIPART: {"schema": _FILES}}))
    async def batch(request: Request) -> BatchAnswer:
        """Predict for the faces of several images; one that cannot be read says so in its place."""
        async with workers.place():
            uploads = await read_uploads(request, limits)
            return await workers.run(lambda predictor: _several(predictor, uploads))

    service.add_exception_handler(Refusal, _refused)
    service.add_exception_handler(HTTPException, _refused)
    service.add_exception_handler(Exception, _failed)
    return service


def _one(predictor: Predictor, upload: Upload) -> ImageAnswer:
    """Predict on an image that must be readable."""
    source = Source(upload.name, decoded(upload))
    return image_answer(upload.name, [face for _, faces in predictor.run([source]) for face in faces])


def _several(predictor: Predictor, uploads: Sequence[Upload]) -> BatchAnswer:
    answers = [image_answer(frame.source.name, faces) for frame, faces in predictor.run(uploads)]
    return BatchAnswer(images=answers)


def _about(predictor: Predictor, name: str, limits: Limits) -> ModelAnswer:
    model, meta = predictor.model, predictor.model.describe()
    preprocess = model.preprocess
    return ModelAnswer(
        name=name,
        architecture=model.arch,
        tasks=[meta.task],
        labels=list(meta.labels),
        input=f"{preprocess.size} x {preprocess.size} {preprocess.color}",
        detector=predictor.faces_from,
        threshold=predictor.threshold,
        license=dict(meta.license),
        limits=Bounds(**asdict(limits)),
    )


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}


async def _refused(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, Refusal):
        headers = {"Retry-After": "1"} if error.status == 503 else None
        return _failure(error.status, error.code, str(error), headers)
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "wrong_method"}
    told = f"{request.method} {request.url.path}: {error.detail}; what there is: /docs"
    headers = None if error.headers is None else dict(error.headers)
    return _failure(error.status_code, codes.get(error.status_code, "refused"), told, headers)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    """Answer when something failed that should not; its traceback is in the service's log alone."""
    if isinstance(error, AffectZooError):
        return _failure(422, "refused", str(error))
    return _failure(500, "internal", "the service failed; its log says how")


def _failure(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)

"""Read images out of requests: as many bytes, files and pixels as allowed, kept in memory alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from affectzoo.console import visible
from affectzoo.errors import ImageTooLargeError, OptionError, UnreadableImageError
from affectzoo.files.decoding import HEAD, READ, decode, format_of
from affectzoo.inference.inputs import Source
from affectzoo.serving.refusal import Refusal

if TYPE_CHECKING:
    from affectzoo.files.decoding import Image

MULTIPART = "multipart/form-data"
BYTES = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})
"""Types that may be an image's bytes, beside ``image/...``; the last one is what curl says of any."""

HEADERS = 64 * 2**10
"""Bytes that a multipart body may have beside its files."""

NAME = 200
"""Characters of a file's name that are kept."""


@dataclass(frozen=True)
class Limits:
    """What the service takes at most.

    Attributes:
        image_bytes: Of one image's file.
        image_pixels: Width times height of an image.
        batch_files: Images of one request.
        batch_bytes: Of all files of one request.
        seconds: In which a request's body must come, and in which it is answered.
        waiting: Requests that wait while others are answered.
    """

    image_bytes: int = 20 * 2**20
    image_pixels: int = 50_000_000
    batch_files: int = 16
    batch_bytes: int = 80 * 2**20
    seconds: float = 30.0
    waiting: int = 16

    def __post_init__(self) -> None:
        """Refuse limits that let nothing through."""
        for name, value in vars(self).items():
            if value < 0 or (value == 0 and name != "waiting"):
                raise OptionError(f"{name} is {value!r}; expected more")


@dataclass(frozen=True)
class Upload(Source):
    """An image that was sent, decoded when it is its turn.

    Attributes:
        max_pixels: An image of more is not decoded.
    """

    max_pixels: int = Limits.image_pixels

    def read(self) -> Image:
        """Decode it; see ``files.decoding.decode``."""
        if self.problem is not None:
            return super().read()
        return decode(self.value, self.name, self.max_pixels)


async def read_upload(request: Request, limits: Limits) -> Upload:
    """Read the one image of a request: the body itself, or the one file of a form.

    Raises:
        Refusal: It is too large, too slow, of another type, or not one file.
    """
    kind = _media_type(request)
    if kind == MULTIPART:
        uploads = await _read_form(request, limits, 1, limits.image_bytes)
        return uploads[0]
    if not kind.startswith("image/") and kind not in BYTES:
        raise Refusal(
            415,
            "unsupported_type",
            f"Content-Type is {visible(kind)}; send an image's bytes as image/jpeg or "
            f"application/octet-stream, or a form with one file as {MULTIPART}",
        )
    content = bytearray()
    async with _in_time(limits.seconds):
        async for chunk in _bounded(request, limits.image_bytes):
            content += chunk
    return Upload("image", bytes(content), max_pixels=limits.image_pixels)


async def read_uploads(request: Request, limits: Limits) -> list[Upload]:
    """Read the files of a form; one that is too large has a problem instead of content.

    Raises:
        Refusal: All together are too large, too slow, too many, none, or no form.
    """
    if (kind := _media_type(request)) != MULTIPART:
        raise Refusal(
            415,
            "unsupported_type",
            f"Content-Type is {visible(kind) or 'missing'}; send files as {MULTIPART}",
        )
    return await _read_form(request, limits, limits.batch_files, limits.batch_bytes)


def decoded(upload: Upload) -> Image:
    """Decode an image.

    Raises:
        Refusal: It has too many pixels, is of a format that is not read, or damaged; in the words of
            ``affectzoo predict``.
    """
    try:
        return upload.read()
    except ImageTooLargeError as error:
        raise Refusal(413, "too_many_pixels", str(error)) from None
    except UnreadableImageError as error:
        kind = format_of((upload.value or b"")[:HEAD])
        if upload.problem is not None:
            raise Refusal(413, "too_large", str(error)) from None
        if kind is not None and kind not in READ:
            raise Refusal(415, "unsupported_format", str(error)) from None
        raise Refusal(422, "unreadable_image", str(error)) from None


async def _read_form(request: Request, limits: Limits, most: int, most_bytes: int) -> list[Upload]:
    body = _bounded(request, most_bytes + HEADERS)
    parser = MultiPartParser(request.headers, body, max_files=most, max_fields=8, max_part_size=HEADERS)
    parser.spool_max_size = 0  # in memory, however large
    async with _in_time(limits.seconds):
        try:
            form = await parser.parse()
        except MultiPartException as error:
            if error.message.startswith("Too many files"):
                told = "one file; for several: POST /batch" if most == 1 else f"{most} files at most"
                raise Refusal(413, "too_many_files", f"send {told}") from None
            raise Refusal(400, "malformed", f"the form cannot be read: {error.message}") from None
        except KeyError:
            raise Refusal(400, "malformed", "the form cannot be read: no boundary is declared") from None
    files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
    if not files:
        raise Refusal(422, "no_file", "the form has no file; send one as the field 'file'")
    return [await _upload(file, limits) for file in files]


async def _upload(file: UploadFile, limits: Limits) -> Upload:
    name = visible((file.filename or "")[:NAME]) or "image"
    if (file.size or 0) > limits.image_bytes:
        return Upload(name, problem=_too_large(file.size or 0, limits.image_bytes))
    return Upload(name, await file.read(), max_pixels=limits.image_pixels)


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """Pass a body on until it is too large; what its sender declares is believed where it is too much."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise Refusal(413, "too_large", _too_large(int(told), most))
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > most:
            raise Refusal(413, "too_large", _too_large(seen, most))
        yield chunk


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Refusal(408, "too_slow", f"the request did not come within {seconds:g} s") from None
    except ClientDisconnect:
        raise Refusal(400, "disconnected", "the request ended early") from None


def _too_large(size: int, most: int) -> str:
    return f"{size:,} bytes are more than {most:,}; make it smaller"


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()

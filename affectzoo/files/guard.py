"""Bound how long a server can keep the Hub's client: with its answer, with waits, and with a slow body."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from affectzoo.errors import WeightsError

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

GRACE = 30.0
"""Seconds in which a body may come as slowly as it likes, and that a server may ask to wait."""

SLOWEST = 8 * 2**10
"""Bytes per second that must have come from then on, on average."""


class UnreachableError(WeightsError):
    """The Hub gave no answer; it may give one later."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """Wait for work no longer than some seconds, though each of its steps may be in time.

    Args:
        seconds: From now on.
        work: Changes nothing: what comes later is dropped.

    Raises:
        UnreachableError: It takes longer.
    """
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:  # told to who waits
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # the process does not wait for it
    try:
        return found.result(seconds)
    except TimeoutError:
        if found.done():
            raise
        raise UnreachableError(f"no answer in {seconds:g} s: try again later") from None


@contextmanager
def guarded() -> Iterator[None]:
    """Watch every answer that the Hub's client gets meanwhile.

    Raises:
        UnreachableError: The server asks to wait for long, or sends too slowly.
    """
    from huggingface_hub import get_session

    hooks = get_session().event_hooks["response"]
    hooks.append(_watch)
    try:
        yield
    finally:
        hooks.remove(_watch)


def _watch(response: httpx2.Response) -> None:
    from huggingface_hub.utils._http import parse_ratelimit_headers

    asked = parse_ratelimit_headers(response.headers)
    told = response.headers.get("retry-after", "")
    wait = asked.reset_in_seconds if asked and not asked.remaining else int(told) if told.isdecimal() else 0
    if response.is_error and wait > GRACE:
        raise UnreachableError(f"the Hub takes no more requests now: try again in {wait} s")
    response.stream = _paced(response.stream)  # type: ignore[arg-type]


def _paced(stream: httpx2.SyncByteStream) -> httpx2.SyncByteStream:
    """Return a body that ends with an error where it comes too slowly."""
    import httpx2

    class Paced(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            start, received = time.monotonic(), 0
            for chunk in stream:
                received += len(chunk)
                spent = time.monotonic() - start
                if received < SLOWEST * (spent - GRACE):
                    raise UnreachableError(
                        f"{received:,} bytes came in {spent:.0f} s, which is too slow: try again later"
                    )
                yield chunk

        def close(self) -> None:
            stream.close()

    return Paced()

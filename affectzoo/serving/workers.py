"""Threads that predict: as many requests at once as there are, some that wait, the others are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from queue import SimpleQueue
from typing import TypeVar

from affectzoo.inference.prediction import Predictor
from affectzoo.serving.refusal import Refusal

T = TypeVar("T")


class Workers:
    """Predictors, each used by one request at a time."""

    def __init__(self, predictors: Sequence[Predictor], waiting: int, seconds: float) -> None:
        """Start their threads.

        Args:
            predictors: They may share a model, but no detector.
            waiting: Requests that may wait for one, beside those that have one.
            seconds: How long a request waits for its answer at most.
        """
        self._free: SimpleQueue[Predictor] = SimpleQueue()
        for predictor in predictors:
            self._free.put(predictor)
        self._threads = ThreadPoolExecutor(len(predictors), thread_name_prefix="predict")
        self._most = len(predictors) + waiting
        self._seconds = seconds
        self.requests = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Enclose a request, from before its body is read.

        Raises:
            Refusal: There are too many already.
        """
        if self.requests >= self._most:
            raise Refusal(503, "busy", f"{self.requests} requests are being answered: try again later")
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    async def run(self, work: Callable[[Predictor], T]) -> T:
        """Do work with a predictor, in a thread.

        A forward pass cannot be stopped: what takes too long is answered at once and goes on to its end, and
        until then its thread takes nothing else.

        Raises:
            Refusal: It takes too long.
        """

        def done() -> T:
            predictor = self._free.get()
            try:
                return work(predictor)
            finally:
                self._free.put(predictor)

        future = self._threads.submit(done)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            raise Refusal(
                503, "timeout", f"no prediction within {self._seconds:g} s: send fewer or smaller images"
            ) from None

    def close(self) -> None:
        """Wait for what runs, drop what waits."""
        self._threads.shutdown(cancel_futures=True)

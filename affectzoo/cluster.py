"""Work on several machines, or all cores of one: Ray's workers take pieces of it, results come in order."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from affectzoo.errors import AffectZooError, OptionError
from affectzoo.packages import need

P = TypeVar("P")
R = TypeVar("R")

Engine = Literal["local", "ray"]

RETRIES = 3
"""How often a piece is begun again whose worker died."""


def check_engine(engine: Engine) -> None:
    """See that an engine is at hand, before anything is done.

    Raises:
        MissingPackageError: It is not installed.
    """
    if engine == "ray":
        need("--engine ray", "ray", "ray")


def on_ray(
    make: Callable[[], Callable[[P], R]],
    pieces: Iterable[P],
    told: Callable[[P], str],
    *,
    gpu: bool = False,
    workers: int | None = None,
) -> Iterator[R]:
    """Work on a cluster: the one that runs Ray already or that ``RAY_ADDRESS`` names, else this machine.

    Each worker is an actor with one core, and one GPU where asked for. One that dies, be it with its machine,
    is started again, here or elsewhere, and so is the piece that it had. Paths are the same as here, where
    its machine has them.

    Args:
        make: Makes what works on a piece; called once in each worker.
        pieces: Taken one by one, as workers become free.
        told: How a piece is called in an error.
        gpu: Whether each worker has a GPU.
        workers: How many there are at most; by default as many as the cluster has free cores, or GPUs.

    Yields:
        What becomes of each piece, in the order of the pieces.

    Raises:
        OptionError: The cluster has no GPU.
        AffectZooError: There is no cluster at ``RAY_ADDRESS``, or Ray does not start; a piece's workers died
            time and again; and what ``make`` and its result raise.
    """
    with _ray() as ray:
        kind = "GPU" if gpu else "CPU"
        if not (there := int(ray.cluster_resources().get(kind, 0))):
            raise OptionError(f"the Ray cluster has no {kind}: see ray status")
        count = max(1, min(there, int(ray.available_resources().get(kind, 0)), workers or there))
        worker = ray.remote(num_cpus=1, num_gpus=int(gpu), max_restarts=-1, max_task_retries=RETRIES)(_Worker)
        yield from _through(ray, [worker.remote(make, Path.cwd()) for _ in range(count)], pieces, told)


class _Worker:
    """Works on pieces; what it needs is loaded with the first, so that what fails then is told."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]], folder: Path) -> None:
        self._make = make
        self._folder = folder
        self._work: Callable[[Any], Any] | None = None

    def run(self, piece: Any) -> Any:
        if self._work is None:
            import cv2

            cv2.setNumThreads(1)  # workers use every core already
            with suppress(OSError):  # all names are of addresses, or whole paths
                os.chdir(self._folder)
            self._work = self._make()
        return self._work(piece)


def _through(ray: Any, workers: list[Any], pieces: Iterable[P], told: Callable[[P], str]) -> Iterator[R]:
    """Give each worker a piece and, so that none waits for its next one, another."""
    ahead = enumerate(pieces)
    running: dict[Any, tuple[int, P, Any]] = {}
    done: dict[int, R] = {}
    due = 0

    def start(worker: Any) -> None:
        for number, piece in islice(ahead, 1):
            running[worker.run.remote(piece)] = number, piece, worker

    for worker in workers * 2:
        start(worker)
    while running:
        (future,), _ = ray.wait(list(running))
        number, piece, worker = running.pop(future)
        start(worker)
        try:
            done[number] = ray.get(future)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            first = str(error).strip().splitlines()[0]
            raise AffectZooError(
                f"{told(piece)}: {1 + RETRIES} workers died of it, or could not be reached: {first}"
            ) from None
        while due in done:
            yield done.pop(due)
            due += 1


@contextmanager
def _ray() -> Iterator[Any]:
    """Be connected to Ray, silently; what was started for this is ended."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences advice
    import ray
    from ray._private import worker

    # Ray says on standard output, amid results, that a worker died.
    worker.print_to_stdstream = lambda *_, **__: None
    if ray.is_initialized():
        yield ray
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except Exception as error:  # of many kinds, also plain ones
        raise AffectZooError(f"Ray cannot be started or reached: {str(error).splitlines()[0]}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    try:
        yield ray
    finally:
        ray.shutdown()

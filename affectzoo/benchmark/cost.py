"""What a system costs: parameters, operations and time per face, and the machine that it was timed on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from affectzoo.errors import AffectZooError
from affectzoo.models.inference import inference

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel

WARM_UP, RUNS = (1, 5), (3, 50)
"""Fewest and most calls, before the clock counts and while it does."""
WARM_UP_SECONDS, SECONDS = 0.5, 3.0
"""Beyond the fewest, calls go on for so long."""
MUCH = 0.2
"""A machine is busy where other work has the processor for more than this share of a timing."""


def cost(
    model: AffectModel, *, window: int | None = None, batch_size: int = 64, threads: int | None = None
) -> dict[str, Any]:
    """Measure the network alone, on prepared faces that lie on its device; detection and cropping are not in.

    Args:
        model: On the device to measure on. Its modes are afterwards as before.
        window: Frames per window of a recurrent model, 0 for single faces; by default as its weights were
            evaluated in training.
        batch_size: Faces per forward pass for the throughput; halved while the device's memory is too small.
        threads: CPU threads; by default torch's own number. Afterwards as before.

    Returns:
        ``parameters``; ``flops`` of one face; ``latency_ms``, the median at batch size 1; ``throughput``, the
        median of faces per second at batch size ``batch``; ``held_up``, see ``timed``; ``device``, ``cpu`` or
        ``cuda``; ``threads``. With a window, a face is one frame's share of it; the wait for a window's
        frames is not in the latency.

        FLOPs are those of convolutions, matrix products and attention, a multiply-add counted as 2, as
        ``torch.utils.flop_counter`` does; papers that count it as 1 have half as many.

    Raises:
        AffectZooError: The batch or window size is out of range.
    """
    if window is None:
        window = model.window
    if batch_size < 1 or window < 0:
        raise AffectZooError(f"cost: batch size {batch_size}, window {window}; expected 1 or more, 0 or more")
    frames = max(1, window)
    with _at_rest(model, threads):
        flops = _flops(model, window)
        times, windows = _times(model, window, max(1, batch_size // frames))
        used = torch.get_num_threads()
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "flops": round(flops / frames),
        "latency_ms": times["latency_ms"] / frames,
        "throughput": times["throughput"] * frames,
        "held_up": times["held_up"],
        "batch": windows * frames,
        "device": model.device.type,
        "threads": used,
    }


def timed(function: Callable[[Any], Any], faces: Any) -> dict[str, float]:
    """Time a function of faces, such as a hand-crafted feature with its classifier.

    Args:
        function: Called with some of ``faces``; done when it returns.
        faces: An array, tensor or list, a face each.

    Returns:
        ``latency_ms`` of the first face alone and ``throughput``, faces per second of all together: medians
        of repeated calls after warm-up; ``held_up``, the share of the time in which this thread did not run,
        0 to 1: other work had the processor.

    Raises:
        AffectZooError: There are no faces.
    """
    if len(faces) == 0:
        raise AffectZooError("timed: no faces to time the function on")
    start, ran = time.perf_counter(), time.thread_time()
    one, every = (_median_seconds(function, part) for part in (faces[:1], faces))
    share = (time.thread_time() - ran) / (time.perf_counter() - start)
    return {"latency_ms": 1000 * one, "throughput": len(faces) / every, "held_up": max(0.0, 1 - share)}


def remark(spent: Mapping[str, Any] | None) -> str | None:
    """What must be said beside times that were taken on a busy machine; ``None`` where it was quiet.

    Args:
        spent: See ``cost``.
    """
    share = (spent or {}).get("held_up", 0.0)
    if share <= MUCH:
        return None
    return f"timed on a busy machine: other work had the processor for {share:.0%} of the time"


@contextmanager
def _at_rest(model: AffectModel, threads: int | None) -> Iterator[None]:
    """Set up inference on so many threads."""
    before = torch.get_num_threads()
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        with inference(model):
            yield
    finally:
        torch.set_num_threads(before)


def _shapes(model: AffectModel, window: int, number: int) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The shapes of images and landmarks."""
    leading = (number, window) if window else (number,)
    prepared = model.preprocess
    image = (*leading, prepared.channels, prepared.size, prepared.size)
    return image, (*leading, model.landmarks, 2) if model.landmarks else None


def _flops(model: AffectModel, window: int) -> int:
    """Count one face's or window's operations on shapes alone, where recurrent layers are matrix products."""
    image, points = (
        None if shape is None else torch.empty(shape, device="meta") for shape in _shapes(model, window, 1)
    )
    tensors = [*model.named_parameters(), *model.named_buffers()]
    with FlopCounterMode(display=False) as counter:
        functional_call(model, {name: t.to("meta") for name, t in tensors}, (image, points))
    return int(counter.get_total_flops())


def _times(model: AffectModel, window: int, number: int) -> tuple[dict[str, float], int]:
    """Time windows as ``timed`` does, and return how many fitted into memory at once."""
    random = torch.Generator().manual_seed(0)
    try:
        images, points = (
            None if shape is None else torch.randn(shape, generator=random).to(model.device)
            for shape in _shapes(model, window, number)
        )

        def run(faces: torch.Tensor) -> None:
            model(faces, None if points is None else points[: len(faces)])
            if faces.is_cuda:
                torch.cuda.synchronize(faces.device)

        return timed(run, images), number
    except torch.OutOfMemoryError:
        if number == 1:
            raise
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
    return _times(model, window, number // 2)


def _median_seconds(function: Callable[[Any], Any], argument: Any) -> float:
    _seconds(function, argument, *WARM_UP, WARM_UP_SECONDS)
    return statistics.median(_seconds(function, argument, *RUNS, SECONDS))


def _seconds(
    function: Callable[[Any], Any], argument: Any, fewest: int, most: int, limit: float
) -> list[float]:
    """How long each of several calls took."""
    found: list[float] = []
    while len(found) < fewest or (len(found) < most and sum(found) < limit):
        start = time.perf_counter()
        function(argument)
        found.append(time.perf_counter() - start)
    return found

"""What several training processes tell each other; with one process nothing is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import distributed

T = TypeVar("T")


def processes() -> tuple[int, int]:
    """This process's number, and how many train or evaluate together."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def from_first_process(work: Callable[[], T]) -> T:
    """Let the first process do work for all; all of them must call this.

    Raises:
        Exception: What ``work`` raised, in every process, so that none waits for the others.
    """
    rank, world = processes()
    if world == 1:
        return work()
    done: list[T | Exception | None] = [None]
    if rank == 0:
        try:
            done = [work()]
        except Exception as error:  # told to the others, then raised
            done = [error]
    distributed.broadcast_object_list(done, src=0)
    result = done[0]
    if isinstance(result, Exception):
        raise result
    return result  # type: ignore[return-value]


def from_all_processes(value: T) -> list[T]:
    """Gather a value from each process, in the order of their numbers; all of them must call this."""
    _, world = processes()
    if world == 1:
        return [value]
    values: list[T | None] = [None] * world
    distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]


def shared_evenly(count: torch.Tensor) -> torch.Tensor:
    """Take the mean of counts over processes; all of them must call this.

    A loss that each process divides by it, rather than by its own count, has as its mean over processes the
    loss of all their batches as one.

    Args:
        count: Of any shape, such as the labeled faces of this process's batch.

    Returns:
        The same shape, at least float32; with one process the count itself.
    """
    _, world = processes()
    if world == 1:
        return count
    mean = count.to(torch.promote_types(count.dtype, torch.float32))
    distributed.all_reduce(mean)
    return mean / world

"""What several training processes tell each other; with one process nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import distributed

T = TypeVar("T")

_alone = ContextVar("_alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Send nothing while it lasts: what is computed has the faces of all processes already.

    Such faces may lie on the CPU, which NCCL, the way between GPUs, cannot send from.
    """
    before = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(before)


def processes() -> tuple[int, int]:
    """This process's number, and how many train or evaluate together; 0 and 1 within ``alone``."""
    if not _alone.get() and distributed.is_available() and distributed.is_initialized():
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


def rows_of_all(*own: torch.Tensor) -> tuple[list[torch.Tensor], slice]:
    """Gather tensors that are as long as this process's batch; all processes must call this.

    Args:
        own: Each of shape (n, ...); n may differ between processes.

    Returns:
        Each of shape (N, ...), in the order of the processes' numbers, without gradients but with one
        process; and where this process's rows are in them.
    """
    rank, world = processes()
    if world == 1:
        return list(own), slice(0, len(own[0]))
    sizes = [torch.zeros(1, dtype=torch.long, device=own[0].device) for _ in range(world)]
    distributed.all_gather(sizes, torch.tensor([len(own[0])], device=own[0].device))
    counts = [int(size) for size in sizes]
    start = sum(counts[:rank])
    return [_gather(tensor.detach(), counts) for tensor in own], slice(start, start + counts[rank])


def _gather(own: torch.Tensor, counts: list[int]) -> torch.Tensor:
    padded = own.new_zeros(max(counts), *own.shape[1:])
    padded[: len(own)] = own
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


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

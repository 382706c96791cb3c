"""Losses on features over two processes equal those of one process with both batches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing, nn

from affectzoo.losses.features import CenterLoss, LocalityPreservingLoss

METHOD = "fork" if sys.platform == "linux" else "spawn"
MAKERS: dict[str, Callable[[], nn.Module]] = {
    "locality": lambda: LocalityPreservingLoss(k=3, memory=40, dim=5),
    "locality, small memory": lambda: LocalityPreservingLoss(k=3, memory=7, dim=5),
    "locality, batch alone": lambda: LocalityPreservingLoss(k=2, memory=0, dim=5),
    "center": lambda: CenterLoss(classes=4, dim=5, rate=0.5),
}
SIZES = ((6, 6), (8, 4), (1, 11), (12, 0))
"""Faces of each process per step: even, uneven, and none."""


def run(rank: int, world: int) -> dict[str, Any]:
    """Losses, gradients and state of each loss over a few steps; those of all processes as one."""
    found: dict[str, Any] = {}
    for name, make in MAKERS.items():
        torch.manual_seed(1)
        term, steps = make(), []
        for sizes in SIZES:
            features = (3 * torch.randn(12, 5) + 10).requires_grad_()
            labels, rows = torch.randint(-1, 4, (12,)), torch.randperm(60)[:12]
            own = slice(0, 12) if world == 1 else slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
            loss = term(features[own], labels[own], rows[own])
            loss.backward()
            assert features.grad is not None
            told = torch.cat([loss.detach()[None], features.grad.flatten()])
            if world > 1:
                dist.all_reduce(told)  # DDP takes the mean over processes
            steps.append(told / world)
        found[name] = {"steps": torch.stack(steps)}
        for key in ("features", "labels", "rows", "centers"):
            if hasattr(term, key):
                found[name][key] = getattr(term, key)
    return found


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(run(rank, 2), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    multiprocessing.start_processes(work, (str(tmp_path),), nprocs=2, start_method=METHOD)
    one = run(0, 1)
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt", weights_only=True), one)


def test_memory_is_the_same_whatever_the_order_of_a_batch() -> None:
    features, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    rows = torch.tensor([7, 2, 12, 3, 1, 17])  # 7, 2, 12 and 17 share a place
    kept = []
    for order in (torch.arange(6), torch.tensor([5, 0, 4, 2, 3, 1])):
        loss = LocalityPreservingLoss(1, 5, 3)
        loss(features[order], labels[order], rows[order])
        kept.append((loss.features, loss.labels, loss.rows))
    torch.testing.assert_close(kept[1], kept[0], rtol=0, atol=0)
    assert kept[0][2].tolist() == [-1, 1, 17, 3, -1]

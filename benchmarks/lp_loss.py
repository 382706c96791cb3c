"""How much of a DLP-CNN training step the locality-preserving loss takes.

    python benchmarks/lp_loss.py --repetitions 9 --json lp_loss.json

Random images with RAF-DB's class frequencies; neighbors are looked for in the batch alone, then in a
memory as large as RAF-DB's training part too. Steps and losses alternate, so that other load on the
machine meets both alike; medians are printed. Where other programs use the cores, --threads 1 is fairer:
several threads wait for each other at every small operation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from affectzoo import modules
from affectzoo.losses.features import FeatureLoss, LocalityPreservingLoss
from affectzoo.models.dlp_cnn import BaseDCNNTrunk

RAFDB = (1290, 281, 717, 4772, 1982, 705, 2524)
"""Training faces of RAF-DB by class: 12,271."""


def random_labels(count: int) -> torch.Tensor:
    """Class indices as frequent as RAF-DB's, shape (count,)."""
    return torch.multinomial(torch.tensor(RAFDB, dtype=torch.float), count, replacement=True)


def random_batch(size: int, device: torch.device) -> dict[str, torch.Tensor]:
    """A batch of random images, 90 x 90."""
    labels = random_labels(size)
    batch = {
        "image": torch.rand(size, 1, 90, 90),
        "label": labels,
        "target": torch.nn.functional.one_hot(labels, len(RAFDB)).float(),
        "index": torch.randperm(sum(RAFDB))[:size],
    }
    return {name: values.to(device) for name, values in batch.items()}


def milliseconds(action: Callable[[], object], device: torch.device) -> float:
    """How long an action takes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - start)


def measure(memory: int, batch_size: int, repetitions: int, device: torch.device) -> dict[str, Any]:
    """Median times of a whole step and of the loss in it, and the loss's share.

    Args:
        memory: Faces remembered to look for neighbors in; 0 for the batch alone.
        batch_size: Faces per step.
        repetitions: Timed steps; one more goes ahead of them.
        device: Where to.
    """
    model = (
        modules.DLPCNN(labels="rafdb7", feature_loss=FeatureLoss("locality", memory=memory))
        .to(device)
        .train()
    )
    model.trunk.to(memory_format=torch.channels_last)
    term = model.feature_term
    assert isinstance(term, LocalityPreservingLoss)
    if memory:
        term.features.copy_(torch.rand(term.features.shape))
        term.labels.copy_(random_labels(memory))
        term.rows.copy_(torch.arange(memory))
    optimizer = model.optimizer.build(model.trunk, model.heads)
    steps, losses = [], []
    for _ in range(1 + repetitions):
        batch = random_batch(batch_size, device)
        features = torch.rand(batch_size, BaseDCNNTrunk.feature_dim, device=device, requires_grad=True)

        def step(batch: dict[str, torch.Tensor] = batch) -> None:
            optimizer.zero_grad()
            terms = model.loss_terms(model(batch["image"]), batch)
            torch.stack(list(terms.values())).sum().backward()
            optimizer.step()

        def loss(batch: dict[str, torch.Tensor] = batch, features: torch.Tensor = features) -> None:
            term(features, batch["label"], batch["index"]).backward()

        steps.append(milliseconds(step, device))
        losses.append(milliseconds(loss, device))
    step_ms, loss_ms = statistics.median(steps[1:]), statistics.median(losses[1:])
    share = 100 * loss_ms / step_ms
    return {"memory": memory, "step_ms": step_ms, "loss_ms": loss_ms, "share_percent": share}


def main() -> None:
    """Measure both cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5, help="timed steps of each case")
    parser.add_argument("--batch-size", type=int, default=64, help="faces per step")
    parser.add_argument("--memory", type=int, default=sum(RAFDB), help="faces remembered in the second case")
    parser.add_argument("--threads", type=int, help="of torch; by default one per core")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="cpu, cuda, ...")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    rows = [
        measure(memory, options.batch_size, options.repetitions, options.device)
        for memory in (0, options.memory)
    ]
    print(f"{'neighbours among':24} {'step, ms':>10} {'LP loss, ms':>12} {'share':>8}")
    for row in rows:
        where = f"batch and {row['memory']:,} faces" if row["memory"] else "batch"
        shown = f"{row['step_ms']:>10.1f} {row['loss_ms']:>12.2f} {row['share_percent']:>7.2f}%"
        print(f"{where:24} {shown}")
    if options.json:
        report = {
            "device": str(options.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "batch_size": options.batch_size,
            "repetitions": options.repetitions,
            "cases": rows,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

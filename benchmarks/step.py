"""What a training step costs beside the same step in a bare loop: what the trainer and the module add.

    python benchmarks/step.py

The trainer runs as ``affectzoo fit`` has it, with a CSV log and a progress bar, on random batches in memory;
the bare loop has the same network, cross entropy and optimizer, and no more. They take turns; one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from statistics import median
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from affectzoo import modules
from affectzoo.losses.features import FeatureLoss
from affectzoo.modules.base import AffectModule

CLASSES = 8


class Clock(Callback):
    """Notes when each step has ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note it."""
        self.ends.append(time.perf_counter())


def random_batches(module: AffectModule, size: int, count: int) -> list[dict[str, Any]]:
    """Batches of random images."""
    edge, channels = module.preprocess.size, module.preprocess.channels
    label = torch.randint(CLASSES, (size,))
    batch = {
        "image": torch.rand(size, channels, edge, edge),
        "mask": torch.ones(size, dtype=torch.bool),
        "label": label,
        "target": torch.nn.functional.one_hot(label, CLASSES).float(),
        "index": torch.arange(size),
    }
    return [batch] * count


def trained(module: AffectModule, batches: list[dict[str, Any]]) -> float:
    """Seconds of a step by the trainer."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            callbacks=[clock],
            logger=CSVLogger(folder),
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        trainer.fit(module, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return (clock.ends[-1] - clock.ends[0]) / (len(clock.ends) - 1)


def bare(module: AffectModule, batches: list[dict[str, Any]]) -> float:
    """Seconds of a step without it."""
    optimizer = module.optimizer.build(module.trunk, module.heads)
    module.train()
    ends = []
    for batch in batches:
        optimizer.zero_grad()
        scores = module(batch["image"]).expression
        torch.nn.functional.cross_entropy(scores, batch["target"]).backward()
        optimizer.step()
        ends.append(time.perf_counter())
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--modules", nargs="+", default=["DLPCNNSmall", "MobileNetV1"], help="classes of modules"
    )
    parser.add_argument("--batch-size", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=8, help="of each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("module", "trainer, ms a step", "bare, ms a step", "ratio, from, to")
    for name in args.modules:
        module = getattr(modules, name)(labels="ferplus8", feature_loss=FeatureLoss("none"))
        module.trunk.to(memory_format=torch.channels_last)
        batches = random_batches(module, args.batch_size, args.steps)
        bare(module, batches[:2])
        pairs = [(trained(module, batches), bare(module, batches)) for _ in range(args.rounds)]
        ratios = sorted(one / other for one, other in pairs)
        ours, plain = (1000 * median(times) for times in zip(*pairs, strict=True))
        told = f"{median(ratios):.3f}, {ratios[0]:.3f}, {ratios[-1]:.3f}"
        table.add_row(name, f"{ours:.1f}", f"{plain:.1f}", told)
    Console().print(table)


if __name__ == "__main__":
    main()

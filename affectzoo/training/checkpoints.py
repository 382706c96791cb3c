"""The checkpoints that a run keeps."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint


class LastCheckpoint(ModelCheckpoint):
    """Keeps ``checkpoints/last.ckpt`` at the last finished epoch, to resume from.

    ModelCheckpoint's ``save_last`` is no such thing: with a monitored metric it is written only when that
    metric improves.
    """

    def __init__(self) -> None:
        """Save every epoch over the one before."""
        super().__init__(filename="last", enable_version_counter=False)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Settle in the run's folder."""
        self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints")
        super().setup(trainer, pl_module, stage)

"""Small faces in the first epochs of a training, full-size ones in the last: cheaper, and a little better."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch.nn import functional as F

from affectzoo.errors import OptionError


class ProgressiveResizing(Callback):
    """Shrinks the faces of training batches while a training is young; evaluation keeps the model's size.

    For networks that take any size, those with global pooling.
    """

    def __init__(self, sizes: dict[int, int]) -> None:
        """Say how large faces are.

        Args:
            sizes: Height and width, pixels, by the epoch (from 0) that first has them; before the first of
                them, and where a size is not below the model's, faces stay as they are.

        Raises:
            OptionError: An epoch is below 0, or a size below 1.
        """
        if not sizes or min(sizes) < 0 or min(sizes.values()) < 1:
            raise OptionError(f"sizes is {sizes}, expected sizes of 1 or more by epochs from 0")
        self.sizes = {int(epoch): int(size) for epoch, size in sizes.items()}

    def size(self, epoch: int, full: int) -> int:
        """Return the size of faces in an epoch, for a model that takes ``full`` pixels."""
        started = [first for first in self.sizes if first <= epoch]
        return min(self.sizes[max(started)], full) if started else full

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: dict[str, Any], batch_idx: int
    ) -> None:
        """Shrink a batch's faces, and move landmarks along."""
        image = batch["image"]
        full = image.shape[-1]
        size = self.size(trainer.current_epoch, full)
        if size == full:
            return
        frames = F.interpolate(image.flatten(0, -4), (size, size), mode="bilinear", antialias=True)
        batch["image"] = frames.reshape(*image.shape[:-2], size, size)
        if "landmarks" in batch:
            batch["landmarks"] = (batch["landmarks"] + 0.5) * (size / full) - 0.5

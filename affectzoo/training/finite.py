"""Stop a training whose loss, metrics or weights are no numbers any more, and say where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.errors import NonFiniteError
from affectzoo.files.writing import write_json
from affectzoo.sample import Batch

FILE = "not_finite.json"
"""What a stopped run says of the step, in its folder."""


class FiniteTraining(Callback):
    """Stops at the first loss that is not finite, before it reaches weights or checkpoints."""

    def __init__(self) -> None:
        """Start before the first batch."""
        self._batch: Batch = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Keep the batch, to name its faces."""
        self._batch = batch

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor
    ) -> None:
        """Check a step's loss, in all processes alike.

        Raises:
            NonFiniteError: It is infinite or no number.
        """
        own = bool(loss.isfinite())
        if trainer.strategy.reduce_boolean_decision(own):
            return
        where = "" if own else f"; faces of the batch: {self._faces(trainer)}"
        raise NonFiniteError(
            f"the training loss is {loss.item()} at {_place(trainer)}{where}. Lower --model.optimizer.lr, or "
            "bound the steps with --trainer.gradient_clip_val; pretrained weights help where training "
            "starts at random"
        )

    def _faces(self, trainer: pl.Trainer) -> str:
        """Name the batch's first faces; all are in a file in the run's folder."""
        rows = self._batch["index"].flatten().tolist()
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, FaceDataModule):
            return f"rows {rows}"
        table = data.split_index("train").table
        every = [str(table["path"].iloc[row]) for row in rows if 0 <= row < len(table)]
        if trainer.is_global_zero:
            facts: dict[str, Any] = {"epoch": trainer.current_epoch, "step": trainer.global_step}
            write_json(Path(trainer.default_root_dir) / FILE, {**facts, "rows": rows, "faces": every})
        names = list(dict.fromkeys(every))
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more, see {FILE}" if len(names) > 3 else "")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check the validation loss, before a checkpoint is written.

        Raises:
            NonFiniteError: It is infinite or no number.
        """
        loss = trainer.callback_metrics.get("valid/loss")
        if trainer.state.fn == "fit" and loss is not None and not loss.isfinite():
            raise NonFiniteError(
                f"the validation loss is {loss.item()} at {_place(trainer)}: the last steps spoiled the "
                "weights; lower --model.optimizer.lr, or bound the steps with --trainer.gradient_clip_val"
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check the weights, before a checkpoint is written.

        Raises:
            NonFiniteError: One is infinite or no number; names the layer.
        """
        for name, parameter in pl_module.named_parameters():
            if not parameter.isfinite().all():
                raise NonFiniteError(
                    f"weights of {name} are not finite at {_place(trainer)}: lower --model.optimizer.lr, or "
                    "bound the steps with --trainer.gradient_clip_val"
                )


def _place(trainer: pl.Trainer) -> str:
    """Say where a training is: epoch from 1, step from 0, learning rates of its groups."""
    rates = sorted({group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups})
    rate = ", ".join(f"{value:.3g}" for value in rates)
    return f"epoch {trainer.current_epoch + 1}, step {trainer.global_step}, learning rate {rate}"

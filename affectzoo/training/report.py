"""What a run leaves when a stage ends: weights, a record, predictions, a table on screen."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only

from affectzoo import weights
from affectzoo.console import stdout
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.evaluation.evaluate import evaluation_table, write_evaluation
from affectzoo.evaluation.measurement import measurement
from affectzoo.models.base import AffectModel
from affectzoo.training.checkpoints import LastCheckpoint
from affectzoo.training.provenance import data_facts, licence, origin, training_facts
from affectzoo.zoo.loading import seal


class RunReport(Callback):
    """At the end of a stage: weights, a record of the results, plots, and a table on screen.

    Attributes:
        command: What was typed, for the record.
    """

    def __init__(self, export: str = "best") -> None:
        """Say which weights a run exports.

        Args:
            export: ``best`` by the monitored validation metric, or ``last``.
        """
        if export not in ("best", "last"):
            raise ValueError(f"report.export is '{export}', expected best or last")
        self.export = export
        self.command = ""
        self._start = time.perf_counter()

    @rank_zero_only
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``model.safetensors`` from the chosen checkpoint and show the validation metrics."""
        assert isinstance(pl_module, AffectModel)
        saved = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
        is_last = self.export == "last"
        checkpoints = next((c for c in saved if isinstance(c, LastCheckpoint) == is_last), None)
        if checkpoints is None or not checkpoints.best_model_path:
            return
        chosen = checkpoints.best_model_path
        state = torch.load(chosen, map_location="cpu", weights_only=True)
        tensors = {
            name.removeprefix("network."): tensor
            for name, tensor in state["state_dict"].items()
            if name.startswith("network.")
        }
        rule = (
            f"highest {checkpoints.monitor} of {trainer.current_epoch} epochs"
            if not is_last
            else "last epoch of the schedule, none chosen by results"
        )
        meta = replace(
            pl_module.describe(),
            metrics=(),
            licence=licence(pl_module),
            training={
                **data_facts(trainer),
                **training_facts(trainer),
                "epochs": trainer.current_epoch,
                "epoch": state["epoch"] + 1,
                "epoch_rule": rule,
            },
        )
        path = Path(trainer.default_root_dir) / weights.FILE_NAME
        weights.write(path, tensors, meta)
        seal(path)
        rank_zero_info(f"weights: {path} ({self.export} checkpoint)")

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report a validation of its own; those within a training go to the logs."""
        if trainer.state.fn == "validate":
            self._report(trainer, pl_module, "valid", "valid")

    @rank_zero_only
    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report a test."""
        split = getattr(trainer.datamodule, "test_split", "test")  # type: ignore[attr-defined]
        self._report(trainer, pl_module, "test", split)

    def _report(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str, split: str) -> None:
        assert isinstance(pl_module, AffectModel)
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, FaceDataModule):
            return
        context = replace(
            origin(trainer, pl_module),
            split=split,
            command=self.command,
            stage=stage,
            window=data.eval_window or 0,
            stride=data.eval_stride,
            start=self._start,
        )
        record, tables = measurement(pl_module, pl_module.predicted[stage], data.split_index(split), context)
        title = f"{record['system']} on {data.index.dataset} {split}"
        path = write_evaluation(Path(trainer.default_root_dir), record, tables, title)
        console = stdout()
        console.print(evaluation_table(record, title))
        console.print(f"record: {path}")

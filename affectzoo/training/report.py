"""What a run leaves when a stage ends: weights, a record, predictions, a table on screen."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only

from affectzoo import weights
from affectzoo.console import counted, stdout
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.errors import DataError
from affectzoo.evaluation.evaluate import evaluation_table, write_evaluation
from affectzoo.evaluation.machine import SLOW_BF16, has_bf16
from affectzoo.evaluation.measurement import labeled, measurement
from affectzoo.modules import AffectModule
from affectzoo.training.checkpoints import (
    BestCheckpoint,
    LastCheckpoint,
    network_tensors,
    state_to_export,
)
from affectzoo.training.provenance import notes_of, origin, trained_meta
from affectzoo.weights import WeightsMeta
from affectzoo.zoo.checkpoints import TRAINING
from affectzoo.zoo.loading import described, write_sealed
from affectzoo.zoo.work import check_work

FEW = 100
"""Faces of a validation part below which its best epoch is chosen by little more than chance."""

WORDS = {"min": "lowest", "max": "highest"}
LAST_RULE = "last epoch of the schedule, none chosen by results"


class RunReport(Callback):
    """At the end of a stage: weights, a record of the results, plots, and a table on screen.

    Attributes:
        command: What was typed, for the record.
    """

    def __init__(self, export: str = "best", note: str | None = None) -> None:
        """Say which weights a run exports, and what its records say of the data.

        Args:
            export: ``best`` by the monitored validation metric, or ``last``.
            note: What readers should know of the faces, such as ``rendered faces``.
        """
        if export not in ("best", "last"):
            raise ValueError(f"report.export is '{export}', expected best or last")
        self.export = export
        self.note = note
        self.command = ""
        self._start = time.perf_counter()
        self._known: WeightsMeta | None = None
        self._end = ""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse, before anything is computed, what would come to nothing in the end.

        Raises:
            DataError: No face of a part has what the model learns or is measured by.
            WeightsError: The weights of such a training could not be loaded.
        """
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, FaceDataModule) and isinstance(pl_module, AffectModule):
            tested = getattr(data, "test_split", "test")
            parts = {"fit": ("train", "valid"), "validate": ("valid",), "test": (tested,)}
            for split in parts.get(stage, ()):
                labeled(pl_module, data.split_index(split), split, soft=split == "train")
        mixed = str(trainer.precision).startswith("bf16")
        if stage == "fit" and mixed and trainer.strategy.root_device.type == "cpu" and not has_bf16():
            rank_zero_info(f"note: {SLOW_BF16}")
        if stage == "fit" and isinstance(pl_module, AffectModule):
            where = "the weights of this training"
            self._known = trained_meta(trainer, pl_module)
            meta = WeightsMeta.from_dict(self._known.to_dict(), where)
            check_work(described(meta, where), where, max(meta.window, meta.eval_window))

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what is trained."""
        values = [(parameter.numel(), parameter.requires_grad) for parameter in pl_module.parameters()]
        every, trained = sum(n for n, _ in values), sum(n for n, learns in values if learns)
        told = "all" if trained == every else f"{trained:,}"
        rank_zero_info(f"{getattr(pl_module, 'arch', 'model')}: {every:,} parameters, {told} of them trained")

    @rank_zero_only
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``model.safetensors`` from the chosen checkpoint, else from the weights as they are."""
        assert isinstance(pl_module, AffectModule)
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)), None)
        last = next((c for c in trainer.checkpoint_callbacks if isinstance(c, LastCheckpoint)), None)
        if self.export == "best" and best is not None and best.best_model_path:
            tensors, epoch = state_to_export(Path(best.best_model_path))
            rule = f"{WORDS[best.mode]} {best.monitor} of {trainer.current_epoch} epochs"
        else:
            tensors, epoch = network_tensors(pl_module.state_dict()), trainer.current_epoch
            if last is not None and last.best_model_path:  # where nothing was left to train, not averaged yet
                tensors, _ = state_to_export(Path(last.best_model_path))
            rule = LAST_RULE
            if self.export == "best":
                rank_zero_info("no validation chose an epoch: the last weights are exported")
        meta = trained_meta(trainer, pl_module)
        training = replace(meta.training, epochs=trainer.current_epoch, epoch=epoch, epoch_rule=rule)
        meta = replace(meta, training=replace(training, notes=notes_of(trainer)))
        path = Path(trainer.default_root_dir) / weights.FILE_NAME
        write_sealed(path, tensors, meta)
        for saved in path.parent.glob("hpc_ckpt_*.ckpt"):  # of a requeued job, which has ended well
            saved.unlink()
        data = trainer.datamodule  # type: ignore[attr-defined]
        checked = len(data.split_index("valid")) if isinstance(data, FaceDataModule) else FEW
        self._end = _end(path, meta, epoch, rule, best, checked)

    def tell_end(self) -> None:
        """Print what came of a training that has ended; then no progress bar is in the way."""
        if self._end:
            stdout().print(self._end, soft_wrap=True)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note in a checkpoint what its weights are trained on, for those who import it."""
        assert isinstance(pl_module, AffectModule)
        if self._known is None:  # but for the notes it stays the same
            self._known = trained_meta(trainer, pl_module)
        training = replace(self._known.training, notes=notes_of(trainer))
        checkpoint[TRAINING] = replace(self._known, training=training).to_dict()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse to go on with other faces: the weights would not say which ones they were trained on.

        Raises:
            DataError: The checkpoint's training had other training or validation faces.
        """
        if self._known is None or TRAINING not in checkpoint:
            return
        before = WeightsMeta.from_dict(checkpoint[TRAINING], "the checkpoint")
        for split in ("train", "valid"):
            old, new = (getattr(meta.training, f"{split}_hash") for meta in (before, self._known))
            if None not in (old, new) and old != new:
                raise DataError(
                    f"the checkpoint's training had other {split} faces: go on with the same data, fold, "
                    "seed and options of data, or train anew with --model.weights"
                )
        if before.preprocess != self._known.preprocess:
            rank_zero_info(
                f"resumed with other faces: {self._known.preprocess} instead of {before.preprocess}"
            )

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
        assert isinstance(pl_module, AffectModule)
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, FaceDataModule):
            return
        if _limited(trainer, stage):
            rank_zero_info("no record is kept: the trainer was told to measure some of the batches alone")
            return
        context = replace(
            origin(trainer, pl_module),
            split=split,
            command=self.command,
            stage=stage,
            window=data.eval_window or 0,
            stride=data.eval_stride,
            start=self._start,
            note=self.note,
        )
        record, tables = measurement(pl_module, pl_module.predicted[stage], data.split_index(split), context)
        title = f"{record['system']} on {data.index.dataset} {split}"
        path = write_evaluation(Path(trainer.default_root_dir), record, tables, title)
        console = stdout()
        console.print(evaluation_table(record, title))
        console.print(f"record: {path}")


def _end(
    path: Path, meta: WeightsMeta, epoch: int, rule: str, best: BestCheckpoint | None, checked: int
) -> str:
    """What came of a training: the epoch that was taken, its metric, the weights and what to do with them.

    Args:
        path: The weights.
        meta: Their metadata.
        epoch: The one that was taken.
        rule: How it was chosen.
        best: Knows the metric.
        checked: How many faces that is over.
    """
    of_all = meta.training.epochs
    if rule.startswith(LAST_RULE):
        told = f"weights of the last of {of_all} epochs"
        if best is not None and best.best_model_score is not None:
            told += f" ({WORDS[best.mode]} {best.monitor} of any epoch: {best.best_model_score:.4f})"
    else:
        assert best is not None and best.best_model_score is not None
        told = f"best epoch: {epoch} of {of_all}, {best.monitor} {best.best_model_score:.4f}"
        if checked < FEW:
            told += f" (of {counted(checked, 'face')} alone, which says little)"
    place = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    given = f"{'film.mp4' if meta.sequence else 'photo.jpg'}{' --landmarks FILE' if meta.landmarks else ''}"
    predict = f"affectzoo predict {given} --model {shlex.quote(os.path.dirname(place) or '.')}"  # noqa: PTH120
    return f"{told}\nweights: {place}\nnext: {predict}"


def _limited(trainer: pl.Trainer, stage: str) -> bool:
    """Tell whether an evaluation went through less than all batches, such as by ``limit_test_batches``."""
    valid = stage == "valid"
    loader: Any = trainer.val_dataloaders if valid else trainer.test_dataloaders
    counts = trainer.num_val_batches if valid else trainer.num_test_batches
    return bool(sum(counts) < len(loader))

"""A training's progress on one line, with the time that is left for all of it."""

from __future__ import annotations

import math
import shutil
import sys
import time
from datetime import timedelta
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from rich.progress import BarColumn, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from affectzoo.training.checkpoints import BestCheckpoint

WIDE = 80
"""Columns from which a bar is drawn beside the figures."""

BAR = 12
"""Its columns."""


LOGGED = 30.0
"""Least seconds between two lines where standard error is no terminal, such as a cluster's log file."""


class OneLineProgress(RichProgressBar):
    """Epoch, steps, time left for the whole run, the monitored metric and the loss: as many as fit.

    Where standard error is no terminal, the end of an epoch is told, every half minute at most.
    """

    def __init__(self) -> None:
        super().__init__(console_kwargs={"stderr": True})
        self._figures: list[str] = []
        self._start = (0.0, 0)
        self._steps = 0.0
        self._logged = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember when and at which step the training began, or went on."""
        super().on_train_start(trainer, pl_module)
        self._start = (time.monotonic(), trainer.global_step)
        self._logged = self._start[0]
        self._steps = float(trainer.estimated_stepping_batches)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell where a training is that nobody sees the bar of."""
        super().on_train_epoch_end(trainer, pl_module)
        now = time.monotonic()
        if self.is_disabled or sys.stderr.isatty() or now - self._logged < LOGGED:
            return
        self._logged = now
        self.get_metrics(trainer, pl_module)
        left = self.left(trainer)
        times = [] if left is None else [f"{timedelta(seconds=round(left))} left"]
        print(_epoch(trainer), *times, *self._figures, sep="  ", file=sys.stderr)

    def on_validation_batch_start(self, trainer: pl.Trainer, *given: Any, **more: Any) -> None:
        """Draw a line for a validation of its own; one within a training has none."""
        if trainer.state.fn != "fit":
            super().on_validation_batch_start(trainer, *given, **more)

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Take the figures to show; the column that shows all of them gets none."""
        monitors = [c.monitor for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)]
        found = trainer.callback_metrics
        names = [name for name in (*monitors, "train/loss") if name is not None and name in found]
        self._figures = [f"{name} {float(found[name]):.3f}" for name in names]
        return {}

    def configure_columns(self, trainer: pl.Trainer) -> list[ProgressColumn]:
        """Return the bar, where there is room, and the line."""
        return [*([BarColumn(BAR)] if _width() >= WIDE else []), _Line(self, trainer)]

    def left(self, trainer: pl.Trainer) -> float | None:
        """Estimate the seconds until a training's last epoch ends."""
        start, first = self._start
        done, all_of_it = trainer.global_step - first, self._steps - first
        known = done > 0 and math.isfinite(all_of_it)
        return (time.monotonic() - start) * (all_of_it - done) / done if known else None

    @property
    def figures(self) -> list[str]:
        """The last values of the metrics that are shown."""
        return self._figures


class _Line(ProgressColumn):
    max_refresh = 0.5

    def __init__(self, bar: OneLineProgress, trainer: pl.Trainer) -> None:
        super().__init__(Column(no_wrap=True))
        self._bar, self._trainer = bar, trainer

    def render(self, task: Task) -> Text:
        left = self._bar.left(self._trainer) if self._trainer.state.fn == "fit" else task.time_remaining
        total = "--" if task.total is None or math.isinf(task.total) else f"{task.total:.0f}"
        what = _epoch(self._trainer) if self._trainer.state.fn == "fit" else task.description.strip()
        line = f"{what}  {task.completed:.0f}/{total}"
        times = [] if left is None else [f"{timedelta(seconds=round(left))} left"]
        figures = self._bar.figures if self._trainer.state.fn == "fit" else []
        room = _width() - (BAR + 1 if _width() >= WIDE else 0)
        for part in (*times, *figures):
            longer = f"{line}  {part}"
            line = longer if len(longer) <= room else line
        return Text(line)


def _epoch(trainer: pl.Trainer) -> str:
    """Count epochs from 1, as the end of a training does; after the last one the trainer counts one more."""
    epoch = trainer.current_epoch + 1
    if trainer.max_epochs is None or trainer.max_epochs < 0:
        return f"epoch {epoch}"
    return f"epoch {min(epoch, trainer.max_epochs)} of {trainer.max_epochs}"


def _width() -> int:
    return shutil.get_terminal_size().columns

"""Trainings that are told to stop: by Ctrl-C, or by a cluster."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


@contextmanager
def stopped(trainer: pl.Trainer) -> Iterator[None]:
    """Give Lightning's ends by a signal the exit status that shells and clusters know.

    Lightning answers SIGTERM with SystemExit without a status, at a batch's end, and Ctrl-C with status 1.

    Args:
        trainer: What runs inside.

    Raises:
        SystemExit: With 143 after SIGTERM, with 130 after Ctrl-C; with 0 in other processes than the first,
            which Lightning would kill at once for another status.
    """
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)
        # the signal is noted also where a loading process died of it first
        terminated = trainer.received_sigterm or isinstance(error, SIGTERMException)
        if not (terminated or interrupted):
            raise
        if not trainer.is_global_zero:
            raise SystemExit(0) from None
        print("affectzoo:", "terminated" if terminated else "interrupted", file=sys.stderr)
        raise SystemExit(TERMINATED if terminated else INTERRUPTED) from None


class StopTogether(Callback):
    """Ends a training of several processes at the same step in all when one of them is told to terminate.

    Lightning's own handler broadcasts the signal at once, amid whatever the processes are telling each other.
    """

    def __init__(self) -> None:
        """Go on until told."""
        self._told = False

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take Lightning's handler's place; at the end it puts the one before back."""
        if trainer.world_size > 1 and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._tell)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do so where there was no sanity check."""
        self.on_sanity_check_start(trainer, pl_module)

    def _tell(self, number: int, frame: object) -> None:
        self._told = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask all processes.

        Raises:
            SIGTERMException: One was told to terminate.
        """
        if trainer.world_size > 1 and trainer.strategy.reduce_boolean_decision(self._told, all=False):
            raise SIGTERMException

"""Trainings that are told to stop: by Ctrl-C, or by a cluster."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
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

    Lightning's own handlers act at once: that of SIGTERM tells the other processes amid whatever they are
    telling each other; that of SLURM's requeue saves a checkpoint in the middle of a step, or of a
    validation, while the averaged weights are in the place of the trained ones. Here both wait for the end
    of a step.
    """

    def __init__(self) -> None:
        """Go on until told."""
        self._told = self._to_requeue = False
        self._requeue: Callable[[int, None], Any] | None = None

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the places of Lightning's handlers; at the end it puts the ones before back."""
        if threading.current_thread() is not threading.main_thread():
            return
        if trainer.world_size > 1:
            signal.signal(signal.SIGTERM, self._tell)
        cluster = trainer._accelerator_connector.cluster_environment
        if isinstance(cluster, SLURMEnvironment) and cluster.auto_requeue and self._requeue is None:
            number = cluster.requeue_signal or signal.SIGUSR1
            self._requeue = signal.signal(number, self._tell_to_requeue)  # type: ignore[assignment]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do so where there was no sanity check."""
        self.on_sanity_check_start(trainer, pl_module)

    def _tell(self, number: int, frame: object) -> None:
        self._told = True

    def _tell_to_requeue(self, number: int, frame: object) -> None:
        self._to_requeue = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask all processes.

        Raises:
            SIGTERMException: One was told to terminate.
        """
        if trainer.world_size > 1 and trainer.strategy.reduce_boolean_decision(self._told, all=False):
            raise SIGTERMException
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0 and not trainer.is_last_batch:
            self._save_to_requeue(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save here what was to be saved in the last step of an epoch or in its validation."""
        self._save_to_requeue(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Forget Lightning's handler, which it takes away itself."""
        self._requeue = None

    def _save_to_requeue(self, trainer: pl.Trainer) -> None:
        if self._requeue is not None and trainer.strategy.reduce_boolean_decision(
            self._to_requeue, all=False
        ):
            self._to_requeue = False
            self._requeue(signal.SIGUSR1, None)

"""Trainings that are told to stop: by Ctrl-C, or by a cluster."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import lightning.pytorch as pl

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


@contextmanager
def stopped(trainer: pl.Trainer) -> Iterator[None]:
    """Give Lightning's ends by a signal the exit status that shells and clusters know.

    Lightning answers SIGTERM with SystemExit without a status, at a batch's end, and Ctrl-C with status 1.

    Args:
        trainer: What runs inside.

    Raises:
        SystemExit: With 143 after SIGTERM, with 130 after Ctrl-C.
    """
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)
        if trainer.received_sigterm:  # also where a loading process died of it first
            print("affectzoo: terminated", file=sys.stderr)
            raise SystemExit(TERMINATED) from None
        if interrupted:
            print("affectzoo: interrupted", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None
        raise

"""Which way a logged metric is better."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from affectzoo.errors import OptionError, UnknownNameError

Mode = Literal["min", "max"]

LOWER = ("loss", "rmse", "mse", "nme", "expression", "va", "points", "locality", "center")
"""Metrics whose lower values are better: losses, their terms, and errors."""

HIGHER = ("accuracy", "mean_diagonal", "f1", "weighted_f1", "ccc", "pcc", "icc", "sagr")
"""Metrics whose higher values are better."""

_PREFIXES = ("train/", "valid/", "clip_")
_SUFFIXES = ("_valence", "_arousal", "_step", "_epoch")


def better(monitor: str) -> Mode:
    """Tell whether lower (``min``) or higher (``max``) values of a metric are better.

    Args:
        monitor: As logged, such as ``valid/accuracy`` or ``valid/clip_rmse_valence``.

    Raises:
        UnknownNameError: No such metric is known; lists those that are.
    """
    name = monitor
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    stage = monitor.partition("/")[0]
    if name == monitor or stage not in ("train", "valid") or name not in (*LOWER, *HIGHER):
        known = [f"valid/{metric}" for metric in ("loss", *HIGHER, "rmse_valence", "rmse_arousal", "nme")]
        raise UnknownNameError("metric to monitor", monitor, [*known, "train/loss"])
    return "min" if name in LOWER else "max"


def check_monitors(callbacks: Iterable[Any]) -> None:
    """Refuse callbacks that monitor a metric the wrong way round.

    Args:
        callbacks: A trainer's; those with ``monitor`` and ``mode`` are looked at.

    Raises:
        OptionError: A mode contradicts its metric.
        UnknownNameError: A metric that training does not log.
    """
    for callback in callbacks:
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", None)
        if monitor is None or mode is None:
            continue
        right = better(monitor)
        if mode != right:
            best = "lower" if right == "min" else "higher"
            raise OptionError(
                f"{type(callback).__name__}: mode {mode} contradicts {monitor}, which is better when {best}: "
                f"say mode {right}"
            )

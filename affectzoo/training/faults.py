"""Faults of libraries as the one line that helps."""

from __future__ import annotations

import re
from itertools import dropwhile

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from affectzoo.errors import AffectZooError

_KILLED = re.compile(r"DataLoader worker \(pid[^)]*\)+ (is killed|exited unexpectedly).*")


def readable_fault(error: BaseException) -> BaseException:
    """Find the error to show: ours behind a library's, or a library's in one line where its kind is known.

    Args:
        error: What a training or the making of its parts raised.

    Returns:
        An ``AffectZooError``, or ``error`` itself where only its traceback helps.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, AffectZooError):  # jsonargparse wraps constructors'
        cause = cause.__cause__
    if cause is not None:
        return _of_worker(cause) or cause
    if isinstance(error, MisconfigurationException):
        return AffectZooError(f"trainer: {_first(str(error))}")
    if isinstance(error, torch.OutOfMemoryError):
        return AffectZooError(f"lower --data.batch_size or --model.preprocess.size: {_first(str(error))}")
    killed = _KILLED.search(str(error))
    if killed:
        return AffectZooError(
            f"a loading process ended: {_first(killed[0])}. Mostly memory ran out: lower --data.num_workers "
            "or --data.batch_size; --data.num_workers 0 loads in the main process"
        )
    return _of_worker(error) or error


def _of_worker(error: BaseException) -> BaseException | None:
    """Cut a loading worker's traceback off its message; None where there is none."""
    _, found, last = str(error).rpartition("Traceback (most recent call last):\n")
    if not found:
        return None
    lines = last.rstrip().splitlines()
    told = "\n".join(dropwhile(lambda line: line.startswith(" "), lines))
    kind, _, message = told.partition(": ")
    return AffectZooError(message if kind.startswith("affectzoo.") else f"while loading a batch: {told}")


def _first(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())[:300]


def usage_fault(message: str) -> str:
    """Pick the line of jsonargparse's message that names the fault, then add the message itself.

    It nests one explanation per accepted type; the innermost that is not about leaving the value out is
    the fault.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    telling = [ln for ln in lines if "NoneType" not in ln and not ln.strip().startswith("Given value")]
    deepest = max(telling or lines, key=lambda line: len(line) - len(line.lstrip()))
    headline = deepest.strip().removeprefix("- ")
    above = lines[lines.index(deepest) - 1].strip()
    if above.startswith("Parser key"):
        headline = f"{above.removeprefix('Parser key ')} {headline}"
    return headline if len(lines) == 1 else f"{headline}\n{message}"

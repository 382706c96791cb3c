"""The tasks by name, and the outputs of their heads."""

from __future__ import annotations

from typing import Literal, get_args

from affectzoo.errors import LabelError, UnknownNameError
from affectzoo.faces.landmarks import IBUG
from affectzoo.labels import LabelSpace
from affectzoo.metrics.names import DIMENSIONS

TaskName = Literal["expression", "va", "valence", "arousal", "multitask", "landmarks"]
"""``va`` predicts valence and arousal, ``valence`` and ``arousal`` one of them (as AffectNet's two networks
do), ``multitask`` the expression as well as both, ``landmarks`` the places of 68 points (iBUG order)."""


def check_task(name: str, labels: LabelSpace | None) -> None:
    """Check that a task has the classes that it needs.

    Raises:
        UnknownNameError: There is no such task.
        LabelError: Classes are missing for a task that needs them, or given for one that has none.
    """
    if name not in get_args(TaskName):
        raise UnknownNameError("task", name, get_args(TaskName))
    needs_labels = name in ("expression", "multitask")
    if needs_labels and labels is None:
        raise LabelError(f"task {name} needs labels: class names in order, or a label space's name")
    if not needs_labels and labels is not None:
        raise LabelError(f"task {name} has no classes, but labels were given: {labels}")


def dimensions(name: TaskName) -> tuple[str, ...]:
    """Which of valence and arousal a task predicts, in the order of its outputs."""
    if name in ("expression", "landmarks"):
        return ()
    return (name,) if name in DIMENSIONS else DIMENSIONS


def outputs(name: TaskName, labels: LabelSpace | None) -> dict[str, int]:
    """The heads of a task and their numbers of outputs."""
    sizes = {"expression": 0 if labels is None else len(labels), "va": len(dimensions(name))}
    sizes["points"] = 2 * IBUG if name == "landmarks" else 0
    return {head: size for head, size in sizes.items() if size}

"""What a model predicts: each task owns its head's size, its loss and its metrics."""

from __future__ import annotations

from typing import Literal

from affectzoo.errors import LabelError
from affectzoo.labels import LabelSpace
from affectzoo.tasks.expression import ExpressionLoss, ExpressionTask
from affectzoo.tasks.va import DIMENSIONS, VALoss, VATask

TaskName = Literal["expression", "va", "valence", "arousal", "multitask"]
"""``va`` predicts valence and arousal, ``valence`` and ``arousal`` one of them (as AffectNet's two networks
do), ``multitask`` the expression as well as both."""

Task = ExpressionTask | VATask


def build_tasks(
    name: TaskName, labels: LabelSpace | None, loss: ExpressionLoss, va_loss: VALoss
) -> list[Task]:
    """The parts of a task, one per head.

    Raises:
        LabelError: Classes are missing for a task that needs them, or given for one that has none.
    """
    needs_labels = name in ("expression", "multitask")
    if needs_labels and labels is None:
        raise LabelError(f"task {name} needs labels: class names in order, or a label space's name")
    if not needs_labels and labels is not None:
        raise LabelError(f"task {name} has no classes, but labels were given: {labels}")
    tasks: list[Task] = []
    if labels is not None:
        tasks.append(ExpressionTask(labels, loss))
    if name != "expression":
        tasks.append(VATask(va_loss, (name,) if name in DIMENSIONS else DIMENSIONS))
    return tasks

"""The parts of a task, one per head, from its name."""

from __future__ import annotations

from affectzoo.labels import LabelSpace
from affectzoo.tasks.expression import ExpressionLoss, ExpressionTask
from affectzoo.tasks.heads import TaskName, check_task, dimensions
from affectzoo.tasks.va import VALoss, VATask

Task = ExpressionTask | VATask


def build_tasks(
    name: TaskName,
    labels: LabelSpace | None,
    loss: ExpressionLoss = ExpressionLoss(),
    va_loss: VALoss = VALoss(),
) -> list[Task]:
    """Build the parts of a task, one per head.

    Raises:
        LabelError: Classes are missing for a task that needs them, or given for one that has none.
    """
    check_task(name, labels)
    tasks: list[Task] = []
    if labels is not None:
        tasks.append(ExpressionTask(labels, loss))
    if name != "expression":
        tasks.append(VATask(va_loss, dimensions(name)))
    return tasks

"""The parts of a task, one per head, from its name."""

from __future__ import annotations

from affectzoo.labels import LabelSpace
from affectzoo.tasks.expression import ExpressionLoss, ExpressionTask
from affectzoo.tasks.heads import TaskName, check_task, dimensions
from affectzoo.tasks.landmarks import LandmarkLoss, LandmarkTask
from affectzoo.tasks.va import VALoss, VATask

Task = ExpressionTask | VATask | LandmarkTask


def build_tasks(
    name: TaskName,
    labels: LabelSpace | None,
    loss: ExpressionLoss = ExpressionLoss(),
    va_loss: VALoss = VALoss(),
    landmark_loss: LandmarkLoss = LandmarkLoss(),
) -> list[Task]:
    """Build the parts of a task, one per head.

    Raises:
        LabelError: Classes are missing for a task that needs them, or given for one that has none.
    """
    check_task(name, labels)
    tasks: list[Task] = []
    if labels is not None:
        tasks.append(ExpressionTask(labels, loss))
    if dimensions(name):
        tasks.append(VATask(va_loss, dimensions(name)))
    if name == "landmarks":
        tasks.append(LandmarkTask(landmark_loss))
    return tasks

"""From a model and faces to a record of results: the one shape in which they are kept and shown."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from affectzoo import __version__
from affectzoo.datasets.dataset import FaceDataset, collate
from affectzoo.datasets.index import FaceIndex
from affectzoo.metrics.expression import recalls
from affectzoo.plots import confusion_figure
from affectzoo.transforms import FaceTransform

if TYPE_CHECKING:
    from rich.table import Table

    from affectzoo.models.base import AffectModel


def evaluate(model: AffectModel, index: FaceIndex, batch_size: int = 64) -> dict[str, Any]:
    """Measure a model on every face of an index.

    Args:
        model: In evaluation mode.
        index: Faces of one split, in any label space that maps into the model's.
        batch_size: Faces per forward pass.

    Returns:
        A record, see ``evaluation_record``.
    """
    if model.labels is not None:
        index = index.conform(model.labels)
    dataset = FaceDataset(index, FaceTransform(model.preprocess))
    metrics = [task.metrics().to(model.device) for task in model.tasks]
    with torch.inference_mode():
        for batch in DataLoader(dataset, batch_size, collate_fn=collate):
            batch = model.transfer_batch_to_device(batch, model.device, 0)
            output, batch = model.predict_batch(batch)
            for task, metric in zip(model.tasks, metrics, strict=True):
                task.update(metric, getattr(output, task.head), batch)
    values: dict[str, torch.Tensor] = {}
    for metric in metrics:
        values |= metric.compute()
    return evaluation_record(model, values, len(dataset)) | {"data": index.dataset}


def evaluation_record(model: AffectModel, values: Mapping[str, torch.Tensor], faces: int) -> dict[str, Any]:
    """Results as JSON-ready values.

    Args:
        model: What was measured.
        values: What its tasks' metrics computed.
        faces: How many faces it was measured on.

    Returns:
        ``model``, ``task``, ``faces``, each scalar metric and ``versions``; with classes also ``recall`` and
        ``support`` by class and ``confusion`` counts (true class by predicted class).
    """
    record: dict[str, Any] = {
        "model": model.arch,
        "task": model.task_name,
        "faces": faces,
        **{name: float(value) for name, value in values.items() if value.ndim == 0},
    }
    if model.labels is not None:
        confusion = values["confusion"].cpu()
        names = model.labels.names
        per_class = zip(names, recalls(confusion).tolist(), strict=True)
        record |= {
            "recall": {name: None if value != value else value for name, value in per_class},
            "support": dict(zip(names, confusion.sum(dim=1).tolist(), strict=True)),
            "confusion": confusion.tolist(),
        }
    versions = {"affectzoo": __version__, "torch": torch.__version__, "python": platform.python_version()}
    return record | {"versions": versions}


def evaluation_table(record: Mapping[str, Any], title: str) -> Table:
    """A record as a table for people."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", min_width=len(title))
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("faces", justify="right")
    for name, value in record.items():
        if isinstance(value, float):
            table.add_row(name.replace("_", " "), f"{value:.4f}", f"{record['faces']:,}")
    table.add_section()
    for name, value in record.get("recall", {}).items():
        shown = "-" if value is None else f"{value:.4f}"
        table.add_row(f"recall {name}", shown, f"{record['support'][name]:,}")
    return table


def write_evaluation(record: Mapping[str, Any], folder: Path, title: str) -> None:
    """Write ``metrics.json`` and, with classes, ``confusion_matrix.png`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if "confusion" not in record:
        return
    confusion_figure(
        torch.tensor(record["confusion"]).numpy(),
        list(record["recall"]),
        folder / "confusion_matrix.png",
        f"{title}: accuracy {record['accuracy']:.4f}",
    )

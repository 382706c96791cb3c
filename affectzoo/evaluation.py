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
    dataset = FaceDataset(index.conform(model.labels), FaceTransform(model.preprocess))
    metrics = model.task.metrics().to(model.device)
    with torch.inference_mode():
        for batch in DataLoader(dataset, batch_size, collate_fn=collate):
            scores = getattr(model(batch["image"].to(model.device)), model.task.head)
            model.task.update(metrics, scores, batch | {"label": batch["label"].to(model.device)})
    return evaluation_record(model, metrics.compute()) | {"data": index.dataset}


def evaluation_record(model: AffectModel, values: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Results as JSON-ready values.

    Args:
        model: What was measured.
        values: What its task's metrics computed.

    Returns:
        ``model``, ``faces``, each scalar metric, ``recall`` and ``support`` by class, ``confusion`` counts
        (true class by predicted class) and ``versions``.
    """
    confusion = values["confusion"].cpu()
    per_class = zip(model.labels.names, recalls(confusion).tolist(), strict=True)
    return {
        "model": model.arch,
        "faces": int(confusion.sum()),
        **{name: float(value) for name, value in values.items() if value.ndim == 0},
        "recall": {name: None if value != value else value for name, value in per_class},
        "support": dict(zip(model.labels.names, confusion.sum(dim=1).tolist(), strict=True)),
        "confusion": confusion.tolist(),
        "versions": {
            "affectzoo": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def evaluation_table(record: Mapping[str, Any], title: str) -> Table:
    """A record as a table for people."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", min_width=len(title))
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("faces", justify="right")
    for name in ("accuracy", "mean_diagonal", "f1"):
        table.add_row(name.replace("_", " "), f"{record[name]:.4f}", f"{record['faces']:,}")
    table.add_section()
    for name, value in record["recall"].items():
        shown = "-" if value is None else f"{value:.4f}"
        table.add_row(f"recall {name}", shown, f"{record['support'][name]:,}")
    return table


def write_evaluation(record: Mapping[str, Any], folder: Path, title: str) -> None:
    """Write ``metrics.json`` and ``confusion_matrix.png`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    confusion_figure(
        torch.tensor(record["confusion"]).numpy(),
        list(record["recall"]),
        folder / "confusion_matrix.png",
        f"{title}: accuracy {record['accuracy']:.4f}",
    )

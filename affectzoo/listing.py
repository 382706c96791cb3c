"""What ``affectzoo models`` shows, derived from the registry and the weights' entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from affectzoo import weights
from affectzoo.registry import ARCHITECTURES, Architecture
from affectzoo.zoo import list_models

if TYPE_CHECKING:
    from rich.table import Table

CLASSES = "ferplus8"
"""The label space for which an architecture's parameters are counted."""


def listing(task: str | None = None, pretrained: bool = False) -> list[dict[str, Any]]:
    """One JSON-ready row per architecture or, with ``pretrained``, per set of weights.

    Args:
        task: Only models of this task.
        pretrained: List weights instead of architectures.
    """
    names = list_models(task, pretrained)
    if pretrained:
        return [_weights_row(weights.entries()[name]) for name in names]
    return [_architecture_row(ARCHITECTURES[name]) for name in names]


def _architecture_row(entry: Architecture) -> dict[str, Any]:
    import torch

    with torch.device("meta"):  # shapes only: nothing is allocated or drawn
        model = entry.load_class()(labels=CLASSES)  # type: ignore[call-arg]
    return {
        "name": entry.name,
        "tasks": list(entry.tasks),
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "input": _input(model.preprocess),
        "weights": [n for n, e in weights.entries().items() if e.meta.arch == entry.name],
        "recipe": f"recipes/{entry.recipe}",
        "summary": entry.summary,
        "source": entry.source,
    }


def _weights_row(entry: weights.WeightsEntry) -> dict[str, Any]:
    meta = entry.meta
    return {
        "name": entry.name,
        "tasks": [meta.task],
        "parameters": entry.parameters,
        "input": _input(meta.preprocess),
        "labels": list(meta.labels),
        "training": dict(meta.training),
        "metrics": [dict(metric) for metric in meta.metrics],
        "licence": dict(meta.licence),
        "size": entry.size,
        "sha256": entry.sha256,
    }


def _input(preprocess: Any) -> str:
    return f"{preprocess.size} x {preprocess.size} {preprocess.color}"


def listing_table(rows: list[dict[str, Any]], pretrained: bool) -> Table:
    """The rows as a table for people."""
    from rich.table import Table

    title = "pretrained weights" if pretrained else "architectures"
    table = Table(title=title, title_justify="left")
    for column in ("name", "task", "parameters", "input"):
        table.add_column(column, justify="right" if column == "parameters" else "left", no_wrap=True)
    columns = ("trained on", "measured", "licence") if pretrained else ("weights", "what it is")
    for column in columns:
        table.add_column(column)
    for row in rows:
        common = (row["name"], ", ".join(row["tasks"]), f"{row['parameters']:,}", row["input"])
        if pretrained:
            measured = "\n".join(
                f"{m['data']} {m['split']}: {name} {m[name]:.4f} ({m['faces']:,} faces)"
                for m in row["metrics"]
                for name in ("accuracy", "ccc")
                if name in m
            )
            terms = "\n".join(f"{what}: {licence}" for what, licence in row["licence"].items())
            table.add_row(*common, str(row["training"].get("data", "-")), measured or "-", terms or "-")
        else:
            tags = ", ".join(row["weights"]) or "none yet"
            table.add_row(*common, tags, row["summary"])
    return table

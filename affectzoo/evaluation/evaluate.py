"""From a model and faces to a record of results: the one shape in which they are kept and shown."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from affectzoo import __version__
from affectzoo.datamodules.clips import ClipDataset
from affectzoo.datamodules.dataset import FaceDataset, OnUnreadable, collate, none_readable
from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.datasets.index import FaceIndex
from affectzoo.metrics.classification import recalls
from affectzoo.models.inference import inference
from affectzoo.plots import agreement_figure, confusion_figure, traces_figure
from affectzoo.sample import AffectOutput, Batch
from affectzoo.tasks.va import DIMENSIONS

if TYPE_CHECKING:
    from rich.table import Table

    from affectzoo.metrics.predictions import Predicted
    from affectzoo.models.base import AffectModel

Progress = Callable[[float], object]
"""Told from time to time which share of the work, 0 to 1, is done."""


def span(progress: Progress | None, start: float, end: float) -> Progress | None:
    """The progress of a part of the work, from one share of it to another."""
    return None if progress is None else lambda share: progress(start + share * (end - start))


TRACES = 6
"""Clips whose predictions are drawn."""


def evaluate(
    model: AffectModel,
    index: FaceIndex,
    batch_size: int = 64,
    *,
    window: int | None = None,
    stride: int | None = None,
) -> dict[str, Any]:
    """Measure a model on every face of an index.

    Args:
        model: In any mode, which it keeps.
        index: Faces of one split, in any label space that maps into the model's.
        batch_size: Faces, or windows, per forward pass.
        window: Frames per window for a recurrent model; 0 for single faces. By default as its weights were
            evaluated in training.
        stride: Frames from one window's start to the next's; by default ``window``. Where windows overlap, a
            frame has the mean of its predictions.

    Returns:
        A record, see ``evaluation_record``.
    """
    if model.labels is not None:
        index = index.conform(model.labels)
    index = index.with_landmarks(model.landmarks)
    predicted = predict_index(model, index, batch_size, window=window, stride=stride)
    return evaluation_record(model, predicted, index.scale) | {"data": index.dataset}


def predict_index(
    model: AffectModel,
    index: FaceIndex,
    batch_size: int = 64,
    *,
    window: int | None = None,
    stride: int | None = None,
    on_unreadable: OnUnreadable = "raise",
    progress: Progress | None = None,
) -> Predicted:
    """A model's predictions of the faces of an index, whatever label space that speaks.

    Arguments and errors are those of ``outputs``.
    """
    options = {"window": window, "stride": stride, "on_unreadable": on_unreadable, "progress": progress}
    gathered = model.predictions().to(model.device)
    for output, batch in outputs(model, index, batch_size, **options):  # type: ignore[arg-type]
        gathered.update(output, batch)
    return gathered.compute()


def outputs(
    model: AffectModel,
    index: FaceIndex,
    batch_size: int = 64,
    *,
    window: int | None = None,
    stride: int | None = None,
    on_unreadable: OnUnreadable = "raise",
    progress: Progress | None = None,
) -> Iterator[tuple[AffectOutput, Batch]]:
    """A model's outputs for the faces of an index, batch by batch, without augmentation.

    Args:
        model: In any mode, which it keeps.
        index: Faces with the landmarks that the model takes.
        batch_size: Faces, or windows, per forward pass.
        window: Frames per window, see ``evaluate``.
        stride: From window to window, see ``evaluate``.
        on_unreadable: At a picture that cannot be read: ``raise``, or ``skip``, which leaves the face out.
        progress: See ``Progress``.

    Yields:
        Outputs and batch, both with one leading dimension. Frames that only fill a window up have a mask of
        ``False``; a frame of several windows comes several times.

    Raises:
        UnreadableImageError: A picture cannot be read; under ``skip``: none of all can.
    """
    if window is None:
        window = 0 if model.meta is None else int(model.meta.training.get("eval_window", 0))
    faces = FaceDataset(index, FaceTransform(model.preprocess), on_unreadable=on_unreadable)
    data = ClipDataset(faces, window, stride or window) if window else faces
    loader = DataLoader(data, batch_size, collate_fn=_collate_readable)
    answered = False
    for number, batch in enumerate(loader, 1):
        if batch:
            answered = True
            batch = model.transfer_batch_to_device(batch, model.device, 0)
            with inference(model):  # not around the yield: it would reach into the caller's own work
                answer = model.predict_batch(batch)
            yield answer
        if progress is not None:
            progress(number / len(loader))
    if not answered:
        raise none_readable(index)


def _collate_readable(samples: list[Batch]) -> Batch:
    """As ``collate``; empty where nothing of a batch can be read, which ends a training but no evaluation."""
    return collate(samples) if any(set(sample) - {"unreadable"} for sample in samples) else {}


def evaluation_record(model: AffectModel, predicted: Predicted, scale: float = 1.0) -> dict[str, Any]:
    """Results as JSON-ready values.

    Args:
        model: What was measured.
        predicted: Its predictions, each face once.
        scale: Of the data set's own valence and arousal, see ``FaceIndex``.

    Returns:
        ``model``, ``task``, ``faces``, each scalar metric and ``versions``; with classes also ``recall`` and
        ``support`` by class and ``confusion`` counts (true class by predicted class). Where faces belong to
        clips, ``per_clip`` has the same over clips, with their number ``clips``. Errors of valence and
        arousal on the data set's own scale, where that is another one, are ``own_scale_<metric>``.
    """
    values = model.score(predicted)
    record: dict[str, Any] = {
        "model": model.arch,
        "task": model.task_name,
        "faces": len(predicted.row),
        **_results(model, {n: v for n, v in values.items() if not n.startswith("clip_")}, scale),
    }
    clips = {name.removeprefix("clip_"): v for name, v in values.items() if name.startswith("clip_")}
    if clips:
        number = int(predicted.clip.unique().ge(0).sum())  # type: ignore[no-untyped-call]
        rule = {"rule": model.clip_rule} if model.labels is not None else {}
        record["per_clip"] = {"clips": number, **rule, **_results(model, clips, scale)}
    versions = {"affectzoo": __version__, "torch": torch.__version__, "python": platform.python_version()}
    return record | {"versions": versions}


def _results(model: AffectModel, values: Mapping[str, torch.Tensor], scale: float) -> dict[str, Any]:
    results: dict[str, Any] = {name: float(value) for name, value in values.items() if value.ndim == 0}
    if scale != 1:
        errors = {name: results[name] for name in results if name.startswith(("rmse_", "mse_"))}
        power = {name: 1 if name.startswith("rmse_") else 2 for name in errors}
        results |= {f"own_scale_{name}": value * scale ** power[name] for name, value in errors.items()}
    if model.labels is not None:
        confusion = values["confusion"].cpu()
        names = model.labels.names
        per_class = zip(names, recalls(confusion).tolist(), strict=True)
        results |= {
            "recall": {name: None if value != value else value for name, value in per_class},
            "support": dict(zip(names, confusion.sum(dim=1).tolist(), strict=True)),
            "confusion": confusion.tolist(),
        }
    return results


def claim(record: Mapping[str, Any]) -> dict[str, Any]:
    """What weights keep of a record of ``affectzoo test``: not what they say elsewhere, nor long parts."""
    left = ("model", "task", "confusion", "versions", "left_out", "unreadable", "training_label_rule")
    return {name: value for name, value in record.items() if name not in left}


def predictions_table(model: AffectModel, predicted: Predicted, index: FaceIndex) -> pd.DataFrame:
    """Predictions beside the truth, one row per face, for the next tool.

    Args:
        model: What predicted.
        predicted: Its predictions of the faces of ``index``.
        index: What they were made on.

    Returns:
        ``path``, ``subject``, ``clip``, ``frame``; for classes ``label``, ``predicted_label`` and
        ``p_<class>``; for values ``valence``, ``predicted_valence``, ``arousal``, ``predicted_arousal``.
    """
    rows = index.table.iloc[predicted.row.numpy()]
    columns: dict[str, Any] = {name: rows[name].to_numpy() for name in ("path", "subject", "clip", "frame")}
    for task in model.tasks:
        columns |= task.columns(predicted)
    return pd.DataFrame(columns)


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
    per_clip = record.get("per_clip", {})
    table.add_section()
    for name, value in per_clip.items():
        if isinstance(value, float):
            table.add_row(
                f"{name.replace('_', ' ')} per clip", f"{value:.4f}", f"{per_clip['clips']:,} clips"
            )
    return table


def write_evaluation(
    record: Mapping[str, Any], folder: Path, title: str, predictions: pd.DataFrame | None = None
) -> None:
    """Write an evaluation into a folder.

    Args:
        record: Becomes ``metrics.json`` and, with classes, ``confusion_matrix.png``.
        folder: Made where it does not exist.
        title: Over the pictures.
        predictions: Becomes ``predictions.csv`` and, with values, ``valence_arousal.png`` and, with clips,
            ``traces.png`` of the longest ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if "confusion" in record:
        confusion_figure(
            torch.tensor(record["confusion"]).numpy(),
            list(record["recall"]),
            folder / "confusion_matrix.png",
            f"{title}: accuracy {record['accuracy']:.4f}",
        )
    if predictions is not None:
        predictions.to_csv(folder / "predictions.csv", index=False)
        _affect_figures(
            predictions, folder, f"{title}, CCC {record['ccc']:.3f}" if "ccc" in record else title
        )


def _affect_figures(table: pd.DataFrame, folder: Path, title: str) -> None:
    known = [name for name in DIMENSIONS if f"predicted_{name}" in table and table[name].notna().any()]
    if not known:
        return
    table = table.dropna(subset=known)
    pairs = {name: (table[name].to_numpy(), table[f"predicted_{name}"].to_numpy()) for name in known}
    agreement_figure(pairs, folder / "valence_arousal.png", title)
    clips: dict[str, dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for clip in table["clip"].value_counts().index[:TRACES].sort_values():
        frames = table[table["clip"] == clip].sort_values("frame")
        numbers = frames["frame"].to_numpy(float)
        clips[clip] = {
            name: (numbers, frames[name].to_numpy(), frames[f"predicted_{name}"].to_numpy()) for name in known
        }
    if clips:
        traces_figure(clips, folder / "traces.png", f"{title}: the longest clips")

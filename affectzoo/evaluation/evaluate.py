"""From a model and faces to predictions, to a record, and to what people see of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from affectzoo.datamodules.clips import ClipDataset
from affectzoo.datamodules.dataset import FaceDataset, OnUnreadable, collate, ground_truth, none_readable
from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import OptionError
from affectzoo.evaluation.measurement import Context, Tables, measurement
from affectzoo.evaluation.record import write_record
from affectzoo.metrics.columns import TRUE
from affectzoo.metrics.names import DIMENSIONS
from affectzoo.metrics.names import title as metric_title
from affectzoo.models.inference import inference
from affectzoo.plots import agreement_figure, confusion_figure, traces_figure
from affectzoo.sample import AffectOutput, Batch

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


@dataclass(frozen=True)
class Pass:
    """How the faces of an index go through a model, without augmentation.

    Attributes:
        batch_size: Faces, or windows, per forward pass.
        window: Frames per window for a recurrent model; 0 for single faces. By default as its weights were
            evaluated in training.
        stride: Frames from one window's start to the next's; by default ``window``. Where windows overlap, a
            frame has the mean of its predictions.
        on_unreadable: At an image that cannot be read: ``raise``, or ``skip``, which leaves the face out.
        num_workers: Processes that read the images; 0: this one does.
        progress: See ``Progress``.
    """

    batch_size: int = 64
    _: KW_ONLY
    window: int | None = None
    stride: int | None = None
    on_unreadable: OnUnreadable = "raise"
    num_workers: int = 0
    progress: Progress | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are too small; ``windows`` does so of frames."""
        for name, least in (("batch_size", 1), ("num_workers", 0)):
            if getattr(self, name) < least:
                raise OptionError(f"{name} is {getattr(self, name)}, expected at least {least}")


def evaluate(
    model: AffectModel, index: FaceIndex, how: Pass = Pass(), *, split: str = "test"
) -> dict[str, Any]:
    """Measure a model on every labeled face of an index.

    Arguments and errors are those of ``measure``.

    Returns:
        A record, see ``affectzoo.evaluation.schema``; ``record["metrics"]["accuracy"]["value"]`` is a figure.
    """
    return measure(model, index, how, split=split)[0]


def measure(
    model: AffectModel,
    index: FaceIndex,
    how: Pass = Pass(),
    *,
    split: str = "test",
    name: str | None = None,
) -> tuple[dict[str, Any], Tables]:
    """Measure a model on every labeled face of an index, and keep its predictions.

    Args:
        model: In any mode, which it keeps.
        index: Faces of one split, in any label space that maps into the model's.
        how: How they go through it.
        split: What the record calls the part.
        name: What it calls the model; by default the architecture.

    Returns:
        The record and its tables, see ``measurement``.

    Raises:
        DataError: No face has what the model predicts.
    """
    if model.labels is not None:
        index = index.conform(model.labels)
    index = index.with_landmarks(model.data_landmarks)
    start = time.perf_counter()
    predicted = predict_index(model, index, how)
    window = default_window(model) if how.window is None else how.window
    context = Context(split, name=name, meta=model.meta, window=window, stride=how.stride, start=start)
    return measurement(model, predicted, index, context)


def default_window(model: AffectModel) -> int:
    """Frames per window with which a model was evaluated in training; 0 for single faces.

    Raises:
        OptionError: The model reads windows, and it is not known how long ones.
    """
    if model.sequence and not model.window:
        raise OptionError(f"{model.arch} reads windows of frames: say how many, window=...")
    return model.window


def predict_index(model: AffectModel, index: FaceIndex, how: Pass = Pass()) -> Predicted:
    """A model's predictions of the faces of an index, whatever label space that speaks; see ``outputs``."""
    gathered = model.predictions()
    for output, batch in outputs(model, index, how):
        gathered.update(output, batch)
    return gathered.compute(ground_truth(index))


def outputs(model: AffectModel, index: FaceIndex, how: Pass = Pass()) -> Iterator[tuple[AffectOutput, Batch]]:
    """A model's outputs for the faces of an index, batch by batch.

    Args:
        model: In any mode, which it keeps.
        index: Faces with the landmarks that the model takes or learns.
        how: How they go through it.

    Yields:
        Outputs and batch, both with one leading dimension. Faces that could not be read and frames that only
        fill a window up have a mask of ``False``; a frame of several windows comes several times.

    Raises:
        UnreadableImageError: An image cannot be read; under ``skip``: none of all can.
    """
    window = default_window(model) if how.window is None else how.window
    faces = FaceDataset(index, FaceTransform(model.preprocess), on_unreadable=how.on_unreadable)
    data = ClipDataset(faces, window, how.stride or window) if window else faces
    loader = DataLoader(data, how.batch_size, collate_fn=collate, num_workers=how.num_workers)
    answered = False
    for number, batch in enumerate(loader, 1):
        del batch["unreadable"]
        if batch["mask"].any():
            answered = True
            batch = {k: v.to(model.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
            with inference(model):  # not around the yield: it would reach into the caller's own work
                answer = model.predict_batch(batch)
            yield answer
        if how.progress is not None:
            how.progress(number / len(loader))
    if not answered:
        raise none_readable(index)


def evaluation_table(record: Mapping[str, Any], title: str) -> Table:
    """A record as a table for people."""
    from rich.table import Table

    remarks = "\n".join(record.get("remarks", ()))
    table = Table(title=title, caption=remarks or None, title_justify="left", min_width=len(title))
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("interval", justify="right")
    table.add_column("faces", justify="right")
    counts = record["faces"].get("annotated", {})
    for name, figure in record["metrics"].items():
        own = [counts[d] for d in DIMENSIONS if d in counts and (name.endswith(d) or name == "ccc")]
        faces = f"{min(own, default=counts.get('label', record['faces']['predicted'])):,}"
        ends = figure.get("low"), figure.get("high")
        interval = "" if None in ends else f"{ends[0]:.4f} to {ends[1]:.4f}"
        table.add_row(metric_title(name), _shown(figure["value"]), interval, faces)
    table.add_section()
    for name, measures in (record.get("per_class") or {}).items():
        table.add_row(f"recall {name}", _shown(measures["recall"]), "", f"{measures['support']:,.0f}")
    clips = record.get("clips") or {"metrics": {}}
    table.add_section()
    for name, figure in clips["metrics"].items():
        shown = f"{metric_title(name)} per clip"
        table.add_row(shown, _shown(figure["value"]), "", f"{clips['clips']:,} clips")
    return table


def _shown(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"


def write_evaluation(
    out: Path, record: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], title: str
) -> Path:
    """Keep a measurement: its record and predictions, see ``write_record``, and images of them.

    Args:
        out: A run's folder.
        record: See ``measurement``.
        tables: Its tables. Predictions are drawn into ``plots/<key>``: with classes
            ``confusion_matrix.png``, with values ``valence_arousal.png`` and, with clips, ``traces.png`` of
            the longest ones.
        title: Over the images.

    Returns:
        The record's file.
    """
    folder = out / "plots" / str(record["key"])
    figures = record["metrics"]
    if record.get("confusion") is not None:
        confusion_figure(
            np.array(record["confusion"]),
            list(record["labels"]),
            folder / "confusion_matrix.png",
            f"{title}: accuracy {_shown(figures['accuracy']['value'])}",
        )
    ccc = f", CCC {_shown(figures['ccc']['value'])}" if "ccc" in figures else ""
    _affect_figures(tables[".csv"], folder, f"{title}{ccc}")
    return write_record(out, record, tables)


def _affect_figures(table: pd.DataFrame, folder: Path, title: str) -> None:
    truth = {name: f"{TRUE}{name}" for name in DIMENSIONS}
    known = [name for name in DIMENSIONS if name in table and table[truth[name]].notna().any()]
    table = table.dropna(subset=[*known, *(truth[name] for name in known)])
    if not known or table.empty:
        return
    pairs = {name: (table[truth[name]].to_numpy(), table[name].to_numpy()) for name in known}
    agreement_figure(pairs, folder / "valence_arousal.png", title)
    clips: dict[str, dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for clip in table["clip"].value_counts().index[:TRACES].sort_values():
        frames = table[table["clip"] == clip].sort_values("frame")
        numbers = frames["frame"].to_numpy(float)
        clips[clip] = {
            name: (numbers, frames[truth[name]].to_numpy(), frames[name].to_numpy()) for name in known
        }
    if clips:
        traces_figure(clips, folder / "traces.png", f"{title}: the longest clips")

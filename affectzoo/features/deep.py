"""Features that a model has learned: the outputs of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from affectzoo.errors import AffectZooError, DataError, UnknownNameError
from affectzoo.evaluation import Progress, outputs

if TYPE_CHECKING:
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.models.base import AffectModel


def layer_names(model: AffectModel) -> list[str]:
    """The layers of a model that ``deep_features`` takes, as they follow one another in its network."""
    containers = (nn.ModuleDict, nn.ModuleList)
    return [
        name for name, module in model.network.named_modules() if name and not isinstance(module, containers)
    ]


def deep_features(
    model: AffectModel,
    index: FaceIndex,
    layer: str | None = None,
    batch_size: int = 64,
    *,
    window: int | None = None,
    stride: int | None = None,
    progress: Progress | None = None,
) -> npt.NDArray[np.float32]:
    """What a layer says of every face of an index, without augmentation.

    Args:
        model: In evaluation mode.
        index: The faces, with the landmarks that the model takes.
        layer: One of ``layer_names``; by default the last hidden layer (``AffectOutput.features``). Of a
            layer with several outputs the first one counts; of one that a pass uses several times, the last
            time.
        batch_size: Faces, or windows, per forward pass.
        window: Frames per window, see ``affectzoo.evaluation.evaluate``.
        stride: From window to window, likewise. A frame in several windows has the mean of its features.
        progress: Told which share of the work is done.

    Returns:
        Shape (N, D); maps are flattened.

    Raises:
        UnknownNameError: The model has no such layer; near matches are listed.
        DataError: A face lacks the landmarks.
        AffectZooError: The layer does not say one thing of each face.
    """
    without = int((~index.has_landmarks(model.landmarks)).sum())
    if without:
        raise DataError(
            f"{without} of {len(index)} faces lack the {model.landmarks} landmarks that {model.arch} takes; "
            "leave them out with index.with_landmarks"
        )
    sums: torch.Tensor | None = None
    times = torch.zeros(len(index), 1)
    with _watched(model, layer) as seen:
        for output, batch in outputs(
            model, index, batch_size, window=window, stride=stride, progress=progress
        ):
            found = output.features if layer is None else _by_face(seen, layer, len(batch["index"]))
            keep = batch["mask"] if "mask" in batch else torch.ones_like(batch["index"], dtype=torch.bool)
            rows, values = batch["index"][keep].cpu(), found[keep].float().cpu()
            if sums is None:
                sums = torch.zeros(len(index), values.shape[1])
            sums.index_add_(0, rows, values)
            times.index_add_(0, rows, torch.ones(len(rows), 1))
    assert sums is not None  # an index is never empty
    features: npt.NDArray[np.float32] = (sums / times).numpy()
    return features


@contextmanager
def _watched(model: AffectModel, layer: str | None) -> Iterator[dict[str, Any]]:
    """While open, ``output`` is the latest output of a layer."""
    seen: dict[str, Any] = {}
    if layer is None:
        yield seen
        return
    if layer not in layer_names(model):
        raise UnknownNameError(f"layer of {model.arch}", layer, layer_names(model))

    def keep(module: nn.Module, given: Any, output: Any) -> None:
        first = output if isinstance(output, torch.Tensor) else output[0]
        seen["output"] = first.clone()  # what follows may work in place

    handle = model.network.get_submodule(layer).register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def _by_face(seen: dict[str, Any], layer: str, faces: int) -> torch.Tensor:
    """A layer's latest output as one row per face, those of windows one below the other."""
    found = seen.pop("output", None)
    if found is None:
        raise AffectZooError(f"layer {layer} takes no part in the model's answers; choose another one")
    if found.ndim > 1 and len(found) != faces:
        found = found.flatten(0, 1)
    if len(found) != faces:
        raise AffectZooError(
            f"layer {layer} gives {len(found)} outputs for {faces} faces; choose another one"
        )
    rows: torch.Tensor = found.reshape(faces, -1)
    return rows

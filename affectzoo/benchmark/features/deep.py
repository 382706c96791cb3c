"""Features that a model has learned: the outputs of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from affectzoo.errors import AffectZooError, UnknownNameError
from affectzoo.evaluation.evaluate import Pass, Progress, outputs

if TYPE_CHECKING:
    from affectzoo.benchmark.features.extraction import Floats, Rows
    from affectzoo.datamodules.dataset import OnUnreadable
    from affectzoo.datasets.index import FaceIndex
    from affectzoo.models.base import AffectModel


def layer_names(model: AffectModel) -> list[str]:
    """The layers of a model that ``Layer`` takes, as they follow one another in its network."""
    containers = (nn.ModuleDict, nn.ModuleList)
    return [name for name, module in model.named_modules() if name and not isinstance(module, containers)]


@dataclass(frozen=True)
class Layer:
    """What a layer of a model says of faces; a ``features.extraction.Extractor``.

    Attributes:
        model: In any mode, which it keeps.
        name: One of ``layer_names``; by default the last hidden layer (``AffectOutput.features``). Of a layer
            with several outputs the first one counts; of one that a pass uses several times, the last time.
            Maps are flattened.
        batch_size: Faces, or windows, per forward pass.
        window: Frames per window, see ``affectzoo.evaluation.evaluate``.
        stride: From window to window, likewise.
    """

    model: AffectModel
    name: str | None = None
    batch_size: int = 64
    window: int | None = None
    stride: int | None = None
    pca: ClassVar[float | None] = None

    @property
    def landmarks(self) -> int:
        """How many landmarks the model takes."""
        return self.model.landmarks

    def chunks(
        self, index: FaceIndex, on_unreadable: OnUnreadable = "raise", progress: Progress | None = None
    ) -> Iterator[tuple[Rows, Floats]]:
        """See ``Extractor``; the frames of a window come together.

        Raises:
            UnknownNameError: The model has no such layer; near matches are listed.
            AffectZooError: The layer does not say one thing of each face.
        """
        how = Pass(
            self.batch_size,
            window=self.window,
            stride=self.stride,
            on_unreadable=on_unreadable,
            progress=progress,
        )
        answers = outputs(self.model, index, how)
        with _watched(self.model, self.name) as seen:
            for output, batch in answers:
                found = (
                    output.features if self.name is None else _by_face(seen, self.name, len(batch["index"]))
                )
                keep = batch["mask"]
                yield batch["index"][keep].cpu().numpy(), found[keep].float().cpu().numpy()


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

    handle = model.get_submodule(layer).register_forward_hook(keep)
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

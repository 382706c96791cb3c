"""What computes predictions for cut faces: a network in torch, or an exported file in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from affectzoo.errors import OptionError
from affectzoo.export.onnx_model import SUFFIX, Answers, OnnxModel

if TYPE_CHECKING:
    import torch

    from affectzoo.faces.preprocess import Image, Points
    from affectzoo.models.base import AffectModel

BackendName = Literal["torch", "onnx"]


class Backend(Protocol):
    """What answers for a batch of cut faces."""

    @property
    def fingerprint(self) -> str:
        """By which the weights are known."""
        ...

    def answer(
        self,
        faces: Sequence[Image],
        tracks: Sequence[Hashable],
        states: dict[Hashable, Any],
        points: Sequence[Points] | None = None,
    ) -> Answers:
        """Predict; recurrent models go on for each track where they were.

        Args:
            faces: As the model's ``preprocess.face`` cuts them, in the order of time.
            tracks: Whose face each is.
            states: What is kept of each track, which is brought up to date; empty at first.
            points: For models that take landmarks, those of each face, shape (N, 2), in pixels of it.
        """
        ...


def load_model(
    name: str | Path, weights: str | None = None, backend: BackendName | None = None
) -> AffectModel | OnnxModel:
    """Load a model for a backend.

    Args:
        name: What ``affectzoo.load`` takes, or an exported ``.onnx`` file.
        weights: As for ``affectzoo.load``.
        backend: ``onnx`` exports other models than such files once and keeps the file, see ``exported``; by
            default ``onnx`` for such files and ``torch`` for all else.

    Raises:
        OptionError: An ``.onnx`` file for torch, or with ``weights``.
        AffectZooError: It cannot be loaded.
    """
    if isinstance(name, str | Path) and Path(name).suffix.lower() == SUFFIX:
        if backend == "torch" or weights is not None:
            raise OptionError(f"{name}: ONNX files hold their weights and run by the backend onnx only")
        return OnnxModel(name)
    if backend == "onnx":
        from affectzoo.export.kept import exported

        return OnnxModel(exported(name, weights))
    from affectzoo.zoo.loading import load

    return load(name, weights=weights)


def make_backend(model: AffectModel | OnnxModel, device: str | torch.device | None = None) -> Backend:
    """Make what computes with a model.

    Args:
        model: A loaded one.
        device: Where it shall run; ``None`` leaves it where it is.

    Raises:
        AffectZooError: The device cannot be used, the model is to be trained first, or it is none.
    """
    if isinstance(model, OnnxModel):
        if str(device) not in ("None", "cpu"):
            raise OptionError(f"device {str(device)!r}: ONNX files run on the CPU here")
        return model
    if not hasattr(model, "preprocess"):
        raise OptionError(
            f"the model is of the type {type(model).__name__}; expected what affectzoo.load takes or gives"
        )
    from affectzoo.inference.torch_backend import TorchBackend

    return TorchBackend(model, device)

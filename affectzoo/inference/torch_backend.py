"""Predict for cut faces with a network in torch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from affectzoo.errors import OptionError
from affectzoo.export.onnx_model import Answers
from affectzoo.models.inference import check_usable, inference
from affectzoo.weights.tensors import fingerprint

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image, Points
    from affectzoo.models.base import AffectModel


class TorchBackend:
    """A loaded model as a ``Backend``."""

    def __init__(self, model: AffectModel, device: str | torch.device | None = None) -> None:
        """Take a model.

        Args:
            model: In whatever mode it is, which it keeps.
            device: It is moved there, where one is named.

        Raises:
            AffectZooError: It is to be trained first.
            OptionError: There is no such device.
        """
        check_usable(model)
        self.model = model
        if device is not None:
            _move(model, device)

    @property
    def fingerprint(self) -> str:
        """See ``Backend``: of the tensors."""
        return fingerprint(self.model.state_dict())

    def answer(
        self,
        faces: Sequence[Image],
        tracks: Sequence[Hashable],
        states: dict[Hashable, Any],
        points: Sequence[Points] | None = None,
    ) -> Answers:
        """See ``Backend``."""
        model, prepared = self.model, self.model.preprocess
        first = next(p for p in model.parameters() if p.is_floating_point())
        batch = torch.stack([prepared.tensor(face) for face in faces]).to(first.device, first.dtype)
        marks = None
        if points is not None:
            marks = torch.from_numpy(np.stack([prepared.cut_points(p) for p in points])).to(first.device)
        with inference(model):
            output = model.go_on(batch, tracks, states, marks)
            shares = None if output.expression is None else output.expression.float().softmax(dim=1)
            va = None if output.va is None else output.va.float().clamp(-1, 1)
            found = None if output.points is None else output.points.float()
        return Answers(*(None if values is None else values.cpu().numpy() for values in (shares, va, found)))


def _move(model: AffectModel, device: str | torch.device) -> None:
    try:
        model.to(torch.device(device))
    except Exception as error:  # torch raises several kinds for devices that are not there
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OptionError(f"device {str(device)!r} cannot be used: {first}") from None
    if any(parameter.is_meta for parameter in model.parameters()):
        raise OptionError(f"device {str(device)!r} cannot be used: it holds no values")

"""One way to run a model for its predictions, whatever mode or context it is called in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import nn

from affectzoo.errors import AffectZooError

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Run a model for inference: evaluation mode, no gradients, no autocast.

    Afterwards every submodule is in the mode that it was in before, also where an error ended the run. No
    tensor of the model changes: dropout is off and batch norm neither takes nor keeps a batch's statistics.

    Args:
        model: Any module, in any mode.
    """
    modes = [(module, module.training) for module in model.modules()]
    first = next(chain(model.parameters(), model.buffers()), None)
    devices = {"cpu"} if first is None else {"cpu", first.device.type} - {"meta"}
    try:
        model.eval()
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            for device in sorted(devices):
                stack.enter_context(torch.autocast(device, enabled=False))
            yield
    finally:
        for module, training in modes:
            module.training = training


def check_usable(model: AffectModel) -> None:
    """Refuse a model that does not predict on images or videos.

    Raises:
        AffectZooError: It is to be trained first.
    """
    fresh = () if model.meta is None else model.meta.fresh
    if fresh:
        raise AffectZooError(
            f"these weights are to start a training from: {', '.join(fresh)} are random. Train them first: "
            "affectzoo fit --config ... --model.weights FILE --model.new_head true"
        )

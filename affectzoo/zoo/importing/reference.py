"""Whether imported weights answer as the network that they are of, where a library has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from affectzoo.errors import AffectZooError, WeightsError
from affectzoo.models.inference import inference
from affectzoo.zoo.checkpoints import Tensors
from affectzoo.zoo.importing.matching import shared_beginning

if TYPE_CHECKING:
    from torch import nn

    from affectzoo.models.base import AffectModel

PARITY = 1e-4
"""Greatest difference of outputs, as a share of their norm; other kernels differ by much less."""


def answers(model: AffectModel) -> tuple[torch.Tensor, torch.Tensor]:
    """A random face as the network takes it, and the first head's outputs.

    Returns:
        Shapes (1, channels, size, size) and (1, outputs).

    Raises:
        AffectZooError: The network cannot take faces that are prepared so.
    """
    size, channels = model.preprocess.size, model.preprocess.channels
    face = torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(0))
    points = torch.zeros(1, model.landmarks, 2) if model.landmarks else None
    try:
        with inference(model):
            output = model(face, points)
    except RuntimeError as error:
        told = str(error).partition("\n")[0]
        raise AffectZooError(
            f"preprocess: {model.arch} cannot take {channels} x {size} x {size} faces ({told})"
        ) from None
    return face, output.va if output.expression is None else output.expression


def compare(arch: str, source: Tensors, face: torch.Tensor, outputs: torch.Tensor) -> str:
    """Compare with the network that the checkpoint is of, where a library has it.

    Args:
        arch: The architecture.
        source: The checkpoint's tensors, under its own names.
        face: Shape (1, channels, size, size).
        outputs: What the zoo's network answers, of shape (1, outputs).

    Returns:
        What was found, as a sentence.

    Raises:
        WeightsError: A library's network answers otherwise.
    """
    shared = shared_beginning(list(source))
    state = {
        name.removeprefix(shared): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in source.items()
    }
    for library, network in _references(arch, outputs.shape[1]):
        try:
            network.load_state_dict(state, assign=True)
        except RuntimeError:
            continue  # names of another library
        with inference(network):
            expected = network(face)
        apart = float((outputs - expected).norm() / expected.norm())
        if not apart <= PARITY:
            raise WeightsError(
                f"{library}'s {arch} gives other outputs with these weights than the zoo's: {apart:.2g} of "
                "their norm apart. They are built differently; nothing was imported"
            )
        return (
            f"{library}'s {arch} gives the same outputs for a random face ({apart:.0e} of their norm apart)."
        )
    return (
        "Outputs were not compared, for the names are not those of torchvision's or timm's network: compare "
        "some with those of the old one."
    )


def _references(arch: str, outputs: int) -> Iterator[tuple[str, nn.Module]]:
    """The libraries' networks of an architecture's name, without memory."""
    import timm
    import torchvision  # type: ignore[import-untyped]

    if arch in torchvision.models.list_models():
        with torch.device("meta"):
            network = torchvision.models.get_model(arch, weights=None, num_classes=outputs)
        yield "torchvision", network
    if timm.is_model(arch):
        with torch.device("meta"):
            network = timm.create_model(arch, pretrained=False, num_classes=outputs)
        yield "timm", network

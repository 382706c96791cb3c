"""A bound on the work that weights can ask of those who load them, counted before any of it is done.

A network without memory (on torch's device ``meta``) computes shapes alone. Image size, depth, width, window
and arguments are all in the count, whatever the architecture.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from affectzoo import __version__
from affectzoo.errors import OptionError, WeightsError
from affectzoo.files.fetch import leave, mark

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel

MULTIPLICATIONS = 2 * 10**11
"""Bound for one face: ten times ResNet-152's, half a minute on two cores."""

PER_VALUE = 2000
"""The same for each trained value, so that the largest networks of timm (1,900) are not refused."""

BYTES = 2**32
"""Bound on any one tensor on the way of a face, or of a window of frames, to its predictions."""


def check_work(model: AffectModel, where: str, window: int = 0, path: Path | None = None) -> None:
    """Refuse a model whose predictions take more time or memory than any face is worth.

    Counting takes torch some seconds at first, so small networks are let through by a rough bound, each value
    at each pixel, and files that passed once are trusted on this machine.

    Args:
        model: On the device ``meta``, in any mode.
        where: Whose it is, for the error.
        window: Frames per window, for a model that reads clips.
        path: The file of the weights, where there is one.

    Raises:
        WeightsError: One face takes too many multiplications, a face or window too large a tensor, or the
            network does not run on such faces.
    """
    size = model.preprocess.size
    values = sum(parameter.numel() for parameter in model.parameters())
    if not model.sequence and values * size**2 <= MULTIPLICATIONS:
        return
    told = [model.arch, dict(model.arguments), size, window, str(torch.__version__), __version__]
    passed = None if path is None else mark(f"work, {told}", path)
    if passed is not None and os.path.isfile(passed):  # noqa: PTH113, as Path raises where the folder may not be entered
        return
    frames = f", in windows of {window:,} frames," if window > 1 else ""
    face = f"a face of {size} x {size} pixels, {model.preprocess.color}{frames}"
    try:
        with torch.no_grad(), _Count(max(MULTIPLICATIONS, PER_VALUE * values), BYTES // max(1, window)):
            _run(model)
    except _TooMuchError as error:
        raise WeightsError(
            f"{where}: refused: {face} takes {error}, more than weights may ask for: take a smaller image "
            "size, window or network"
        ) from None
    except Exception as error:  # whatever a network finds wrong with the shapes
        told_of = str(error).partition("\n")[0][:200] or type(error).__name__
        raise WeightsError(f"{where}: {model.arch} does not take {face}: {told_of}") from None
    if passed is not None:
        leave(passed)


def check_size(model: AffectModel) -> None:
    """Refuse a model whose network does not take faces as they are prepared, before it is trained or used.

    Args:
        model: On the device ``meta``, in any mode.

    Raises:
        OptionError: It does not; says what the network found wrong.
    """
    size = model.preprocess.size
    try:
        with torch.no_grad():
            _run(model)
    except Exception as error:  # whatever a network finds wrong with the shapes
        told = str(error).partition("\n")[0][:200] or type(error).__name__
        raise OptionError(
            f"preprocess: {model.arch} does not take {model.preprocess.color} faces of {size} x {size} "
            f"pixels: {told}"
        ) from None


def _run(model: AffectModel) -> None:
    size, mode = model.preprocess.size, model.training
    image = torch.empty(1, model.preprocess.channels, size, size, device="meta")
    points = torch.empty(1, model.landmarks, 2, device="meta") if model.landmarks else None
    if model.sequence:
        image, points = image[None], None if points is None else points[None]
    try:
        model.eval()(image, points)
    finally:
        model.train(mode)


class _TooMuchError(Exception):
    """A bound is reached."""


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts multiplications and compares the sizes of tensors while a network runs."""

    def __init__(self, multiplications: int, size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.left = self.bound = multiplications
        self.size = size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        made = result if isinstance(result, list | tuple) else (result,)
        for tensor, told in zip(made, func._schema.returns, strict=False):
            new = told.alias_info is None  # neither a view, such as of weights, nor changed in place
            if new and isinstance(tensor, torch.Tensor) and tensor.nbytes > self.size:
                raise _TooMuchError(f"a tensor of over {self.size:,} bytes for each frame")
        self.left -= _multiplications(func.overloadpacket, args, result)
        if self.left < 0:
            raise _TooMuchError(f"over {self.bound:,} multiplications")
        return result


def _multiplications(function: Any, args: Any, result: Any) -> int:
    """Multiplications of a convolution, a matrix product or attention; of all else, none."""
    aten = torch.ops.aten
    if function is aten.convolution:
        return int(result.numel() * args[1][0].numel())
    if function in (aten.mm, aten.bmm):
        return int(result.numel() * args[0].shape[-1])
    if function in (aten.addmm, aten.baddbmm):
        return int(result.numel() * args[1].shape[-1])
    if "scaled_dot_product" in str(function):
        return int(2 * args[0].numel() * args[1].shape[-2])
    return 0

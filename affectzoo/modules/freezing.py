"""Which layers of a trunk are trained."""

from __future__ import annotations

import math
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from affectzoo.errors import OptionError, UnknownNameError

Freeze = Literal["none", "trunk"] | float


def freeze(trunk: nn.Module, what: Freeze) -> None:
    """Choose which of a trunk's parameters are trained; what was chosen before does not matter.

    Giguere, "Emotion Classification Using AffectNet", trains the last 20 % of ResNet-50's layers.

    Args:
        trunk: Its layers are the modules that hold parameters themselves, in the order of ``modules()``.
        what: ``none`` freezes nothing, ``trunk`` everything, and a share in (0, 1] everything but that share
            of the layers, counted from the end and rounded up.

    Raises:
        OptionError: An unknown word, or a share out of range.
    """
    if isinstance(what, str) and what not in ("none", "trunk"):
        raise UnknownNameError("part to freeze", what, ("none", "trunk"), "or the share of layers to train")
    if not isinstance(what, str) and not 0 < what <= 1:
        raise OptionError(f"freeze: the share of layers to train is {what}; expected 0 < share <= 1")
    layers = [layer for layer in trunk.modules() if next(layer.parameters(recurse=False), None) is not None]
    share = {"none": 1.0, "trunk": 0.0}[what] if isinstance(what, str) else what
    first = len(layers) - math.ceil(round(share * len(layers), 6))  # 0.2 of 35 layers is 7.000000000000001
    for place, layer in enumerate(layers):
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(place >= first)


def frozen_batch_norm_to_eval(trunk: nn.Module) -> None:
    """Let frozen batch norm keep its statistics; call it each time the trunk was put into training mode."""
    for layer in trunk.modules():
        if isinstance(layer, _BatchNorm):
            parameters = list(layer.parameters(recurse=False))
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                layer.eval()

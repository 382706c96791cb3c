"""Parts that several trunks share."""

from __future__ import annotations

from torch import nn


def init_msra(module: nn.Module) -> None:
    """MSRA initialisation (He et al., ICCV 2015) of convolutions and linear layers, zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

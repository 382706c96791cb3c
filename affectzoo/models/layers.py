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


def fully_connected(inputs: int, units: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Linear layers, each with ReLU and dropout; (B, inputs) to (B, units[-1]).

    Args:
        inputs: Length of what goes in.
        units: Units of each layer; without any, what goes in comes out.
        dropout: Share of units dropped after each layer in training.
    """
    layers: list[nn.Module] = []
    for outputs in units:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        inputs = outputs
    return nn.Sequential(*layers)

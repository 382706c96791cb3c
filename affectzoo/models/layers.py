"""Parts that several trunks share."""

from __future__ import annotations

from torch import nn

from affectzoo.errors import OptionError
from affectzoo.weights import check_share


def init_msra(module: nn.Module) -> None:
    """MSRA initialization (He et al., ICCV 2015) of convolutions and linear layers, zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def init_small(layers: nn.Module, gain: float = 0.125, bias: float = 0.0) -> None:
    """Start wide linear layers at a share of MSRA's deviation, which is 0.022 for 4096 inputs.

    At MSRA's, thousands of features have a length at which a squared error diverges at the rates of papers
    (0.001 with momentum).

    Args:
        layers: Their linear layers are filled.
        gain: The share; an eighth is half the 0.005 of Caffe's AlexNet.
        bias: Of each.
    """
    for layer in layers.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=gain * (2 / layer.in_features) ** 0.5)
            nn.init.constant_(layer.bias, bias)


def dropout_layer(share: float) -> nn.Dropout:
    """Drop a share of units in training.

    Args:
        share: In [0, 1).

    Raises:
        OptionError: It is out of range, or no number.
    """
    if check_share("dropout", share) == 1:
        raise OptionError("dropout is 1: no unit would be left")
    return nn.Dropout(share)


def fully_connected(inputs: int, units: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Linear layers, each with ReLU and dropout; (B, inputs) to (B, units[-1]).

    Args:
        inputs: Length of what goes in.
        units: Units of each layer; without any, what goes in comes out.
        dropout: Share of units dropped after each layer in training, in [0, 1).

    Raises:
        OptionError: ``dropout`` is out of range.
    """
    dropout_layer(dropout)  # checks it, also without any layer
    layers: list[nn.Module] = []
    for outputs in units:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), dropout_layer(dropout)]
        inputs = outputs
    return nn.Sequential(*layers)

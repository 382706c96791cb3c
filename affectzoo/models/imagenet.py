"""Networks of timm, with ImageNet weights on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from affectzoo.errors import WeightsError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

TAG = "tv_in1k"
"""timm's tag of torchvision's first ImageNet weights, which are those of the papers' time."""


def imagenet_name(name: str, pretrained: bool, common: Mapping[str, Any]) -> str | None:
    """The network whose ImageNet weights a model starts from, or ``None``.

    Args:
        name: As timm calls it.
        pretrained: Whether they are asked for.
        common: The model's other arguments; where they name ``weights``, ImageNet's would be overwritten.
    """
    return name if pretrained and common.get("weights") is None else None


def timm_network(name: str, pretrained: bool) -> nn.Module:
    """A network of timm without its classifier.

    Args:
        name: As timm calls it.
        pretrained: Take ImageNet weights, fetched once.

    Raises:
        WeightsError: They cannot be fetched.
    """
    import timm

    if not pretrained:
        return timm.create_model(name, pretrained=False, num_classes=0, global_pool="avg")
    try:
        return timm.create_model(f"{name}.{TAG}", pretrained=True, num_classes=0, global_pool="avg")
    except Exception as error:  # every library below has errors of its own for "not to be had"
        raise WeightsError(
            f"ImageNet weights of {name} (Hub id timm/{name}.{TAG}) are not cached and could not be fetched "
            f"({error}). Connect to the network once, or build the model with pretrained=False"
        ) from None

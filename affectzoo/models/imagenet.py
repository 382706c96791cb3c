"""Networks of timm, with ImageNet weights where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn

from affectzoo.errors import UnknownNameError, WeightsError
from affectzoo.weights import Start

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

BackboneWeights = Literal["imagenet"]
"""Starting weights of a backbone that are not the zoo's own: what ``backbone_weights`` takes."""

TAG = "tv_in1k"
"""timm's tag of torchvision's first ImageNet weights, which are those of the papers' time."""


def starts_from_imagenet(backbone_weights: BackboneWeights | None, common: Mapping[str, Any]) -> bool:
    """Say whether a backbone starts from ImageNet weights.

    Args:
        backbone_weights: As the model was asked for.
        common: The model's other arguments; where they name ``weights``, ImageNet's would be overwritten.

    Raises:
        UnknownNameError: There are no such starting weights.
    """
    if backbone_weights not in (None, *get_args(BackboneWeights)):
        raise UnknownNameError("backbone_weights", str(backbone_weights), get_args(BackboneWeights))
    return backbone_weights is not None and common.get("weights") is None


def timm_start(network: nn.Module) -> Start:
    """Say which weights a network of timm started from: repository, commit and license.

    They come from a branch of the Hub; the commit is that of the file in its cache, and names them for good.
    """
    from huggingface_hub import try_to_load_from_cache

    known: Mapping[str, Any] = getattr(network, "pretrained_cfg", None) or {}
    repository = known.get("hf_hub_id")
    if not repository:
        return Start("ImageNet weights of timm", {})
    repository, _, revision = repository.partition("@")
    files = (known.get("hf_hub_filename"), "model.safetensors", "pytorch_model.bin")
    cached = (try_to_load_from_cache(repository, name, revision=revision or None) for name in files if name)
    commit = next((f"@{Path(found).parent.name}" for found in cached if isinstance(found, str)), "")
    terms = f"{repository}: {known.get('license') or 'not stated'}, trained on ImageNet"
    return Start(f"hf-hub:{repository}{commit}", {"starting weights": terms})


def timm_network(name: str, imagenet: bool, tag: str | None = TAG) -> nn.Module:
    """Build a network of timm without its classifier.

    Args:
        name: The network's name in timm.
        imagenet: Take ImageNet weights, fetched once.
        tag: Which of them, by timm's tag; ``None``: timm's default.

    Raises:
        UnknownNameError: timm has no such network.
        WeightsError: The weights cannot be fetched.
    """
    import timm

    if not timm.is_model(name):
        raise UnknownNameError("timm network", name, timm.list_models())
    if not imagenet:
        return timm.create_model(name, pretrained=False, num_classes=0)
    full = name if tag is None else f"{name}.{tag}"
    try:
        return timm.create_model(full, pretrained=True, num_classes=0)
    except Exception as error:  # every library below has errors of its own for "not to be had"
        raise WeightsError(
            f"ImageNet weights of {name} (Hub id timm/{full}) are not cached and could not be fetched "
            f"({error}). Connect to the network once, or build the model with backbone_weights=None"
        ) from None

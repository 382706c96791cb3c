"""torch.hub entry points: one per architecture of affectzoo, derived from its registry.

>>> import torch
>>> model = torch.hub.load("OWNER/affectzoo", "dlp_cnn_s", weights="ferplus")
"""

import sys as _sys
from collections.abc import Callable as _Callable
from pathlib import Path as _Path
from typing import TYPE_CHECKING
from typing import Any as _Any

# What building, loading and predicting import; a training needs the package installed.
dependencies = [
    "PIL",
    "cv2",
    "numpy",
    "safetensors",
    "timm",
    "torch",
]

# torch.hub takes this folder off the path again, but processes that load data need it later.
_HERE = str(_Path(__file__).resolve().parent)
if _HERE not in _sys.path:
    _sys.path.append(_HERE)

from affectzoo.registry import ARCHITECTURES as _ARCHITECTURES  # noqa: E402
from affectzoo.registry import Architecture as _Architecture  # noqa: E402

if TYPE_CHECKING:
    from affectzoo.models.base import AffectModel as _AffectModel


def _entry_point(architecture: _Architecture) -> "_Callable[..., _AffectModel]":
    name = architecture.name

    def build(weights: str | None = None, pretrained: bool = False, **arguments: _Any) -> "_AffectModel":
        from affectzoo.zoo.loading import create_model, list_models, load

        if weights is None and pretrained:
            tags = [tag for tag in list_models(pretrained=True) if tag.startswith(f"{name}.")]
            return load(tags[0] if tags else name, **arguments)
        if weights is None:
            return create_model(name, **arguments)
        return load(name, weights=weights, **arguments)

    build.__name__ = name
    build.__doc__ = f"""{architecture.summary}.

    Source: {architecture.source}.

    Args:
        weights: A tag of trained weights such as ``ferplus``, ``hf-hub:OWNER/NAME[@REVISION]``, a run's
            folder, a ``.safetensors`` file, or ``None`` for an untrained model, which then needs
            ``labels=[...]`` or ``num_classes=n``.
        pretrained: Load the architecture's first weights; ``weights`` goes before it.
        **arguments: ``labels`` for a new head over trained weights; the architecture's own arguments.
    """
    return build


for _architecture in _ARCHITECTURES.values():
    globals()[_architecture.name] = _entry_point(_architecture)
del _architecture

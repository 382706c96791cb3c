"""affectzoo: pretrained models for facial affect, to load, fine-tune and benchmark.

Importing this package imports nothing heavy; its functions load what they need when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "AffectModel": "affectzoo.models.base",
    "AffectZooError": "affectzoo.errors",
    "Predictor": "affectzoo.inference.prediction",
    "create_model": "affectzoo.zoo.loading",
    "export_model": "affectzoo.export.exporting",
    "list_models": "affectzoo.zoo.loading",
    "load": "affectzoo.zoo.loading",
    "predict": "affectzoo.inference.prediction",
    "push_to_hub": "affectzoo.hub.publishing.push",
    "register_architecture": "affectzoo.registry",
    "register_dataset": "affectzoo.registry",
    "save_pretrained": "affectzoo.zoo.saving",
}

__all__ = [
    "AffectModel",
    "AffectZooError",
    "Predictor",
    "create_model",
    "export_model",
    "list_models",
    "load",
    "predict",
    "push_to_hub",
    "register_architecture",
    "register_dataset",
    "save_pretrained",
]

if TYPE_CHECKING:
    from affectzoo.errors import AffectZooError
    from affectzoo.export.exporting import export_model
    from affectzoo.hub.publishing.push import push_to_hub
    from affectzoo.inference.prediction import Predictor, predict
    from affectzoo.models.base import AffectModel
    from affectzoo.registry import register_architecture, register_dataset
    from affectzoo.zoo.loading import create_model, list_models, load
    from affectzoo.zoo.saving import save_pretrained


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'affectzoo' has no attribute '{name}'")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})

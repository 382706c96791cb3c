"""affectzoo: pretrained models for facial affect, to load, fine-tune and benchmark.

Importing this package imports nothing heavy; its functions load what they need when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "AffectZooError": "affectzoo.errors",
    "Predictor": "affectzoo.inference.prediction",
    "create_model": "affectzoo.zoo.loading",
    "list_models": "affectzoo.zoo.loading",
    "load": "affectzoo.zoo.loading",
    "predict": "affectzoo.inference.prediction",
    "register_architecture": "affectzoo.registry",
    "register_dataset": "affectzoo.registry",
}

__all__ = [
    "AffectZooError",
    "Predictor",
    "create_model",
    "list_models",
    "load",
    "predict",
    "register_architecture",
    "register_dataset",
]

if TYPE_CHECKING:
    from affectzoo.errors import AffectZooError
    from affectzoo.inference.prediction import Predictor, predict
    from affectzoo.registry import register_architecture, register_dataset
    from affectzoo.zoo.loading import create_model, list_models, load


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'affectzoo' has no attribute '{name}'")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})

"""The networks in plain torch, one class per architecture; ``affectzoo.modules`` has what trains them."""

from __future__ import annotations

from typing import Any

from affectzoo.models.base import AffectModel
from affectzoo.registry import by_class, class_names

__all__ = ["AffectModel"]


def __getattr__(name: str) -> Any:
    entry = by_class(name)
    if entry is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return entry.load_class()


def __dir__() -> list[str]:
    return sorted([*__all__, *class_names()])

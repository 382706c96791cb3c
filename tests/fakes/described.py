"""Descriptions of weights with facts of a training that never was."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from affectzoo.weights import Training, WeightsMeta


def described(meta: WeightsMeta, **facts: Any) -> WeightsMeta:
    """A description with these facts, each in its place; what has none is a note."""
    own = {f.name: facts.pop(f.name) for f in fields(WeightsMeta) if f.name in facts}
    told = {f.name: facts.pop(f.name) for f in fields(Training) if f.name in facts}
    return replace(meta, **own, training=Training(**told, notes=facts))

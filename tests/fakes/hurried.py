"""Measurements of cost that take no time, and say nothing of it."""

from __future__ import annotations

import pytest

from affectzoo.benchmark import cost


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Have each network called once, with few faces."""
    for name, value in {"WARM_UP": (0, 1), "RUNS": (1, 2), "WARM_UP_SECONDS": 0.0, "SECONDS": 0.0}.items():
        patch.setattr(cost, name, value)
    patch.setitem(cost.cost.__kwdefaults__ or {}, "batch_size", 2)

"""Build networks without memory: shapes alone, for values that are still to come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_FILLS = frozenset(("add_", "clamp_", "erfinv_", "fill_", "mul_", "normal_", "uniform_", "zero_"))
"""What initializations end in, in ``torch.nn.init`` and as methods of tensors."""


@contextmanager
def skeleton() -> Iterator[None]:
    """Put new tensors on the meta device and leave their initialization out.

    On that device torch would go through it in Python, for which it loads its compiler: seconds for nothing.
    """
    with torch.device("meta"), _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _FILLS:
            tensor: torch.Tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)

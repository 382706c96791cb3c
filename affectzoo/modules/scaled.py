"""A head of valence and arousal that learns on a data set's own scale."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class ScaledHead(nn.Linear):
    """A linear head whose outputs lie on another scale while it learns, and in [-1, 1] for all who use it.

    The optimizer sees weights and gradients of outputs that are ``scale`` times as large, as for labels in
    -10..10. ``forward`` divides by it, and so does whatever is saved: checkpoints and weights files hold
    the head of outputs in [-1, 1], which any model loads.
    """

    def __init__(self, head: nn.Linear, scale: float, *, trained: bool) -> None:
        """Take a head's place.

        Args:
            head: Outputs in [-1, 1].
            scale: By which the learned outputs are larger.
            trained: Whether its values are trained ones; if not, they are the larger outputs' random start.
        """
        like = head.weight
        super().__init__(head.in_features, head.out_features, device=like.device, dtype=like.dtype)
        self.scale = scale
        with torch.no_grad():
            for own, given in ((self.weight, head.weight), (self.bias, head.bias)):
                own.copy_(given * (scale if trained else 1.0))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Outputs in [-1, 1], shape (..., D), of features, shape (..., F)."""
        return super().forward(features) / self.scale

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, parameter in self.named_parameters(recurse=False):
            destination[prefix + name] = (parameter if keep_vars else parameter.detach()) / self.scale

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        own = {name: state_dict[name] for name in (f"{prefix}weight", f"{prefix}bias") if name in state_dict}
        scaled = {**state_dict, **{name: tensor * self.scale for name, tensor in own.items()}}
        super()._load_from_state_dict(scaled, prefix, *rest)

"""Optimisers and schedules as the papers describe them: values a recipe states, built by torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from affectzoo.errors import AffectZooError


@dataclass(frozen=True)
class OptimizerSettings:
    """An optimiser and its rates.

    Attributes:
        name: ``sgd``, ``adam`` or ``adamw``.
        lr: Learning rate; the peak, under a schedule that rises first.
        momentum: Of SGD.
        nesterov: Of SGD.
        weight_decay: Of the trunk's weights.
        head_weight_decay: Of the heads' weights; ``None``: as the trunk's. Biases and normalisation
            parameters never decay.
    """

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    head_weight_decay: float | None = None

    def __post_init__(self) -> None:
        if self.lr <= 0 or not 0 <= self.momentum < 1 or self.weight_decay < 0:
            raise AffectZooError(
                f"optimizer: lr {self.lr}, momentum {self.momentum}, weight_decay "
                f"{self.weight_decay}; expected lr > 0, 0 <= momentum < 1, weight_decay >= 0"
            )

    def build(self, trunk: nn.Module, heads: nn.Module) -> Optimizer:
        """The optimiser over what of both parts may be trained."""
        head_decay = self.weight_decay if self.head_weight_decay is None else self.head_weight_decay
        groups: list[dict[str, Any]] = []
        for module, decay in ((trunk, self.weight_decay), (heads, head_decay)):
            trained = [p for p in module.parameters() if p.requires_grad]
            groups += [
                {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
                {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
            ]
        groups = [group for group in groups if group["params"]]
        if self.name == "sgd":
            return torch.optim.SGD(groups, self.lr, self.momentum, nesterov=self.nesterov)
        return (Adam if self.name == "adam" else AdamW)(groups, self.lr)


@dataclass(frozen=True)
class Schedule:
    """How the learning rate moves, counted in training steps (iterations).

    Attributes:
        name: ``constant``; ``steps``: times ``gamma`` at each milestone; ``cosine``: down to 0;
            ``one_cycle``: up during ``warmup``, then down to almost 0.
        milestones: Steps at which ``steps`` acts.
        every: ``steps`` acts each time so many steps have passed, instead of at milestones.
        gamma: Factor of ``steps``.
        warmup: Share of training that ``one_cycle`` rises for.
    """

    name: Literal["constant", "steps", "cosine", "one_cycle"] = "constant"
    milestones: tuple[int, ...] = ()
    every: int | None = None
    gamma: float = 0.1
    warmup: float = 0.2

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
        """The scheduler, to be called once per step, or ``None``.

        Args:
            optimizer: What it acts on.
            total_steps: Steps of the whole training.
        """
        if self.name == "steps" and self.every is not None:
            return lr_scheduler.StepLR(optimizer, self.every, self.gamma)
        if self.name == "steps":
            return lr_scheduler.MultiStepLR(optimizer, list(self.milestones), self.gamma)
        if self.name == "cosine":
            return lr_scheduler.CosineAnnealingLR(optimizer, total_steps)
        if self.name == "one_cycle":
            peaks = [group["lr"] for group in optimizer.param_groups]
            return lr_scheduler.OneCycleLR(
                optimizer, peaks, total_steps=total_steps, pct_start=self.warmup, cycle_momentum=False
            )
        return None

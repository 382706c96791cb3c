"""Optimizers and schedules as the papers describe them: values a recipe states, built by torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from affectzoo.errors import OptionError, UnknownNameError

OptimizerName = Literal["sgd", "adam", "adamw"]
ScheduleName = Literal["constant", "steps", "cosine", "one_cycle"]


@dataclass(frozen=True)
class OptimizerSettings:
    """An optimizer and its rates.

    Attributes:
        name: ``sgd``, ``adam`` or ``adamw``.
        lr: Learning rate; the peak, under a schedule that rises first.
        momentum: Of SGD.
        nesterov: Of SGD.
        weight_decay: Of the trunk's weights.
        head_weight_decay: Of the heads' weights; ``None``: as the trunk's. Biases and normalization
            parameters never decay.
        trunk_lr: Learning rate of the trunk; ``None``: as the heads'.
    """

    name: OptimizerName = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    head_weight_decay: float | None = None
    trunk_lr: float | None = None

    def __post_init__(self) -> None:
        if self.name not in get_args(OptimizerName):
            raise UnknownNameError("optimizer", self.name, get_args(OptimizerName))
        rates = (self.lr, self.lr if self.trunk_lr is None else self.trunk_lr)
        decays = (self.weight_decay, self.head_weight_decay or 0.0)
        sound = all(0 < rate < math.inf for rate in rates) and all(0 <= decay < math.inf for decay in decays)
        if not sound or not 0 <= self.momentum < 1:
            raise OptionError(
                f"optimizer: lr {self.lr}, trunk_lr {self.trunk_lr}, momentum {self.momentum}, weight_decay "
                f"{self.weight_decay}, head_weight_decay {self.head_weight_decay}; expected rates above 0, "
                "0 <= momentum < 1 and decays >= 0"
            )
        if self.nesterov and not self.momentum:
            raise OptionError("optimizer: nesterov needs a momentum above 0")

    def build(self, trunk: nn.Module, heads: nn.Module) -> Optimizer:
        """The optimizer over what of both parts may be trained."""
        head_decay = self.weight_decay if self.head_weight_decay is None else self.head_weight_decay
        trunk_lr = self.lr if self.trunk_lr is None else self.trunk_lr
        groups: list[dict[str, Any]] = []
        for module, lr, decay in ((trunk, trunk_lr, self.weight_decay), (heads, self.lr, head_decay)):
            trained = [p for p in module.parameters() if p.requires_grad]
            groups += [
                {"params": [p for p in trained if p.ndim > 1], "lr": lr, "weight_decay": decay},
                {"params": [p for p in trained if p.ndim <= 1], "lr": lr, "weight_decay": 0.0},
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
        extend: Where a training is resumed with another length, stretch ``cosine`` and ``one_cycle`` to it;
            otherwise that is refused.
    """

    name: ScheduleName = "constant"
    milestones: tuple[int, ...] = ()
    every: int | None = None
    gamma: float = 0.1
    warmup: float = 0.2
    extend: bool = False

    def __post_init__(self) -> None:
        if self.name not in get_args(ScheduleName):
            raise UnknownNameError("schedule", self.name, get_args(ScheduleName))
        if self.name == "steps" and bool(self.milestones) == (self.every is not None):
            raise OptionError("schedule: steps needs either milestones or every")
        steps = [*self.milestones, *([] if self.every is None else [self.every])]
        if min(steps, default=1) < 1 or not 0 < self.gamma < math.inf or not 0 <= self.warmup <= 1:
            raise OptionError(
                f"schedule: milestones {self.milestones}, every {self.every}, gamma {self.gamma}, warmup "
                f"{self.warmup}; expected steps >= 1, gamma > 0, 0 <= warmup <= 1"
            )

    def build(self, optimizer: Optimizer, total_steps: float) -> LRScheduler | None:
        """The scheduler, to be called once per step, or ``None``.

        Args:
            optimizer: What it acts on.
            total_steps: Steps of the whole training; infinite when it has no end.

        Raises:
            OptionError: ``cosine`` or ``one_cycle`` over a training without an end.
        """
        if self.name in ("cosine", "one_cycle") and not math.isfinite(total_steps):
            raise OptionError(f"schedule {self.name} needs an end: set trainer.max_epochs or max_steps")
        if self.name == "steps" and self.every is not None:
            return lr_scheduler.StepLR(optimizer, self.every, self.gamma)
        if self.name == "steps":
            return lr_scheduler.MultiStepLR(optimizer, list(self.milestones), self.gamma)
        if self.name == "cosine":
            return lr_scheduler.CosineAnnealingLR(optimizer, int(total_steps))
        if self.name == "one_cycle":
            peaks = [group["lr"] for group in optimizer.param_groups]
            # torch divides by the steps of the rise after the first, of which a rise of one step has none.
            single = math.isclose(self.warmup * total_steps, 1)
            rise = 1.001 * self.warmup if single else self.warmup
            return lr_scheduler.OneCycleLR(
                optimizer,
                peaks,
                total_steps=int(total_steps),
                pct_start=rise,
                cycle_momentum=False,
            )
        return None

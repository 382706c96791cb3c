"""Resuming a training: its schedule goes on as it was, or is changed on purpose."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict
from typing import Any

from lightning.pytorch.utilities import rank_zero_info
from torch.optim import Optimizer

from affectzoo.errors import OptionError
from affectzoo.modules.optim import Schedule

KEY = "schedule"
"""What checkpoints keep the schedule under, beside the scheduler's own state."""

_RATES = ("lr", "initial_lr", "max_lr", "min_lr")


def noted(schedule: Schedule, total_steps: float) -> dict[str, Any]:
    """Say what a schedule's rates depend on, for a checkpoint.

    Args:
        schedule: The training's.
        total_steps: Of the whole training.
    """
    facts = {name: value for name, value in asdict(schedule).items() if name != "extend"}
    facts["milestones"] = list(schedule.milestones)
    return {**facts, "total_steps": total_steps if schedule.name in ("cosine", "one_cycle") else None}


def go_on(checkpoint: dict[str, Any], schedule: Schedule, optimizer: Optimizer, total_steps: float) -> None:
    """Let a checkpoint's schedule go on, if it is the training's own or was changed on purpose.

    A changed schedule goes on as if it had been followed from the first step: its state in the checkpoint is
    made anew, and the learning rates with it.

    Args:
        checkpoint: As read; changed in place.
        schedule: The training's.
        optimizer: A new one of the training's settings; its rates are moved.
        total_steps: Of the whole training.

    Raises:
        OptionError: The training has another length, on which its schedule depends.
    """
    here = noted(schedule, total_steps)
    before = checkpoint.get(KEY, here)
    changed = {name for name, value in here.items() if before.get(name) != value}
    if not changed:
        return
    if changed == {"total_steps"} and not schedule.extend:
        raise OptionError(
            f"the checkpoint's schedule ({schedule.name}) has {before['total_steps']} steps, this training "
            f"{total_steps}: go on with the same epochs, data and batch size. On purpose: --model.schedule."
            "extend true stretches the schedule, --model.schedule.name constant ends it; or train anew with "
            "--model.weights"
        )
    step = int(checkpoint["global_step"])
    if math.isfinite(total_steps) and step >= total_steps:
        raise OptionError(f"the checkpoint is at step {step}, this training ends at step {total_steps}")
    scheduler = schedule.build(optimizer, total_steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch expects a step of the optimizer for each of the scheduler
        for _ in range(step if scheduler is not None else 0):
            assert scheduler is not None
            scheduler.step()
    saved = checkpoint["optimizer_states"][0]["param_groups"]
    old = saved[0]["lr"]
    for group, new in zip(saved, optimizer.param_groups, strict=True):
        for name in _RATES:
            group.pop(name, None)
            if name in new:
                group[name] = new[name]
    checkpoint["lr_schedulers"] = [] if scheduler is None else [scheduler.state_dict()]
    over = f" over {total_steps:,} steps" if here["total_steps"] is not None else ""
    rank_zero_info(
        f"resumed at step {step:,} under another schedule: {schedule.name}{over}; the learning rate goes "
        f"from {old:.3g} to {saved[0]['lr']:.3g}"
    )

"""Resuming a training: its optimizer and schedule go on as they were, or are changed on purpose."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict
from typing import Any

from lightning.pytorch.utilities import rank_zero_info
from torch.optim import Optimizer

from affectzoo.errors import OptionError
from affectzoo.modules.optim import OptimizerSettings, Schedule

KEY = "schedule"
"""What checkpoints keep the schedule under, beside the scheduler's own state."""

_LENGTH = "total_steps"

_RATES = ("initial_lr", "max_lr", "min_lr")
"""What schedules add to an optimizer's groups, beside the rate."""


def noted(settings: OptimizerSettings, schedule: Schedule, total_steps: float) -> dict[str, Any]:
    """Say what the steps of a training depend on, for a checkpoint.

    Args:
        settings: The training's optimizer and rates.
        schedule: The training's.
        total_steps: Of the whole training.
    """
    facts = {name: value for name, value in asdict(schedule).items() if name != "extend"}
    facts["milestones"] = list(schedule.milestones)
    facts["optimizer"] = asdict(settings)
    return {**facts, _LENGTH: total_steps if schedule.name in ("cosine", "one_cycle") else None}


def go_on(
    checkpoint: dict[str, Any],
    settings: OptimizerSettings,
    schedule: Schedule,
    optimizer: Optimizer,
    total_steps: float,
) -> None:
    """Let a checkpoint's optimizer and schedule go on, if they are the training's own or changed on purpose.

    Changed ones go on as if they had been followed from the first step: the schedule's state in the
    checkpoint is made anew, and what the optimizer's groups say with it. Its momenta stay.

    Args:
        checkpoint: As read; changed in place.
        settings: The training's optimizer and rates.
        schedule: The training's.
        optimizer: A new one of these settings; its rates are moved.
        total_steps: Of the whole training.

    Raises:
        OptionError: The training has another length, on which its schedule depends; another optimizer; or
            trains other layers.
    """
    here = noted(settings, schedule, total_steps)
    before = {**here, **checkpoint.get(KEY, {})}
    saved = checkpoint["optimizer_states"][0]["param_groups"]
    groups = optimizer.param_groups
    if [len(group["params"]) for group in saved] != [len(group["params"]) for group in groups]:
        raise OptionError(
            "the checkpoint's training trained other layers (--model.frozen): go on with the same, or train "
            "anew with --model.weights"
        )
    changed = {name for name, value in here.items() if before[name] != value}
    if not changed:
        return
    if before["optimizer"]["name"] != settings.name:
        raise OptionError(
            f"the checkpoint's optimizer is {before['optimizer']['name']}, this training's {settings.name}, "
            "which cannot go on with its momenta: train anew with --model.weights"
        )
    if _LENGTH in changed and changed <= {_LENGTH, "optimizer"} and not schedule.extend:
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
    old = saved[0]["lr"]
    for group, new in zip(saved, groups, strict=True):
        for name in _RATES:
            group.pop(name, None)
        group.update({name: value for name, value in new.items() if name != "params"})
    checkpoint["lr_schedulers"] = [] if scheduler is None else [scheduler.state_dict()]
    over = f" over {total_steps:,} steps" if here["total_steps"] is not None else ""
    rank_zero_info(
        f"resumed at step {step:,} with {_told(before, here)}, {schedule.name}{over}; the learning rate goes "
        f"from {old:.3g} to {saved[0]['lr']:.3g}"
    )


def _told(before: dict[str, Any], here: dict[str, Any]) -> str:
    """What is changed, for people."""
    old, new = before["optimizer"], here["optimizer"]
    changed = [f"{name} {new[name]} instead of {old[name]}" for name in new if new[name] != old[name]]
    same = all(before[name] == here[name] for name in here if name != "optimizer")
    parts = [f"another optimizer ({', '.join(changed)})"] if changed else []
    return " and ".join(parts + ([] if same else ["another schedule"]))

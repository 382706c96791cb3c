"""Schedules of resumed trainings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.optim import SGD

from affectzoo.errors import DataError, OptionError, WeightsError
from affectzoo.faces.preprocess import PreprocessChange
from affectzoo.modules import DLPCNNSmall
from affectzoo.modules.optim import OptimizerSettings, Schedule
from affectzoo.modules.resuming import KEY, go_on, noted
from affectzoo.training.report import RunReport
from affectzoo.weights import Training
from affectzoo.zoo.checkpoints import TRAINING

SETTINGS = OptimizerSettings(lr=0.1)


def optimizer(lr: float = 0.1, layers: int = 1, **options: float) -> SGD:
    given = {"momentum": 0.9, **options}
    return SGD([torch.zeros(1, requires_grad=True) for _ in range(layers)], lr=lr, **given)


def trained(schedule: Schedule, total: float, steps: int) -> tuple[list[float], dict[str, Any]]:
    """The rate at each step, and a checkpoint at the end of these steps."""
    moved = optimizer()
    scheduler = schedule.build(moved, total)
    rates = []
    for _ in range(steps):
        rates.append(moved.param_groups[0]["lr"])
        moved.step()
        if scheduler is not None:
            scheduler.step()
    state: dict[str, Any] = {"global_step": steps, "optimizer_states": [moved.state_dict()]}
    state["lr_schedulers"] = [] if scheduler is None else [scheduler.state_dict()]
    return rates, {**state, KEY: noted(SETTINGS, schedule, total)}


def resumed(checkpoint: dict[str, Any], schedule: Schedule, total: float, steps: int) -> list[float]:
    """The rate at each further step."""
    moved = optimizer()
    go_on(checkpoint, SETTINGS, schedule, optimizer(), total)
    scheduler = schedule.build(moved, total)
    moved.load_state_dict(checkpoint["optimizer_states"][0])
    for one, state in zip([] if scheduler is None else [scheduler], checkpoint["lr_schedulers"], strict=True):
        one.load_state_dict(state)
    rates = []
    for _ in range(steps):
        rates.append(moved.param_groups[0]["lr"])
        moved.step()
        if scheduler is not None:
            scheduler.step()
    return rates


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_another_length_is_refused_where_the_schedule_depends_on_it(name: Any) -> None:
    _, checkpoint = trained(Schedule(name), 10, 5)
    with pytest.raises(OptionError, match="extend"):
        go_on(checkpoint, SETTINGS, Schedule(name), optimizer(), 20)


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
@pytest.mark.parametrize("steps", [5, 10])
def test_extended_on_purpose_it_goes_on_as_if_it_had_been_longer(name: Any, steps: int) -> None:
    whole, _ = trained(Schedule(name), 20, 20)
    _, checkpoint = trained(Schedule(name), 10, steps)
    rates = resumed(checkpoint, Schedule(name, extend=True), 20, 20 - steps)
    assert rates == pytest.approx(whole[steps:])


def test_another_schedule_is_followed_as_if_from_the_start() -> None:
    _, checkpoint = trained(Schedule("one_cycle"), 10, 10)
    assert resumed(checkpoint, Schedule("constant"), 30, 5) == pytest.approx([0.1] * 5)
    _, checkpoint = trained(Schedule("constant"), math.inf, 10)
    steps = Schedule("steps", milestones=(4, 12))
    assert resumed(checkpoint, steps, math.inf, 4) == pytest.approx([0.01, 0.01, 0.001, 0.001])


@pytest.mark.parametrize("schedule", [Schedule(), Schedule("steps", every=3), Schedule("cosine")])
def test_the_same_schedule_goes_on_untouched(schedule: Schedule) -> None:
    length = 12 if schedule.name == "cosine" else math.inf
    whole, _ = trained(schedule, length, 12)
    _, checkpoint = trained(schedule, length, 7)
    other = 12 if schedule.name == "cosine" else 50
    assert resumed(checkpoint, schedule, other, 5) == pytest.approx(whole[7:])


def test_a_training_that_is_over_is_refused() -> None:
    _, checkpoint = trained(Schedule("cosine"), 10, 10)
    with pytest.raises(OptionError, match="step 10"):
        go_on(checkpoint, SETTINGS, Schedule("cosine", extend=True), optimizer(), 8)


def test_another_rate_is_followed() -> None:
    _, checkpoint = trained(Schedule("steps", every=4), math.inf, 6)
    settings = OptimizerSettings(lr=0.02, momentum=0.5, weight_decay=0.1)
    new = optimizer(lr=0.02, momentum=0.5, weight_decay=0.1)
    go_on(checkpoint, settings, Schedule("steps", every=4), new, math.inf)
    (group,) = checkpoint["optimizer_states"][0]["param_groups"]
    assert group["lr"] == pytest.approx(0.002)
    assert (group["momentum"], group["weight_decay"]) == (0.5, 0.1)
    assert group["params"] == [0]


def test_another_rate_does_not_stretch_a_schedule() -> None:
    _, checkpoint = trained(Schedule("cosine"), 10, 5)
    with pytest.raises(OptionError, match="extend"):
        go_on(checkpoint, OptimizerSettings(lr=0.2), Schedule("cosine"), optimizer(lr=0.2), 20)


def test_momenta_are_not_another_optimizers() -> None:
    _, checkpoint = trained(Schedule(), math.inf, 5)
    with pytest.raises(OptionError, match="the checkpoint's optimizer is sgd, this training's adam"):
        go_on(checkpoint, OptimizerSettings("adam", lr=0.1), Schedule(), optimizer(), math.inf)
    with pytest.raises(OptionError, match="other layers"):
        go_on(checkpoint, SETTINGS, Schedule(), optimizer(layers=2), math.inf)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_checkpoint_of_other_faces_is_not_gone_on_with(split: str) -> None:
    model = DLPCNNSmall(labels=["a", "b"])
    report = RunReport()
    known = model.describe()
    report._known = replace(known, training=Training(train_hash="1", valid_hash="2"))
    other = replace(known, training=Training(**{"train_hash": "1", "valid_hash": "2", f"{split}_hash": "3"}))
    report.on_load_checkpoint(None, model, {TRAINING: report._known.to_dict()})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=f"other {split} faces"):
        report.on_load_checkpoint(None, model, {TRAINING: other.to_dict()})  # type: ignore[arg-type]


def test_a_checkpoint_is_measured_with_its_own_preprocessing() -> None:
    trained_as = DLPCNNSmall(labels=["a", "b"])
    checkpoint: dict[str, Any] = {}
    trained_as.on_save_checkpoint(checkpoint)
    trained_as.on_load_checkpoint(checkpoint)
    other = DLPCNNSmall(labels=["a", "b"], preprocess=PreprocessChange(mean=(0.4,)))
    with pytest.raises(WeightsError, match=r"faces are prepared by .*0\.5.*0\.4"):
        other.on_load_checkpoint(checkpoint)

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from affectzoo.errors import AffectZooError
from affectzoo.modules.optim import OptimizerSettings, Schedule


@pytest.fixture
def trunk() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))


@pytest.fixture
def heads() -> nn.Module:
    return nn.ModuleDict({"expression": nn.Linear(2, 3)})


# Optimizers


def decays(optimizer: torch.optim.Optimizer, *modules: nn.Module) -> dict[str, float]:
    """Weight decay of each parameter by name."""
    names = {p: name for module in modules for name, p in module.named_parameters()}
    return {names[p]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}


@pytest.mark.parametrize(("head_decay", "expected"), [(2.5e-3, 2.5e-3), (0.0, 0.0), (None, 5e-4)])
def test_only_weights_decay(
    trunk: nn.Module, heads: nn.Module, head_decay: float | None, expected: float
) -> None:
    settings = OptimizerSettings(weight_decay=5e-4, head_weight_decay=head_decay)
    assert decays(settings.build(trunk, heads), trunk, heads) == {
        "0.weight": 5e-4,
        "0.bias": 0,
        "1.weight": 0,
        "1.bias": 0,
        "2.weight": 5e-4,
        "2.bias": 0,
        "expression.weight": expected,
        "expression.bias": 0,
    }


def test_frozen_parameters_are_left_out(trunk: nn.Module, heads: nn.Module) -> None:
    trunk.requires_grad_(False)
    assert set(decays(OptimizerSettings().build(trunk, heads), heads)) == {
        "expression.weight",
        "expression.bias",
    }


@pytest.mark.parametrize(
    ("settings", "kind", "defaults"),
    [
        (
            OptimizerSettings("sgd", lr=0.1, momentum=0.8, nesterov=True),
            torch.optim.SGD,
            {"lr": 0.1, "momentum": 0.8, "nesterov": True},
        ),
        (OptimizerSettings("adam", lr=1e-3), torch.optim.Adam, {"lr": 1e-3}),
        (OptimizerSettings("adamw", lr=1e-3), torch.optim.AdamW, {"lr": 1e-3}),
    ],
)
def test_optimizer_is_the_named_one(
    trunk: nn.Module,
    heads: nn.Module,
    settings: OptimizerSettings,
    kind: type[torch.optim.Optimizer],
    defaults: dict[str, float],
) -> None:
    optimizer = settings.build(trunk, heads)
    assert type(optimizer) is kind
    assert defaults.items() <= optimizer.param_groups[0].items()


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "rmsprop"},
        {"lr": 0.0},
        {"momentum": 1.0},
        {"momentum": -0.1},
        {"weight_decay": -1.0},
        {"head_weight_decay": -1.0},
        {"nesterov": True, "momentum": 0.0},
    ],
)
def test_optimizer_refuses(bad: dict[str, object]) -> None:
    with pytest.raises(AffectZooError, match=f"optimizer.*{next(iter(bad))}|unknown optimizer 'rmsprop'"):
        OptimizerSettings(**bad)  # type: ignore[arg-type]


# Schedules


def rates(schedule: Schedule, steps: int, lr: float = 0.01) -> list[float]:
    """The learning rate of each step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr)
    scheduler = schedule.build(optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return found


def test_constant() -> None:
    assert rates(Schedule(), 5) == [0.01] * 5


def test_steps_of_the_rafdb_paper() -> None:
    found = rates(Schedule("steps", milestones=(5000, 18000)), 20000)
    expected = [0.01] * 5000 + [0.001] * 13000 + [0.0001] * 2000
    assert found == pytest.approx(expected)


def test_steps_every_so_many() -> None:
    found = rates(Schedule("steps", every=3, gamma=0.5), 8, lr=1)
    assert found == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])


def test_cosine_is_half_way_down_in_the_middle() -> None:
    found = rates(Schedule("cosine"), 100)
    expected = [0.01 * (1 + math.cos(math.pi * i / 100)) / 2 for i in range(100)]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("warmup", [0.2, 0.5])
def test_one_cycle_peaks_after_the_warmup_and_ends_near_zero(warmup: float) -> None:
    found = rates(Schedule("one_cycle", warmup=warmup), 1000, lr=0.1)
    peak = found.index(max(found))
    assert max(found) == pytest.approx(0.1)
    assert peak == pytest.approx(1000 * warmup, abs=1)
    assert found[0] == pytest.approx(0.1 / 25)
    assert found[-1] < 1e-6
    assert found == sorted(found[:peak]) + sorted(found[peak:], reverse=True)


def test_one_cycle_leaves_momentum_alone(trunk: nn.Module, heads: nn.Module) -> None:
    optimizer = OptimizerSettings(momentum=0.9).build(trunk, heads)
    scheduler = Schedule("one_cycle").build(optimizer, 10)
    assert scheduler is not None
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    assert {group["momentum"] for group in optimizer.param_groups} == {0.9}


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "plateau"},
        {"name": "steps"},
        {"name": "steps", "milestones": (5,), "every": 3},
        {"name": "steps", "milestones": (0, 5)},
        {"name": "steps", "every": 0},
        {"name": "steps", "every": 1, "gamma": 0.0},
        {"name": "one_cycle", "warmup": 1.5},
        {"name": "one_cycle", "warmup": -0.5},
    ],
)
def test_schedule_refuses(bad: dict[str, object]) -> None:
    with pytest.raises(AffectZooError, match="schedule"):
        Schedule(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_schedule_over_all_of_an_endless_training_is_refused(
    name: str, trunk: nn.Module, heads: nn.Module
) -> None:
    optimizer = OptimizerSettings().build(trunk, heads)
    with pytest.raises(AffectZooError, match=r"needs an end: set trainer.max_epochs"):
        Schedule(name).build(optimizer, float("inf"))  # type: ignore[arg-type]


def test_trunk_has_a_rate_of_its_own_through_the_schedule(trunk: nn.Module, heads: nn.Module) -> None:
    optimizer = OptimizerSettings(lr=0.1, trunk_lr=0.01).build(trunk, heads)
    of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    schedule = Schedule("one_cycle", warmup=0.5).build(optimizer, 10)
    assert schedule is not None
    for _ in range(4):
        optimizer.step()
        schedule.step()
    rates = [{of[id(p)]["lr"] for p in part.parameters()} for part in (trunk, heads)]
    assert [sorted(r) for r in rates] == [[pytest.approx(0.01)], [pytest.approx(0.1)]]
    with pytest.raises(AffectZooError, match="trunk_lr 0"):
        OptimizerSettings(trunk_lr=0.0)


@pytest.mark.parametrize("warmup", [0.1, 0.2, 0.25, 0.5])
def test_one_cycle_of_any_length(warmup: float) -> None:
    for steps in range(1, 25):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler = Schedule("one_cycle", warmup=warmup).build(optimizer, steps)
        assert scheduler is not None
        rates = [optimizer.param_groups[0]["lr"]]
        for _ in range(steps - 1):
            optimizer.step()
            scheduler.step()
            rates.append(optimizer.param_groups[0]["lr"])
        assert 0 <= min(rates) and max(rates) <= 0.1 + 1e-9

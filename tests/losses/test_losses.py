from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from affectzoo.errors import AffectZooError
from affectzoo.losses.expression import max_target, soft_cross_entropy
from affectzoo.losses.features import (
    CenterLoss,
    FeatureLoss,
    LocalityPreservingLoss,
    center_loss,
    locality_preserving,
)
from affectzoo.tasks.expression import ExpressionLoss

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
LOG_P = [[-math.log(1 + math.exp(-1) + math.exp(-2)) - i for i in range(3)], [-math.log(3)] * 3]


# Losses on class scores


def test_soft_cross_entropy_by_hand() -> None:
    target = [[0.5, 0.3, 0.2], [0.0, 1.0, 0.0]]
    expected = (
        -sum(t * p for ts, ps in zip(target, LOG_P, strict=True) for t, p in zip(ts, ps, strict=True)) / 2
    )
    assert soft_cross_entropy(LOGITS, torch.tensor(target)).item() == pytest.approx(expected)


def test_soft_cross_entropy_of_one_hot_is_the_hard_one() -> None:
    logits, labels = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) % 4
    target = torch.nn.functional.one_hot(labels, 4).double()
    torch.testing.assert_close(
        soft_cross_entropy(logits, target), torch.nn.functional.cross_entropy(logits, labels)
    )


def test_class_weights_count_per_face() -> None:
    weights = torch.tensor([0.1, 1.0, 7.0])
    target = torch.tensor([[1.0, 0, 0], [0, 0, 1]])
    expected = -(0.1 * LOG_P[0][0] + 7.0 * LOG_P[1][2]) / 2
    assert soft_cross_entropy(LOGITS, target, weights).item() == pytest.approx(expected)


def test_max_target_by_hand() -> None:
    target = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.5]])
    expected = -(LOG_P[0][1] + LOG_P[1][0]) / 2
    assert max_target(LOGITS, target).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "bad", [{"name": "hinge"}, {"class_weights": "equal"}, {"beta": 1.0}, {"beta": -0.1}]
)
def test_expression_loss_refuses(bad: dict[str, object]) -> None:
    with pytest.raises(AffectZooError, match="loss"):
        ExpressionLoss(**bad)  # type: ignore[arg-type]


# Locality-preserving loss


def literal_means(
    features: torch.Tensor,
    labels: torch.Tensor,
    k: int,
    memory: torch.Tensor | None = None,
    memory_labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Each face's mean of its neighbors, one face and one distance at a time, in float64."""
    x, y = features.detach().double(), labels.tolist()
    others = [] if memory is None else list(memory.double())
    other_labels = [] if memory_labels is None else memory_labels.tolist()
    pool, pool_labels = [*x, *others], y + other_labels
    means = x.clone()
    for i, label in enumerate(y):
        same = [j for j, other in enumerate(pool_labels) if other == label >= 0 and j != i]
        nearest = sorted(same, key=lambda j: float((pool[j] - x[i]).square().sum()))[:k]
        if nearest:
            means[i] = torch.stack([pool[j] for j in nearest]).mean(dim=0)
    return means


def check_against_literal(
    features: torch.Tensor,
    labels: torch.Tensor,
    k: int,
    memory: torch.Tensor | None = None,
    memory_labels: torch.Tensor | None = None,
    rtol: float = 1e-10,
) -> None:
    """Compare value (eq. 4) and gradient (eq. 5) with the literal version."""
    features = features.detach().clone().requires_grad_()
    pull = features.detach().double() - literal_means(features, labels, k, memory, memory_labels)
    loss = locality_preserving(features, labels, k, memory, memory_labels)
    loss.backward()
    expected = pull.square().sum() / (2 * len(features))
    torch.testing.assert_close(loss.detach().double(), expected, rtol=rtol, atol=1e-12)
    assert features.grad is not None
    scale = pull.abs().max().item()
    torch.testing.assert_close(features.grad.double(), pull / len(features), rtol=rtol, atol=rtol * scale)


LABELS = {
    "several classes": [0, 0, 1, 1, 1, 0, 2, 2, 1, 0, 0, 2],
    "one face of a class": [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    "unlabelled": [0, -1, 1, 1, -1, 0, -1, 1, 1, 0, 0, -1],
    "one class": [3] * 12,
    "all alone": list(range(12)),
    "none labeled": [-1] * 12,
}


@pytest.mark.parametrize("with_memory", [False, True])
@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_locality_is_the_papers_equations(labels: list[int], k: int, with_memory: bool) -> None:
    generator = torch.Generator().manual_seed(k)
    features = torch.randn(12, 5, generator=generator, dtype=torch.float64)
    memory = torch.randn(40, 5, generator=generator, dtype=torch.float64) if with_memory else None
    memory_labels = torch.arange(40) % 5 - 1 if with_memory else None
    check_against_literal(features, torch.tensor(labels), k, memory, memory_labels)


def test_locality_by_hand() -> None:
    features = torch.tensor([[0.0], [1.0], [3.0], [100.0]])
    labels = torch.tensor([0, 0, 0, 1])
    # nearest: 1 of 0, 0 of 1, 1 of 3; the last is alone
    assert locality_preserving(features, labels, k=1).item() == (1 + 1 + 4 + 0) / 8


def test_locality_searches_a_memory_larger_than_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affectzoo.losses.features.PART", 7)
    memory, memory_labels = torch.randn(100, 4, dtype=torch.float64), torch.arange(100) % 3
    features, labels = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 1, 2, 2, 2])
    check_against_literal(features, labels, 5, memory, memory_labels)


@pytest.mark.parametrize(
    "offset",
    [
        pytest.param(lambda labels: torch.full((64, 1), 1e3), id="common offset"),
        pytest.param(lambda labels: 1e3 * labels[:, None], id="offset per class"),
        pytest.param(lambda labels: torch.zeros(64, 1), id="none"),
    ],
)
def test_locality_keeps_its_digits_far_from_the_origin(
    offset: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    features = torch.randn(64, 500, generator=generator) + offset(labels)
    memory = torch.randn(64, 500, generator=generator) + offset(labels)
    check_against_literal(features[:30], labels[:30], 3, memory, labels, rtol=1e-4)


def test_locality_of_duplicates_is_zero() -> None:
    features = torch.full((10, 2000), 1e3 + 0.1).requires_grad_()
    loss = locality_preserving(features, torch.zeros(10, dtype=torch.long), k=4)
    loss.backward()
    assert features.grad is not None
    assert loss.item() == pytest.approx(0, abs=1e-3)
    assert features.grad.abs().max().item() < 1e-4


def test_locality_prefers_duplicates_to_far_faces() -> None:
    features = torch.cat([torch.full((5, 8), 20.0), torch.full((5, 8), -20.0)])
    assert locality_preserving(features, torch.zeros(10, dtype=torch.long), k=4).item() == 0


def memory(term: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What a loss keeps from step to step."""
    names = ("features", "labels", "rows", "centers")
    return {name: getattr(term, name) for name in names if hasattr(term, name)}


@pytest.mark.parametrize("loss", ["locality", "center"])
def test_bf16_autocast_searches_and_sums_in_float32(loss: str) -> None:
    term = FeatureLoss(loss, k=3, memory=16).build(classes=2, dim=64)  # type: ignore[arg-type]
    exact = FeatureLoss(loss, k=3, memory=16).build(classes=2, dim=64)  # type: ignore[arg-type]
    assert term is not None and exact is not None
    labels, rows = torch.arange(12) % 2, torch.arange(12)
    for step in range(2):
        features = (torch.randn(12, 64) + 10).bfloat16().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            value = term(features, labels, rows + 12 * step)
        expected = exact(features.detach().float(), labels, rows + 12 * step)
        torch.testing.assert_close(value, expected)
        value.backward()
        assert features.grad is not None and features.grad.isfinite().all() and features.grad.any()
    for name, state in memory(exact).items():
        torch.testing.assert_close(memory(term)[name], state)


# Memory of the locality-preserving loss

ZEROS = torch.zeros(1, dtype=torch.long)


def remember(term: LocalityPreservingLoss, *faces: tuple[int, float], label: int = 0) -> float:
    """Give a batch of (row, feature) pairs of one class; return the loss."""
    rows, values = zip(*faces, strict=True)
    features = torch.tensor(values)[:, None]
    return float(term(features, torch.full((len(rows),), label), torch.tensor(rows)))


def remembered(term: LocalityPreservingLoss) -> list[tuple[int, float]]:
    """What the memory holds: row and feature of each face."""
    valid = term.labels >= 0
    return sorted(zip(term.rows[valid].tolist(), term.features[valid, 0].tolist(), strict=True))


def test_memory_of_the_training_sets_size_holds_each_face_once() -> None:
    term = LocalityPreservingLoss(k=1, memory=4, dim=1)
    remember(term, (0, 1.0), (1, 2.0))
    remember(term, (3, 3.0), (2, 4.0))
    remember(term, (1, 7.0))
    assert remembered(term) == [(0, 1.0), (1, 7.0), (2, 4.0), (3, 3.0)]


def test_smaller_memory_holds_the_latest_of_each_place() -> None:
    term = LocalityPreservingLoss(k=1, memory=2, dim=1)
    remember(term, (0, 1.0), (1, 2.0))
    remember(term, (4, 5.0))
    assert remembered(term) == [(1, 2.0), (4, 5.0)]
    assert remember(term, (2, 4.0)) == (5 - 4) ** 2 / 2


def test_no_face_is_its_own_neighbour() -> None:
    term = LocalityPreservingLoss(k=1, memory=4, dim=1)
    remember(term, (1, 1.0), (2, 5.0))
    assert remember(term, (1, 2.0)) == (5 - 2) ** 2 / 2
    assert remembered(term) == [(1, 2.0), (2, 5.0)]


def test_memory_serves_only_its_class() -> None:
    term = LocalityPreservingLoss(k=1, memory=4, dim=1)
    remember(term, (1, 1.0), label=0)
    assert remember(term, (2, 4.0), label=1) == 0
    assert remember(term, (3, 4.0), label=0) == (4 - 1) ** 2 / 2


def test_evaluation_leaves_the_memory_alone() -> None:
    term = LocalityPreservingLoss(k=1, memory=4, dim=1)
    remember(term, (1, 1.0), (2, 5.0))
    before = {name: state.clone() for name, state in memory(term).items()}
    term.eval()
    assert remember(term, (1, 2.0)) == (5 - 2) ** 2 / 2
    torch.testing.assert_close(memory(term), before, rtol=0, atol=0)


def test_memory_takes_no_part_in_the_gradient() -> None:
    term = LocalityPreservingLoss(k=1, memory=4, dim=1)
    for row in (1, 2):
        features = torch.tensor([[3.0 * row]], requires_grad=True)
        term(features, ZEROS, torch.tensor([row])).backward()
    assert features.grad is not None
    assert features.grad.item() == 6 - 3
    assert not term.features.requires_grad


def test_memory_forgets_features_that_are_not_finite() -> None:
    term = LocalityPreservingLoss(k=2, memory=4, dim=1)
    remember(term, (1, math.inf), (2, 5.0))
    assert remember(term, (3, 1.0)) == (5 - 1) ** 2 / 2


def test_checkpoints_are_without_the_memory_and_with_the_centers() -> None:
    term = LocalityPreservingLoss(k=2, memory=3, dim=1)
    assert not term.state_dict() and not list(term.buffers())  # buffers are sent to all processes
    assert all(state.device.type == "meta" for state in memory(term.to("meta")).values())  # but it moves
    assert set(CenterLoss(classes=3, dim=1, rate=0.5).state_dict()) == {"centers"}


def test_faces_that_share_a_place_are_written_once_and_whole() -> None:
    term = LocalityPreservingLoss(k=1, memory=2, dim=1)
    features = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    term(features, torch.tensor([0, 1, 2, -1]), torch.tensor([0, 2, 4, 1]))
    assert term.features.flatten().tolist() == [3.0, 4.0]  # the last of each place
    assert term.rows.tolist() == [4, 1] and term.labels.tolist() == [2, -1]


def test_without_memory_only_the_batch_counts() -> None:
    term = LocalityPreservingLoss(k=1, memory=0, dim=1)
    assert remember(term, (1, 1.0), (2, 3.0)) == (4 + 4) / 4
    assert remember(term, (3, 3.0)) == 0


# Center loss


def test_center_loss_by_hand() -> None:
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]], requires_grad=True)
    centers = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    loss = center_loss(features, torch.tensor([0, 1, -1]), centers)
    loss.backward()
    assert loss.item() == pytest.approx((1 + 2) / 6)
    torch.testing.assert_close(features.grad, torch.tensor([[1.0, 0.0], [-1.0, 1.0], [0.0, 0.0]]) / 3)


def test_centers_move_as_in_equation_4() -> None:
    term = CenterLoss(classes=3, dim=1, rate=0.5)
    features, labels, rows = torch.tensor([[3.0], [6.0], [4.0], [50.0]]), [0, 0, 1, -1], torch.arange(4)
    term(features, torch.tensor(labels), rows)
    # class 0: 0.5 * (3 + 6) / (1 + 2); class 1: 0.5 * 4 / (1 + 1); class 2 has no face
    torch.testing.assert_close(term.centers, torch.tensor([[1.5], [1.0], [0.0]]))
    term(torch.tensor([[4.5]]), ZEROS, ZEROS)
    torch.testing.assert_close(term.centers, torch.tensor([[1.5 + 0.5 * 3 / 2], [1.0], [0.0]]))


def test_centers_rest_in_evaluation() -> None:
    term = CenterLoss(classes=2, dim=1, rate=0.5).eval()
    assert term(torch.tensor([[3.0]]), ZEROS, ZEROS).item() == 4.5
    assert not term.centers.any()


@pytest.mark.parametrize("size", [2, 5, 30])
def test_center_loss_is_the_locality_loss_of_all_neighbours(size: int) -> None:
    # x_i less the mean of the other n - 1 is n / (n - 1) times x_i less the mean of all n.
    features, labels = torch.randn(size, 6, dtype=torch.float64), torch.zeros(size, dtype=torch.long)
    centers = features.mean(dim=0, keepdim=True)
    torch.testing.assert_close(
        locality_preserving(features, labels, k=size - 1),
        center_loss(features, labels, centers) * (size / (size - 1)) ** 2,
    )


# Settings


@pytest.mark.parametrize(
    "bad",
    [{"weight": -0.1}, {"k": 0}, {"memory": -1}, {"rate": 0.0}, {"rate": 1.1}, {"name": "local"}],
)
def test_feature_loss_refuses(bad: dict[str, object]) -> None:
    with pytest.raises(AffectZooError, match=f"feature_loss.*{next(iter(bad.values()))}"):
        FeatureLoss(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "kind"), [("none", type(None)), ("locality", LocalityPreservingLoss), ("center", CenterLoss)]
)
def test_feature_loss_builds(name: str, kind: type) -> None:
    assert isinstance(FeatureLoss(name).build(classes=3, dim=4), kind)  # type: ignore[arg-type]

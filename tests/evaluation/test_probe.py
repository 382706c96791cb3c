from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from fakes.references import ccc

from affectzoo.errors import DataError
from affectzoo.evaluation.probe import label_order_probe, value_order_probe

NAMES = ["neutral", "fear", "surprise", "anger"]
GOOD = np.array([[90, 4, 3, 3], [5, 70, 20, 5], [6, 14, 75, 5], [10, 5, 5, 80]])


def accuracy(confusion: np.ndarray) -> float:
    return float(np.trace(confusion) / confusion.sum())


def test_a_right_order_has_nothing_to_say() -> None:
    assert label_order_probe(GOOD, NAMES) == []


def test_two_swapped_names_are_found() -> None:
    swapped = GOOD[:, [0, 2, 1, 3]]
    assert label_order_probe(swapped, NAMES) == [
        {
            "kind": "swap",
            "classes": ["fear", "surprise"],
            "accuracy": pytest.approx((90 + 20 + 14 + 80) / 400),
            "would_be": pytest.approx((90 + 70 + 75 + 80) / 400),
        }
    ]


def test_a_whole_order_is_found() -> None:
    outputs = [1, 2, 3, 0]  # output 0 is fear's, output 1 surprise's, ...
    moved = GOOD[:, outputs]
    found = label_order_probe(moved, NAMES)
    best = max(permutations(range(4)), key=lambda order: accuracy(moved[:, np.argsort(order)]))
    assert found[-1] == {
        "kind": "order",
        "order": ["fear", "surprise", "anger", "neutral"],
        "accuracy": pytest.approx(accuracy(moved)),
        "would_be": pytest.approx(accuracy(GOOD)),
    }
    assert found[-1]["order"] == [NAMES[i] for i in best]
    gains = [entry["would_be"] for entry in found[:-1]]
    assert all(entry["kind"] == "swap" for entry in found[:-1])
    assert gains == sorted(gains, reverse=True)
    for entry in found[:-1]:
        i, j = (NAMES.index(name) for name in entry["classes"])
        order = list(range(4))
        order[i], order[j] = j, i
        assert entry["would_be"] == pytest.approx(accuracy(moved[:, order]))


def test_only_gains_above_the_threshold_count() -> None:
    swapped = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 38]])  # 0.95, would be 1
    names = NAMES[:3]
    assert label_order_probe(swapped, names, threshold=0.05) == []
    assert [entry["kind"] for entry in label_order_probe(swapped, names, threshold=0.04)] == ["swap"]


def test_classes_without_faces_stay_where_they_are() -> None:
    swapped = np.zeros((6, 6))
    swapped[0, 1] = swapped[1, 0] = 10
    found = label_order_probe(swapped, list("abcdef"))
    assert [entry["kind"] for entry in found] == ["swap"]


def test_no_faces_and_wrong_shapes() -> None:
    assert label_order_probe(np.zeros((4, 4)), NAMES) == []
    with pytest.raises(DataError, match=r"\(4, 4\) for 3 classes"):
        label_order_probe(GOOD, NAMES[:3])


@pytest.fixture
def affect() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    target = np.clip(random.normal(0, [0.4, 0.25], (300, 2)), -1, 1)
    return np.clip(target + random.normal(0, 0.15, (300, 2)), -1, 1), target


def test_right_values_have_nothing_to_say(affect: tuple[np.ndarray, np.ndarray]) -> None:
    assert value_order_probe(*affect) == []


@pytest.mark.parametrize(
    ("change", "spoil"),
    [
        ("swap valence and arousal", lambda va: va[:, ::-1]),
        ("negate valence", lambda va: va * [-1, 1]),
        ("negate arousal", lambda va: va * [1, -1]),
        ("divide by 10", lambda va: va * 10),
        ("multiply by 10", lambda va: va / 10),
    ],
)
def test_spoilt_values_are_found(affect: tuple[np.ndarray, np.ndarray], change: str, spoil: object) -> None:
    prediction, target = affect
    spoilt = spoil(prediction)  # type: ignore[operator]
    found = value_order_probe(spoilt, target)
    assert found[0] == {
        "kind": "values",
        "change": change,
        "ccc": pytest.approx(np.mean([ccc(spoilt[:, i], target[:, i]) for i in (0, 1)])),
        "would_be": pytest.approx(np.mean([ccc(prediction[:, i], target[:, i]) for i in (0, 1)])),
    }


def test_faces_without_an_answer_or_annotation_do_not_count(affect: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, target = affect
    expected = value_order_probe(prediction[:, ::-1], target)
    more = np.vstack([prediction[:, ::-1], [[np.nan, 0.0], [0.5, 0.5]]])
    assert value_order_probe(more, np.vstack([target, [[0.9, 0.9], [np.nan, np.nan]]])) == expected


def test_shapes_must_fit() -> None:
    with pytest.raises(DataError, match=r"\(3, 2\), targets \(2, 2\)"):
        value_order_probe(np.zeros((3, 2)), np.zeros((2, 2)))

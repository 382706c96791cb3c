"""Sketches of sets of faces."""

from __future__ import annotations

import pytest

from affectzoo.datasets.ids import shared, sketch

TRAINED = [f"data/{number}.png" for number in range(1000)]


def test_a_sketch_of_a_small_set_finds_every_face() -> None:
    told = sketch(TRAINED)
    assert shared(told, ["data/7.png", "data/x.png", "other/7.png"]) == ["data/7.png"]
    assert sketch(reversed(TRAINED)) == told and len(told) == 12 * 1000


def test_a_sketch_of_a_large_set_finds_its_share() -> None:
    told = sketch(TRAINED, most=100)
    found = shared(told, TRAINED[:500])
    assert 25 <= len(found) <= 75 and set(found) < set(TRAINED)
    assert shared(told, [f"data/{number}.png" for number in range(1000, 9000)]) == []


@pytest.mark.parametrize("told", ["", "no base64 $", "é", "AAAA"])
def test_what_is_no_sketch_has_no_faces(told: str) -> None:
    assert shared(told, TRAINED) == []

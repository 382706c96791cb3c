"""Sketches of sets of faces."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fakes import write_folder

from affectzoo.datasets.folder import read_folder
from affectzoo.datasets.ids import ids, shared, sketch, told_apart

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


def test_names_that_are_not_utf8_are_found() -> None:
    name = "folder/caf\udce9.png"
    assert shared(sketch([name]), [name, "folder/caf.png"]) == [name]


def test_own_faces_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    one, copy = write_folder(tmp_path / "one"), tmp_path / "copy"
    shutil.copytree(one, copy)
    other = write_folder(tmp_path / "other", seed=1)
    indices = [read_folder(root) for root in (one, copy, other)]
    assert ids(indices[0]) == ids(indices[2])
    told = sketch(told_apart(indices[0]))
    found = [len(shared(told, told_apart(index))) for index in indices]
    assert found == [12, 12, 0]


@pytest.mark.parametrize("told", ["", "no base64 $", "é", "AAAA"])
def test_what_is_no_sketch_has_no_faces(told: str) -> None:
    assert shared(told, TRAINED) == []

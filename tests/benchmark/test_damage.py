"""Faces made worse, and a benchmark of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fakes import write_ferplus

from affectzoo.benchmark import systems
from affectzoo.benchmark.damage import DAMAGES, damaged
from affectzoo.benchmark.runner import Task, benchmark
from affectzoo.cli import main
from affectzoo.datasets.index import FaceIndex
from affectzoo.evaluation.protocols import find_protocol
from affectzoo.evaluation.record import read_records
from affectzoo.hub.cards.results import by_group, results_of
from affectzoo.leaderboard.board import board
from affectzoo.leaderboard.groups import groups

BUNDLED = "dlp_cnn_s.ferplus"


def face(random: np.random.Generator, edge: int) -> np.ndarray:
    return cv2.GaussianBlur(random.integers(0, 256, (edge, edge, 3), dtype=np.uint8), (0, 0), edge / 24)


@pytest.fixture
def index(tmp_path: Path) -> FaceIndex:
    """A ready crop of 48 pixels, a face of 96 pixels in an image, one that cannot be read."""
    random = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "crop.png"), face(random, 48))
    image = np.zeros((200, 300, 3), np.uint8)
    image[40:136, 100:196] = face(random, 96)
    cv2.imwrite(str(tmp_path / "image.png"), image)
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows: list[dict[str, Any]] = [
        {"path": "crop.png", "split": "test"},
        {"path": "image.png", "split": "test", "box": (100.0, 40.0, 196.0, 136.0)},
        {"path": "broken.png", "split": "test"},
    ]
    return FaceIndex.from_rows("some", tmp_path, None, rows)


def test_faces_of_48_pixels_stay_what_they_are_without_damage(index: FaceIndex) -> None:
    name, same = next(damaged(index))
    assert name == "none" and len(same) == len(index) and same.table["path"].equals(index.table["path"])
    crop, other, broken = same.table["pixels"]
    assert np.array_equal(crop, cv2.cvtColor(cv2.imread(str(index.root / "crop.png")), cv2.COLOR_BGR2RGB))
    assert other.shape == (72, 72, 3) and same.table["box"][1] == (12, 12, 60, 60)
    whole = cv2.cvtColor(cv2.imread(str(index.root / "image.png")), cv2.COLOR_BGR2RGB)
    small = cv2.resize(whole[40:136, 100:196], (48, 48), interpolation=cv2.INTER_AREA)
    assert np.array_equal(other[12:60, 12:60], small) and not other[:12].any()
    assert broken is None


def test_every_damage_changes_every_face_and_is_the_same_again(index: FaceIndex) -> None:
    first, again = dict(damaged(index)), dict(damaged(index))
    assert list(first) == list(DAMAGES)
    for name in list(DAMAGES)[1:]:
        for row in (0, 1):
            before, after = first["none"].table["pixels"][row], first[name].table["pixels"][row]
            assert after.shape == before.shape and after.dtype == np.uint8, name
            assert not np.array_equal(after, before), name
            assert np.array_equal(after, again[name].table["pixels"][row]), name
        assert first[name].table["pixels"][2] is None


@pytest.mark.parametrize("name", ["turned by 30 degrees", "crop 15 % larger", "crop shifted by 8 %"])
def test_landmarks_go_along(tmp_path: Path, name: str) -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    points = np.array([[130.0, 80.0], [170.0, 60.0], [160.0, 120.0]], np.float32)
    for x, y in points.astype(int):
        cv2.circle(image, (x, y), 4, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "image.png"), image)
    row = {"path": "image.png", "split": "test", "box": (100.0, 40.0, 196.0, 136.0), "landmarks": points}
    table = dict(damaged(FaceIndex.from_rows("some", tmp_path, None, [row])))[name].table
    moved, pixels = table["landmarks"][0], table["pixels"][0]
    assert np.abs(moved - (points - (100, 40) + 0.5) / 2 - 11.5).max() > 2  # they have moved
    assert all(pixels[y, x].min() > 100 for x, y in moved.round().astype(int))


def test_a_benchmark_of_worse_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "cost", lambda model: None)
    data, out = write_ferplus(tmp_path / "ferplus", per_class=1), tmp_path / "board"
    words = ["benchmark", "--data", f"ferplus={data}", "--protocol", "ferplus_valid", "--models", BUNDLED]
    assert main([*words, "--out", str(out)]) == 0
    (record,) = read_records(out)
    assert "per_damage" not in record
    assert main([*words, "--out", str(out), "--robustness"]) == 0  # the same record, measured anew
    (record,) = read_records(out)
    assert list(record["per_damage"]) == list(DAMAGES)
    for name in ("accuracy", "mean_diagonal"):
        assert record["per_damage"]["none"][name] == pytest.approx(record["metrics"][name]["value"])
    assert "--robustness" in record["command"]
    before = (path := next((out / "records").glob("*.json"))).stat().st_mtime_ns
    for options in ([], ["--robustness"]):
        assert main([*words, "--out", str(out), *options]) == 0
    assert path.stat().st_mtime_ns == before

    table = next(table for table in board(groups([record])[0], ()).details if table.name == "damage")
    assert [row[0] for row in table.rows] == list(DAMAGES)
    assert table.rows[0][1] == record["per_damage"]["none"]["accuracy"]
    assert "damage" in [table.name for table in results_of([record], BUNDLED)[0].tables]
    assert not by_group(record)


def test_progress_tells_of_every_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "cost", lambda model: None)
    data = write_ferplus(tmp_path / "ferplus", per_class=1)
    task = Task(find_protocol("ferplus_valid"), {"ferplus": data}, robustness=True)
    told: list[float] = []
    benchmark(
        [task], [systems.system(BUNDLED)], tmp_path / "board", progress=lambda share: told.append(share)
    )
    assert told == sorted(told) and told[-1] == pytest.approx(1) and len(told) >= 1 + len(DAMAGES)

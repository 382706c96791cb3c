from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.expw import write_expw

from affectzoo.datamodules.expw import ExpW
from affectzoo.datasets.expw import read_expw
from affectzoo.errors import DataError, DataNotFoundError, LabelError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES, decode

CLASSES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_expw(tmp_path)


def edit(root: Path, change: Callable[[list[str]], object]) -> Path:
    """Change the list's lines in place."""
    path = root / "data" / "label" / "label.lst"
    lines = path.read_text(encoding="utf-8").splitlines()
    change(lines)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_codes() -> None:
    assert [decode("expw", code, "here") for code in range(7)] == CLASSES == list(SPACES["expw7"].names)


@pytest.mark.parametrize("inside", [False, True])
def test_box_is_top_left_right_bottom(root: Path, inside: bool) -> None:
    index = read_expw(root / "data" if inside else root)
    table = index.table
    assert (index.labels, index.left_out, len(index)) == (SPACES["expw7"], {}, 84)
    first, second = table.iloc[0], table.iloc[1]
    assert (first["box"], first["label"]) == ((10, 5, 35, 45), "anger")
    assert (second["box"], second["label"]) == ((30, 8, 58, 36), "disgust")
    assert first["path"] == second["path"]
    assert first["path"] == ("" if inside else "data/") + "image/origin/keyword_person_0.jpg"
    assert first["source"].endswith("label.lst, line 1")
    assert first["target"].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert all((index.root / path).is_file() for path in table["path"])


def test_other_places_of_list_and_pictures(root: Path) -> None:
    (root / "data/label/label.lst").rename(root / "data/label.lst")
    (root / "data/image/origin").rename(root / "data/origin")
    assert set(read_expw(root).table["path"].map(lambda path: Path(path).parent.as_posix())) == {
        "data/origin"
    }


def test_the_split_is_by_picture_and_not_by_order(root: Path) -> None:
    table = read_expw(root, test_fraction=0.3).table
    assert (table.groupby("path")["split"].nunique() == 1).all()
    split = dict(zip(table["path"], table["split"], strict=True))
    assert sorted(set(split.values())) == ["test", "train"]
    assert 5 <= sum(s == "test" for s in split.values()) <= 20
    # SHA-256 of the names begins with 3803 (0.219 of 10000) and 50c6 (0.316)
    assert split["data/image/origin/keyword_person_4.jpg"] == "test"
    assert split["data/image/origin/keyword_person_2.jpg"] == "train"
    edit(root, lambda lines: lines.reverse())
    again = read_expw(root, test_fraction=0.3).table
    assert dict(zip(again["path"], again["split"], strict=True)) == split
    more = read_expw(root, test_fraction=0.6).table
    larger = dict(zip(more["path"], more["split"], strict=True))
    assert all(larger[path] == "test" for path, part in split.items() if part == "test")
    assert set(read_expw(root, test_fraction=0).table["split"]) == {"train"}


def test_repeated_lines_are_counted_once(root: Path) -> None:
    edit(root, lambda lines: lines.extend([lines[0], lines[0], lines[5]]))
    index = read_expw(root)
    assert (index.left_out, len(index)) == ({"listed twice": 3}, 84)


def test_contradicting_lines_leave_the_face_out(root: Path) -> None:
    edit(root, lambda lines: lines.append(lines[0][:-1] + "3"))
    index = read_expw(root)
    assert index.left_out == {"listed twice": 1, "listed with different labels": 1}
    assert len(index) == 83
    assert index.table.iloc[0]["source"].endswith("line 2")


def test_faces_are_told_apart_by_number_or_box(root: Path) -> None:
    edit(root, lambda lines: lines.append("keyword_person_0.jpg 0 6 10 35 45 60.0 3"))
    index = read_expw(root)
    assert (index.left_out, len(index)) == ({}, 85)


def test_what_cannot_be_used_is_counted(root: Path) -> None:
    (root / "data/image/origin/keyword_person_1.jpg").unlink()
    edit(root, lambda lines: lines.append("keyword_person_0.jpg 2 5 35 35 45 60.0 3"))
    index = read_expw(root)
    assert index.left_out == {"no image": 2, "box without area": 1}
    assert len(index) == 82


def test_threshold_of_confidence(root: Path) -> None:
    index = read_expw(root, min_confidence=40)
    assert index.left_out == {"confidence too low": 42}
    assert set(index.table["box"]) == {(10, 5, 35, 45)}


def test_names_with_blanks_empty_lines_and_tabs(root: Path) -> None:
    origin = root / "data/image/origin"
    (origin / "keyword_person_0.jpg").rename(origin / "a b.jpg")

    def change(lines: list[str]) -> None:
        lines[0] = "a b.jpg 0\t5 10 35 45 60.0 0 "
        lines[1] = ""

    edit(root, change)
    index = read_expw(root)
    assert (index.table.iloc[0]["path"], len(index)) == ("data/image/origin/a b.jpg", 83)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("x.jpg 0 5 10 35 45 60.0 7", LabelError, r"label 7 is none of expw's codes \(0 anger"),
        ("x.jpg 0 5 10 35 45 60.0 1.5", DataError, r"label is '1\.5', expected a whole number"),
        ("x.jpg 0 5 ten 35 45 60.0 1", DataError, "left is 'ten', expected a number"),
        ("x.jpg 0 5 10 35 nan 60.0 1", DataError, "bottom is 'nan'"),
        ("x.jpg 0 5 10 35 45 - 1", DataError, "confidence is '-'"),
        ("x.jpg 5 10 35 45 60.0 1", DataError, "expected image, face, top, left, right, bottom"),
    ],
)
def test_bad_line_is_named(root: Path, line: str, error: type[DataError], message: str) -> None:
    path = edit(root, lambda lines: lines.__setitem__(2, line))
    with pytest.raises(error, match=rf"^{re.escape(str(path))}, line 3: .*{message}"):
        read_expw(root)


def test_nothing_there(tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"label/label\.lst"):
        read_expw(tmp_path / "nowhere")
    with pytest.raises(DataError, match="test_fraction is 1, expected 0 to below 1"):
        read_expw(root, test_fraction=1)
    for path in root.glob("data/image/origin/*"):
        path.unlink()
    with pytest.raises(DataNotFoundError, match="no listed image"):
        read_expw(root)


def test_data_module(root: Path) -> None:
    settings: dict[str, Any] = {"preprocess": Preprocess(size=16), "num_workers": 0, "batch_size": 4}
    data = ExpW(str(root), test_fraction=0.3, min_confidence=40, **settings)
    data.setup("fit")
    data.setup("test")
    assert {split: len(data.split_index(split)) > 0 for split in ("train", "valid", "test")} == {
        "train": True,
        "valid": True,
        "test": True,
    }
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape)[1:] == (3, 16, 16)
    assert len(data.index) == 42

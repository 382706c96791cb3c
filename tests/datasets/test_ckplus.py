from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.posed import CKPLUS_SUBJECTS, write_ckplus

from affectzoo.datamodules.ckplus import CKPlus
from affectzoo.datasets.ckplus import ckplus_folds, read_ckplus
from affectzoo.datasets.folds import fold_splits, folds_hash, step_folds
from affectzoo.errors import DataError, DataNotFoundError, LabelError, UnknownNameError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES, decode

CODES = "neutral anger contempt disgust fear happiness sadness surprise".split()
SUBJECTS = [f"S{5 * i + 5:03d}" for i in range(CKPLUS_SUBJECTS)]
UNLABELLED = {"sequence without emotion": CKPLUS_SUBJECTS}
EMOTION = Path("Emotion/S005/001/S005_001_00000005_emotion.txt")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_ckplus(tmp_path / "ckplus")


def code(subject: str, sequence: str) -> int:
    return (2 * SUBJECTS.index(subject) + int(sequence) - 1) % 7 + 1


def clip(root: Path, name: str, **options: Any) -> list[dict[str, Any]]:
    table = read_ckplus(root, **options).table
    return table[table["clip"] == name].to_dict("records")  # type: ignore[return-value]


def test_codes_and_spaces() -> None:
    assert [decode("ckplus", number, "here") for number in range(8)] == CODES
    assert SPACES["ckplus8"].names == tuple(CODES)
    assert SPACES["ckplus7"].names == tuple(CODES[1:])
    assert SPACES["ckplus6"].names == tuple(name for name in CODES[1:] if name != "contempt")


@pytest.mark.parametrize("top", ["", "doubled"])
@pytest.mark.parametrize(
    "folders",
    [
        ("cohn-kanade-images", "Emotion", "Landmarks"),
        ("extended-cohn-kanade-images", "Emotion_labels", "Landmarks"),
    ],
)
def test_last_pictures_carry_the_label(tmp_path: Path, top: str, folders: tuple[str, str, str]) -> None:
    index = read_ckplus(write_ckplus(tmp_path, folders=folders, top=top))
    table = index.table
    assert (index.labels, index.left_out) == (SPACES["ckplus7"], UNLABELLED)
    assert len(table) == CKPLUS_SUBJECTS * 2 * 3
    for name, frames in table.groupby("clip"):
        subject, sequence = str(name).split("/")
        assert frames["frame"].tolist() == ([3, 4, 5] if sequence == "001" else [7, 8, 9])
        assert set(frames["label"]) == {CODES[code(subject, sequence)]}
        assert set(frames["subject"]) == {subject}
        for row in frames.to_dict("records"):
            place = f"{folders[0]}/{top}/{name}" if top else f"{folders[0]}/{name}"
            assert row["path"] == f"{place}/{subject}_{sequence}_{row['frame']:08d}.png"
            assert (index.root / row["path"]).is_file()
            assert index.labels.names[row["target"].argmax()] == row["label"]
            assert Path(row["source"]).name.endswith("_emotion.txt")


@pytest.mark.parametrize(("frames", "first", "second"), [(1, [5], [9]), (2, [4, 5], [8, 9])])
def test_how_many_pictures(root: Path, frames: int, first: list[int], second: list[int]) -> None:
    assert [row["frame"] for row in clip(root, "S005/001", frames=frames)] == first
    assert [row["frame"] for row in clip(root, "S005/002", frames=frames)] == second


def test_the_first_picture_never_carries_the_expression(root: Path) -> None:
    assert [row["frame"] for row in clip(root, "S005/001", frames=9)] == [2, 3, 4, 5]
    for number in (1, 2, 3, 4):  # the peak alone is left, and its file says that it is the peak
        (root / f"cohn-kanade-images/S005/001/S005_001_{number:08d}.png").unlink()
    assert [row["frame"] for row in clip(root, "S005/001", frames=9)] == [5]
    assert clip(root, "S005/001/neutral", classes=8) == []


def test_neutral_is_the_lowest_numbered_picture(root: Path) -> None:
    index = read_ckplus(root, classes=8)
    neutral = index.table[index.table["label"] == "neutral"]
    assert index.labels is SPACES["ckplus8"]
    assert len(neutral) == CKPLUS_SUBJECTS * 2
    frames = dict(zip(neutral["clip"], neutral["frame"], strict=True))
    assert (frames["S010/001/neutral"], frames["S010/002/neutral"]) == (1, 4)
    assert len(index) == CKPLUS_SUBJECTS * 2 * 4
    assert {row["target"].argmax() for row in neutral.to_dict("records")} == {0}


def test_six_classes_leave_contempt_out(root: Path) -> None:
    index = read_ckplus(root, classes=6, frames=1)
    contempt = sum(code(s, q) == 2 for s in SUBJECTS for q in ("001", "002"))
    assert contempt > 0
    assert index.left_out == UNLABELLED | {"sequence labeled contempt": contempt}
    assert len(index) == 2 * CKPLUS_SUBJECTS - contempt
    assert ckplus_folds(root) == step_folds(SUBJECTS, 10)


def test_a_sequence_labelled_neutral(root: Path) -> None:
    (root / EMOTION).write_text("0.0000000e+00")
    assert read_ckplus(root).left_out == UNLABELLED | {"sequence labeled neutral": 1}
    assert {row["label"] for row in clip(root, "S005/001", classes=8)} == {"neutral"}


def test_an_empty_or_missing_emotion_folder_is_unlabelled(root: Path) -> None:
    (root / EMOTION).unlink()
    shutil.rmtree(root / "Emotion" / "S005" / "003")
    index = read_ckplus(root)
    assert index.left_out == {"sequence without emotion": CKPLUS_SUBJECTS + 1}
    assert "S005/001" not in set(index.table["clip"])


def test_stray_files_are_ignored(root: Path) -> None:
    before = read_ckplus(root).table["path"].tolist()
    for place in ("cohn-kanade-images/S005/001", "Emotion/S005/001", "Emotion", "Landmarks"):
        (root / place / ".DS_Store").touch()
    (root / "Emotion/S005/001/._S005_001_00000005_emotion.txt").touch()
    (root / "cohn-kanade-images/S005/001/Thumbs.db").touch()
    assert read_ckplus(root).table["path"].tolist() == before


def test_landmarks_give_the_box(root: Path) -> None:
    points = np.stack([np.arange(68.0), 2 * np.arange(68.0)], axis=1)
    path = root / "Landmarks/S005/001/S005_001_00000005_landmarks.txt"
    np.savetxt(path, points, fmt="   %.7e")
    row = clip(root, "S005/001", frames=1)[0]
    np.testing.assert_array_equal(row["landmarks"], points)
    assert row["landmarks"].dtype == np.float32
    assert row["box"] == (0, 0, 67, 134)
    path.unlink()
    assert read_ckplus(root).left_out == UNLABELLED | {"image without landmarks": 1}
    np.savetxt(path, points[:67])
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}: 67 landmarks, expected 68"):
        read_ckplus(root)


def test_without_landmarks_pictures_are_whole(tmp_path: Path) -> None:
    index = read_ckplus(write_ckplus(tmp_path, landmarks=False))
    assert len(index) == CKPLUS_SUBJECTS * 6
    assert index.table["box"].isna().all() and index.table["landmarks"].isna().all()


def test_missing_pictures_are_counted_and_change_no_fold(root: Path) -> None:
    before = ckplus_folds(root)
    shutil.rmtree(root / "cohn-kanade-images/S005/001")
    (root / "cohn-kanade-images/S010/001/S010_001_00000005.png").unlink()
    (root / "cohn-kanade-images/S015/001/S015_001_00000004.png").unlink()
    index = read_ckplus(root)
    assert index.left_out == UNLABELLED | {
        "sequence without images": 1,
        "sequence without the peak's image": 1,
    }
    assert [row["frame"] for row in clip(root, "S015/001")] == [2, 3, 5]
    assert ckplus_folds(root) == before


def text(value: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(value)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (text("8.0"), LabelError, r"label 8 is none of ckplus's codes \(0 neutral, 1 anger"),
        (text("-1"), LabelError, "label -1 is none"),
        (text("3.5"), DataError, r"emotion is '3\.5', expected a whole number"),
        (text("nan"), DataError, "emotion is 'nan'"),
        (text(""), DataError, "emotion is '', expected a whole number"),
    ],
)
def test_bad_emotion_file_is_named(
    root: Path, change: Callable[[Path], object], error: type[DataError], message: str
) -> None:
    change(root / EMOTION)
    with pytest.raises(error, match=rf"^{re.escape(str(root / EMOTION))}: {message}"):
        read_ckplus(root)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("S005_001_00000004_emotion.txt", "the sequence has another emotion file"),
        ("S010_001_00000005_emotion.txt", "expected a name such as"),
    ],
)
def test_emotion_files_fit_their_sequence(root: Path, name: str, message: str) -> None:
    shutil.copy(root / EMOTION, (root / EMOTION).with_name(name))
    with pytest.raises(DataError, match=message):
        read_ckplus(root)


def test_a_picture_twice(root: Path) -> None:
    path = root / "cohn-kanade-images/S005/001/S005_001_00000005.png"
    shutil.copy(path, path.with_suffix(".tiff"))
    with pytest.raises(
        DataError, match=r"S005_001_00000005\.tiff: the image is also in S005_001_00000005\.png"
    ):
        read_ckplus(root)


def test_nothing_there(tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataNotFoundError, match="no emotion files"):
        read_ckplus(tmp_path / "nowhere")
    for path in root.glob("cohn-kanade-images/*/*/*_0000000[59].png"):
        path.unlink()
    with pytest.raises(DataNotFoundError, match="no image of a labeled sequence"):
        read_ckplus(root)
    shutil.rmtree(root / "cohn-kanade-images")
    with pytest.raises(DataNotFoundError, match=r"no images(.|\n)*cohn-kanade-images/S005/001"):
        read_ckplus(root)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fold": -1}, DataError, "ckplus: fold is -1, expected 0 to 9"),
        ({"fold": 3, "folds": 3}, DataError, "ckplus: fold is 3, expected 0 to 2"),
        ({"folds": 13}, DataError, "12 subjects cannot be split into 13 folds"),
        ({"frames": 0}, DataError, "ckplus: frames is 0, expected at least 1"),
        ({"classes": 5}, UnknownNameError, "ckplus5"),
    ],
)
def test_impossible_options(root: Path, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_ckplus(root, **options)


def test_every_tenth_subject_is_in_the_same_fold(root: Path) -> None:
    folds = ckplus_folds(root)
    assert folds == {subject: place % 10 for place, subject in enumerate(SUBJECTS)}
    assert folds["S005"] == folds["S055"] == 0 and folds["S010"] == folds["S060"] == 1


def test_unlabelled_subjects_do_not_count_for_folds(root: Path) -> None:
    shutil.rmtree(root / "Emotion" / "S005")
    assert ckplus_folds(root) == {subject: place % 10 for place, subject in enumerate(SUBJECTS[1:])}


def test_folds_hold_whole_subjects_and_every_picture_once(root: Path) -> None:
    tests = []
    for fold in range(5):
        table = read_ckplus(root, fold, folds=5, classes=8).table
        train, test = (set(table[table["split"] == s]["subject"]) for s in ("train", "test"))
        assert not train & test and train | test == set(SUBJECTS)
        tests += table[table["split"] == "test"]["path"].tolist()
    assert sorted(tests) == sorted(read_ckplus(root, classes=8).table["path"])


def test_step_folds_ignores_order_and_repetition() -> None:
    assert step_folds(["c", "a", "b", "a", "d"], 3) == {"a": 0, "b": 1, "c": 2, "d": 0}
    with pytest.raises(DataError, match="2 subjects cannot be split into 1 folds"):
        step_folds("ab", 1)
    assert fold_splits("x", {"a": 0, "b": 1}, 1) == {"a": "train", "b": "test"}


def test_data_module(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings: dict[str, Any] = {"preprocess": Preprocess(size=16), "num_workers": 0, "batch_size": 4}
    data = CKPlus(str(root), fold=1, folds=5, classes=8, frames=1, **settings)
    with caplog.at_level("INFO"):
        data.setup("fit")
    data.setup("test")
    assert f"ckplus: test fold 1 of 5, folds {folds_hash(step_folds(SUBJECTS, 5))}" in caplog.text
    parts = {split: set(data.split_index(split).table["subject"]) for split in ("train", "valid", "test")}
    assert parts["test"] == {"S010", "S035", "S060"}
    assert parts["train"] and parts["valid"] and not parts["train"] & parts["valid"]
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape) == (4, 3, 16, 16)
    assert batch["label"].tolist() == [0, code("S010", "001"), 0, code("S010", "002")]

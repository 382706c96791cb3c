from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes.posed import JAFFE_EXPRESSIONS, JAFFE_SUBJECTS, write_jaffe, write_mmi, write_session

from affectzoo.datamodules.jaffe import JAFFE
from affectzoo.datamodules.mmi import MMI
from affectzoo.datasets.folds import folds_hash
from affectzoo.datasets.jaffe import jaffe_folds, read_jaffe
from affectzoo.datasets.mmi import mmi_folds, read_mmi
from affectzoo.errors import DataError, DataNotFoundError, LabelError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES, decode

JAFFE_CLASSES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
MMI_CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
SETTINGS: dict[str, Any] = {"preprocess": Preprocess(size=16), "num_workers": 0, "batch_size": 4}


@pytest.fixture
def jaffe(tmp_path: Path) -> Path:
    return write_jaffe(tmp_path / "jaffe")


@pytest.fixture(scope="module")
def written_mmi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mmi(tmp_path_factory.mktemp("mmi"), subjects=4)


@pytest.fixture
def mmi(tmp_path: Path, written_mmi: Path) -> Path:
    """Four subjects, sessions 1 to 24."""
    root = tmp_path / "mmi"
    shutil.copytree(next(written_mmi.glob("*/Sessions")), root / "Sessions")
    return root


@pytest.mark.parametrize("place", ["", "jaffe", "zip/jaffe"])
@pytest.mark.parametrize("suffix", [".tiff", ".jpg", ".TIFF"])
def test_names_say_subject_and_expression(tmp_path: Path, place: str, suffix: str) -> None:
    write_jaffe(tmp_path / place, 2, suffix=suffix)
    index = read_jaffe(tmp_path)
    assert (index.labels, index.left_out) == (SPACES["jaffe7"], {})
    assert SPACES["jaffe7"].names == JAFFE_CLASSES
    assert index.class_counts().tolist() == [20] * 7
    for row in index.table.to_dict("records"):
        subject, expression = Path(row["path"]).name.split(".")[:2]
        assert row["subject"] == subject
        assert row["label"] == JAFFE_CLASSES[JAFFE_EXPRESSIONS.index(expression[:2])]
        assert row["target"].argmax() == JAFFE_EXPRESSIONS.index(expression[:2])
        assert (index.root / row["path"]).is_file()


def test_each_fold_leaves_one_subject_out(jaffe: Path) -> None:
    assert jaffe_folds(jaffe) == {subject: fold for fold, subject in enumerate(JAFFE_SUBJECTS)}
    for fold, subject in enumerate(JAFFE_SUBJECTS):
        table = read_jaffe(jaffe, fold).table
        assert set(table[table["split"] == "test"]["subject"]) == {subject}
        assert set(table[table["split"] == "train"]["subject"]) == set(JAFFE_SUBJECTS) - {subject}


def test_folds_follow_the_subjects_that_are_there(jaffe: Path) -> None:
    for path in jaffe.glob("K*"):
        path.unlink()
    assert jaffe_folds(jaffe) == {s: i for i, s in enumerate(["MK", "NA", "NM", "TM", "UY", "YM"])}
    assert set(jaffe_folds(jaffe, 2).values()) == {0, 1}
    with pytest.raises(DataError, match="jaffe: fold is 6, expected 0 to 5"):
        read_jaffe(jaffe, 6)
    with pytest.raises(DataError, match="6 subjects cannot be split into 7 folds"):
        read_jaffe(jaffe, folds=7)


def test_pictures_of_other_names_are_counted(jaffe: Path) -> None:
    picture = jaffe / "KA.AN1.1.tiff"
    shutil.copy(picture, jaffe / "overview.tiff")
    shutil.copy(picture, jaffe / "._KA.AN9.9.tiff")
    shutil.copy(picture, jaffe / "KA.HA7..tiff")  # read all the same
    index = read_jaffe(jaffe)
    assert index.left_out == {"image of another name": 1}
    assert len(index) == 71


def test_faults_of_names(jaffe: Path) -> None:
    strange = Path(shutil.copy(jaffe / "KA.AN1.1.tiff", jaffe / "KA.XX1.99.tiff"))
    with pytest.raises(LabelError, match=rf"^{re.escape(str(strange))}: expression is 'XX', expected AN, DI"):
        read_jaffe(jaffe)
    strange.rename(jaffe / "KA.AN1.1.jpg")
    with pytest.raises(DataError, match=r"KA\.AN1\.1\.tiff: the image is also in KA\.AN1\.1\.jpg"):
        read_jaffe(jaffe)
    with pytest.raises(DataNotFoundError, match=r"KA\.AN1\.39\.tiff"):
        read_jaffe(jaffe.parent / "nowhere")


def test_jaffe_data_module(jaffe: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = JAFFE(str(jaffe), fold=9, **SETTINGS)
    with caplog.at_level("INFO"):
        data.setup("fit")
    data.setup("test")
    assert f"jaffe: test fold 9 of 10, folds {folds_hash(jaffe_folds(jaffe))}" in caplog.text
    parts = {split: set(data.split_index(split).table["subject"]) for split in ("train", "valid", "test")}
    assert parts["test"] == {"YM"}
    assert len(parts["valid"]) == 1 and len(parts["train"]) == 8 and not parts["valid"] & parts["train"]
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape) == (4, 3, 16, 16)
    assert batch["label"].tolist() == [0, 1, 2, 3]


def test_mmi_codes() -> None:
    assert [decode("mmi", code, "here") for code in range(1, 7)] == list(MMI_CLASSES)
    assert SPACES["mmi6"].names == MMI_CLASSES


@pytest.mark.parametrize("inside", [0, 1, 2])
def test_middle_frames_carry_the_emotion(written_mmi: Path, inside: int) -> None:
    sessions = next(written_mmi.glob("*/Sessions"))
    root = (written_mmi, sessions.parent, sessions)[inside]
    index = read_mmi(root, folds=2)
    assert (index.labels, index.left_out) == (SPACES["mmi6"], {})
    assert index.class_counts().tolist() == [4 * 3] * 6
    assert index.table["clip"].nunique() == 24
    for clip, frames in index.table.groupby("clip", sort=False):
        session, stem = str(clip).split("/")
        assert frames["frame"].tolist() == [3, 4, 5]
        assert set(frames["subject"]) == {stem[:4]}
        assert set(frames["label"]) == {MMI_CLASSES[(int(session) - 1) % 6]}
        path = set(frames["path"]).pop()
        assert path.endswith(f"{session}/{stem}.avi") and (root / path).is_file()
    sessions_in_order = [int(clip.split("/")[0]) for clip in index.table["clip"].drop_duplicates()]
    assert sessions_in_order == list(range(1, 25))


@pytest.mark.parametrize(
    ("length", "frames", "expected"),
    [(9, 1, [4]), (9, 4, [2, 3, 4, 5]), (10, 3, [3, 4, 5]), (2, 3, [0, 1]), (1, 1, [0])],
)
def test_which_frames_are_in_the_middle(mmi: Path, length: int, frames: int, expected: list[int]) -> None:
    shutil.rmtree(mmi / "Sessions" / "1")
    write_session(mmi / "Sessions", 1, "S001-001", "1", frames=length)
    table = read_mmi(mmi, folds=2, frames=frames).table
    assert table[table["clip"] == "1/S001-001"]["frame"].tolist() == expected


def test_what_cannot_be_used_is_counted_by_reason(mmi: Path) -> None:
    sessions = mmi / "Sessions"
    folds = mmi_folds(mmi, 2)
    write_session(sessions, 101, "S001-101", None)
    write_session(sessions, 102, "S001-102", "7")
    write_session(sessions, 103, "S001-103", "12")
    write_session(sessions, 104, "S001-104", view="1")
    write_session(sessions, 105, "S001-105", view="2")
    write_session(sessions, 106, "S001-106", view=None)
    write_session(sessions, 107, "portrait")
    (write_session(sessions, 108, "S001-108") / "S001-108.xml").unlink()
    write_session(sessions, 109, "S001-109")
    write_session(sessions, 109, "S001-110")
    (sessions / "110").mkdir()
    (sessions / "110" / "S001-111.jpg").touch()
    (write_session(sessions, 111, "S004-111") / "S004-111.avi").write_bytes(b"")
    (sessions / "notes").mkdir()
    (sessions / "1" / "._S001-001.avi").touch()
    index = read_mmi(mmi, folds=2)
    assert index.left_out == {
        "video without emotion": 1,
        "video of another emotion": 2,
        "video that is not frontal": 2,
        "video of unknown view": 1,
        "video of unknown subject": 1,
        "video without annotation": 1,
        "session with several videos": 1,
        "session without video": 1,
        "video that cannot be opened": 1,
    }
    assert len(index) == 24 * 3
    assert set(folds) == set(mmi_folds(mmi, 2)) == {"S001", "S002", "S003", "S004"}


def test_downloads_that_overlap(mmi: Path) -> None:
    shutil.copytree(mmi / "Sessions" / "3", mmi / "download" / "Sessions" / "3")
    write_session(mmi / "download" / "Sessions", 200, "S009-001", "6")
    index = read_mmi(mmi, folds=2)
    assert index.left_out == {"session in two places": 1}
    assert index.table["clip"].nunique() == 25
    assert index.table["path"].iloc[-1] == "download/Sessions/200/S009-001.avi"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("<a><Metatag Name='Emotion' Value='x'/></a>", DataError, "Emotion is 'x', expected a whole number"),
        ("<a><Metatag Name='Emotion'/></a>", DataError, "Emotion is 'None'"),
        ("<a><Metatag Name='Emotion' Value='0'/></a>", LabelError, "label 0 is none of mmi's codes"),
        ("<a><Metatag", DataError, "no XML"),
        (
            "<a><Metatag Name='Emotion' Value='1'/><b><Metatag Name='Emotion' Value='2'/></b></a>",
            DataError,
            "2 different emotions",
        ),
    ],
)
def test_bad_annotation_is_named(mmi: Path, text: str, error: type[DataError], message: str) -> None:
    path = mmi / "Sessions" / "5" / "S001-005.xml"
    path.write_text(text)
    with pytest.raises(error, match=rf"^{re.escape(str(path))}: {message}"):
        read_mmi(mmi, folds=2)


def test_a_tag_may_have_a_namespace_or_lie_deeper(mmi: Path) -> None:
    path = mmi / "Sessions" / "5" / "S001-005.xml"
    path.write_text("<a xmlns='urn:x'><b><Metatag Name='Emotion' Value='5'/></b></a>")
    table = read_mmi(mmi, folds=2).table
    assert set(table[table["clip"] == "5/S001-005"]["label"]) == {"sadness"}


def test_broken_session_file(mmi: Path) -> None:
    path = mmi / "Sessions" / "5" / "session.xml"
    path.write_text("<session>")
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}: no XML"):
        read_mmi(mmi, folds=2)


def test_no_mmi_there(mmi: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"Sessions/1/session\.xml"):
        read_mmi(mmi / "Sessions" / "1")
    for path in mmi.glob("Sessions/*/*.avi"):
        path.write_bytes(b"")
    with pytest.raises(DataNotFoundError, match="no readable video"):
        read_mmi(mmi, folds=2)
    for path in mmi.glob("Sessions/*/*.avi"):
        path.unlink()
    with pytest.raises(DataNotFoundError, match=r"basic emotion; session without video: 24\)"):
        read_mmi(mmi, folds=2)


def test_mmi_folds_hold_whole_subjects(mmi: Path) -> None:
    tests = []
    for fold in range(4):
        table = read_mmi(mmi, fold, folds=4).table
        train, test = (set(table[table["split"] == s]["subject"]) for s in ("train", "test"))
        assert len(test) == 1 and len(train) == 3 and not train & test
        tests += sorted(test)
    assert sorted(tests) == ["S001", "S002", "S003", "S004"]
    for options, message in (
        ({"fold": 4, "folds": 4}, "mmi: fold is 4, expected 0 to 3"),
        ({"folds": 10}, "4 subjects cannot be split into 10 folds"),
        ({"frames": 0}, "mmi: frames is 0, expected at least 1"),
    ):
        with pytest.raises(DataError, match=message):
            read_mmi(mmi, **options)


def test_mmi_data_module(mmi: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = MMI(str(mmi), fold=1, folds=4, frames=2, **SETTINGS)
    with caplog.at_level("INFO"):
        data.setup("test")
    assert f"mmi: test fold 1 of 4, folds {folds_hash(mmi_folds(mmi, 4))}" in caplog.text
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape) == (4, 3, 16, 16)
    assert batch["label"].tolist() == [0, 0, 1, 1]
    grey = batch["image"].mean(dim=(1, 2, 3)) * 0.5 + 0.5  # frame n is evenly gray, 20 n
    assert (grey * 255).round().tolist() == pytest.approx([60, 80, 60, 80], abs=2)

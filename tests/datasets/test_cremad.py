from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import write_video
from fakes.cremad import EMOTIONS, vote_line, write_cremad

from affectzoo.datamodules.cremad import CREMAD
from affectzoo.datasets.cremad import cremad_folds, read_cremad
from affectzoo.datasets.folds import folds_hash
from affectzoo.errors import DataError, DataNotFoundError, UnknownNameError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES

CLASSES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
TABLE = Path("processedResults") / "tabulatedVotes.csv"


@pytest.fixture
def cremad(tmp_path: Path) -> Path:
    return write_cremad(tmp_path / "cremad")


def add(root: Path, line: str) -> None:
    table = root / TABLE
    table.write_text(table.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


def test_the_label_is_what_raters_of_the_face_say(cremad: Path) -> None:
    index = read_cremad(cremad)
    assert index.labels == SPACES["cremad6"] and SPACES["cremad6"].names == CLASSES
    assert index.left_out == {"no single emotion has the most votes": 2}
    assert len(index) == 4 * (6 * 6 - 2)
    for row in index.table.to_dict("records"):
        assert CLASSES.index(row["label"]) == EMOTIONS.index(row["clip"][9:12])
        assert row["target"].argmax() == CLASSES.index(row["label"]) and row["target"].sum() == 1
        assert row["votes"].sum() == 9
        assert row["subject"] == row["clip"][:4] and row["clip"] == Path(row["path"]).stem
    assert index.table["frame"].tolist()[:4] == [0, 1, 2, 3]


def test_votes_as_targets_keep_clips_without_a_single_label(cremad: Path) -> None:
    index = read_cremad(cremad, target="votes")
    assert index.left_out == {} and len(index) == 4 * 36
    tie = index.table[index.table["clip"] == "1001_IEO_ANG_HI"].iloc[0]
    assert tie["label"] is None
    np.testing.assert_allclose(tie["target"], [4 / 9, 4 / 9, 1 / 9, 0, 0, 0], rtol=1e-6)


def test_the_acted_emotion_may_be_the_label(cremad: Path) -> None:
    index = read_cremad(cremad, truth="intended")
    assert len(index) == 4 * 36 and index.class_counts().tolist() == [24] * 6


def test_an_acted_emotion_that_no_rater_saw_has_level_0(cremad: Path) -> None:
    add(cremad, vote_line(200_900, "1003_TIE_FEA_XX", {"N": 9}))
    write_video(cremad / "VideoFlash" / "1003_TIE_FEA_XX.flv", 4)
    assert "1003_TIE_FEA_XX" in set(read_cremad(cremad, truth="intended").table["clip"])
    assert "1003_TIE_FEA_XX" not in set(read_cremad(cremad, truth="intended", min_level=1).table["clip"])


def test_weak_expressions_can_be_left_out(cremad: Path) -> None:
    add(cremad, vote_line(200_900, "1003_TIE_FEA_XX", {"F": 9}, level=20.0))
    write_video(cremad / "VideoFlash" / "1003_TIE_FEA_XX.flv", 4)
    assert "1003_TIE_FEA_XX" in set(read_cremad(cremad).table["clip"])
    index = read_cremad(cremad, min_level=30)
    assert "1003_TIE_FEA_XX" not in set(index.table["clip"])
    assert index.left_out["level too low"] == 1


def test_folds_hold_whole_actors_and_do_not_depend_on_videos(cremad: Path) -> None:
    folds = cremad_folds(cremad, 3)
    assert sorted(folds) == [str(actor) for actor in range(1001, 1007)]
    assert sorted(folds.values()) == [0, 0, 1, 1, 2, 2]
    for fold in range(3):
        table = read_cremad(cremad, fold, folds=3).table
        parts = {split: set(part["subject"]) for split, part in table.groupby("split")}
        assert parts["test"] == {actor for actor, own in folds.items() if own == fold}
        assert not parts["test"] & parts["train"]
    next((cremad / "VideoFlash").glob("1006_*")).unlink()
    assert folds_hash(cremad_folds(cremad, 3)) == folds_hash(folds)
    assert read_cremad(cremad).left_out["no video"] == 1


def test_frames_can_be_thinned_out_and_are_those_of_the_video(cremad: Path) -> None:
    data = CREMAD(
        str(cremad), every=2, labels=SPACES["cremad6"], preprocess=Preprocess(size=16), num_workers=0
    )
    data.setup("test")
    part = data.split_index("test").table
    assert part["frame"].tolist()[:2] == [0, 2]
    first, second = (data.test_dataloader().dataset[i]["image"].mean() for i in (0, 1))
    assert second - first == pytest.approx(40 / 255 / 0.5, abs=0.05)  # frame n is gray of value 20 n


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_converted_videos_are_read(tmp_path: Path, suffix: str) -> None:
    assert len(read_cremad(write_cremad(tmp_path, suffix=suffix))) == 4 * 34


def test_videos_that_git_lfs_did_not_fetch_are_told(cremad: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    videos = sorted((cremad / "VideoFlash").iterdir())
    videos[3].write_text(pointer)
    videos[4].write_bytes(b"nothing")
    found = read_cremad(cremad).left_out
    assert found["video not fetched: git lfs pull"] == 1 and found["video that cannot be opened"] == 1
    for video in videos:
        video.write_text(pointer)
    with pytest.raises(DataError, match="git lfs pull"):
        read_cremad(cremad)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (vote_line(200_001, "1001_IEO_DIS_HI", {"A": 9}), "1001_IEO_DIS_HI"),
        (vote_line(200_901, "1009_IEO_DIS_HI", {"A": 9}).replace(",9,", ",x,", 1), "'x'"),
        (vote_line(200_901, "1009_IEO_DIS_HI", {"A": 9}, level=101), "101"),
        (vote_line(200_901, "1009_IEO_DIS_HI", {"A": 9}).replace(",9,", ",0,", 1), "no votes"),
        ('"200901",1,2', "fields"),
    ],
)
def test_lines_at_fault_are_named(cremad: Path, line: str, word: str) -> None:
    number = len((cremad / TABLE).read_text().splitlines()) + 1
    add(cremad, line)
    with pytest.raises(DataError, match=f"line {number}") as told:
        read_cremad(cremad)
    assert word in str(told.value)


def test_what_is_missing_is_named(cremad: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        read_cremad(cremad, truth="voice")  # type: ignore[arg-type]
    with pytest.raises(DataError):
        read_cremad(cremad, every=0)
    with pytest.raises(DataError):
        read_cremad(cremad, fold=5)
    with pytest.raises(DataNotFoundError):
        read_cremad(tmp_path / "nowhere")
    (cremad / TABLE).write_text('"","A","D"\n"200001",1,2\n')
    with pytest.raises(DataError, match="no column fileName"):
        read_cremad(cremad)

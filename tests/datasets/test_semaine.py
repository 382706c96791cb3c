from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_picture, write_video
from fakes.affwild import write_pts
from fakes.semaine import SESSIONS, write_semaine, write_trace

from affectzoo.datamodules.semaine import SEMAINE
from affectzoo.datasets.folds import folds_hash
from affectzoo.datasets.footage import read_pts
from affectzoo.datasets.index import COLUMNS
from affectzoo.datasets.semaine import read_semaine, semaine_folds
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.videos import read_picture

FOLDS = {"S1": 0, "S2": 1, "S3": 2, "S4": 3, "S5": 4}
SECONDS = [0.0, 0.2, 0.4, 0.6, 0.8]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_semaine(tmp_path / "semaine")


def session(root: Path, number: int, **options: Any) -> Any:
    table = read_semaine(root, **options).table
    return table[table["clip"] == str(number)]


def flat(root: Path, name: str, value: float, seconds: float = 1.0) -> Path:
    """A trace of one value, 50 times a second; ``name`` is session/file."""
    times = np.arange(round(seconds * 50) + 1) / 50
    return write_trace(root / "Sessions" / f"{name}.txt", times.tolist(), [value] * len(times))


def test_one_frame_in_ten_of_each_session(root: Path) -> None:
    index = read_semaine(root)
    table = index.table
    assert (index.dataset, index.labels, tuple(table.columns)) == ("semaine", None, COLUMNS)
    assert index.left_out == {}
    assert table["clip"].drop_duplicates().tolist() == [str(number) for number in SESSIONS]
    assert table.groupby("clip")["frame"].apply(list).tolist() == [[0, 10, 20, 30, 40]] * len(SESSIONS)
    assert dict(zip(table["clip"], table["subject"], strict=True)) == {
        str(number): f"S{recording}" for number, recording in SESSIONS.items()
    }
    row = table[table["clip"] == "13"].iloc[3]
    assert row["path"] == "Sessions/13/2008.12.05.16.03.13_User Frontal_Poppy.avi"
    assert (row["frame"], row["box"], row["source"]) == (30, None, f"{root}/Sessions/13, frame 30")
    assert abs(read_picture(root / row["path"], 30).mean() - 20 * 30 % 256) < 3
    assert session(root, 13, every=20)["frame"].tolist() == [0, 20, 40]
    with pytest.raises(DataError, match="semaine: every is 0"):
        read_semaine(root, every=0)


def test_raters_are_averaged_at_the_frames_times(root: Path) -> None:
    values = {}
    for rater in (1, 5):
        lines = (root / f"Sessions/8/R{rater}S2TUCPoDV.txt").read_text().splitlines()
        values[rater] = [float(line.split()[1]) for line in lines]
    expected = [(values[1][n] + values[5][n]) / 2 for n in (0, 10, 20, 30)]
    # The second rater stopped 0.1 s before the last frame: the last value still is near.
    expected.append((values[1][40] + values[5][-1]) / 2)
    np.testing.assert_allclose(session(root, 8)["valence"].astype(float), expected)


def test_raters_who_stopped_early_do_not_count_afterwards(root: Path) -> None:
    for rater, value, seconds in ((1, 0.2, 9.0), (5, 0.6, 1.0)):
        for dimension in "VA":
            flat(root, f"8/R{rater}S2TUCPoD{dimension}", value, seconds)
    write_video(next((root / "Sessions/8").glob("*.avi")), 181, rate=50)
    part = session(root, 8, every=20)
    assert part["frame"].tolist() == list(range(0, 181, 20))
    expected = [0.4] * 6 + [0.2] * 4  # to 2.0 s and from 2.4 s on
    np.testing.assert_allclose(part["valence"].astype(float), expected)


def test_frames_that_nobody_annotated_are_counted(root: Path) -> None:
    write_video(next((root / "Sessions/8").glob("*.avi")), 201, rate=50)
    index = read_semaine(root)
    assert index.table[index.table["clip"] == "8"]["frame"].max() == 90  # traces end at 0.8 s, reach is 1 s
    assert index.left_out == {"not annotated": 11}


def test_the_largest_repeat_counts_and_prefixes_do_not_clash(root: Path) -> None:
    for name, value in (("R5S2TUCPoDA", 0.1), ("R5S2TUCPoDA2", 0.2), ("R5S2TUCPoDA10", 0.3)):
        flat(root, f"8/{name}", value)
    flat(root, "8/R1S2TUCPoDA", 0.5)
    np.testing.assert_allclose(session(root, 8)["arousal"].astype(float), 0.4)
    with pytest.raises(DataError, match=r"R1S2TUCPoDA10\.txt: A1S2TUCPoDA10\.txt is the same rater's trace"):
        flat(root, "8/R1S2TUCPoDA10", 0)
        flat(root, "8/A1S2TUCPoDA10", 0)
        read_semaine(root)


def test_slips_in_names(root: Path) -> None:
    for path in (root / "Sessions/8").glob("R*DA.txt"):
        path.unlink()
    flat(root, "8/A5R2TUCPo2DA", 0.7)
    np.testing.assert_allclose(session(root, 8)["arousal"].astype(float), 0.7)


def test_columns_times_and_lag(root: Path) -> None:
    ramp = np.arange(41) / 50
    for rater in (1, 5):
        write_trace(root / f"Sessions/8/R{rater}S2TUCPoDV.txt", None, ramp.tolist())  # values alone
        write_trace(root / f"Sessions/8/R{rater}S2TUCPoDA.txt", (2 * ramp).tolist(), ramp.tolist())
    part = session(root, 8)
    np.testing.assert_allclose(part["valence"].astype(float), SECONDS)
    np.testing.assert_allclose(part["arousal"].astype(float), [s / 2 for s in SECONDS])
    late = session(root, 8, lag=0.2)
    np.testing.assert_allclose(late["valence"].astype(float), [0.2, 0.4, 0.6, 0.8, 0.8])


def test_sessions_without_traces_or_frames_are_counted(root: Path) -> None:
    for path in (root / "Sessions/2").glob("*DA.txt"):
        path.unlink()
    next((root / "Sessions/3").glob("*.avi")).unlink()
    for path in (root / "Sessions/9").glob("*DV.txt"):
        path.write_text("\n")
    (root / "Sessions/77").mkdir()
    (root / "Sessions/13_NA").mkdir()
    index = read_semaine(root)
    assert index.left_out == {
        "session without valence and arousal": 3,
        "session without frames": 1,
        "empty trace": 2,
    }
    assert set(index.table["clip"]) == {"8", "13", "19", "25"}


def test_extracted_frames_and_landmarks(tmp_path: Path) -> None:
    root = write_semaine(tmp_path, landmarks=True)
    for n in (1, 11, 12, 31):
        write_picture(root / "frames" / "8" / f"{n:05d}.jpg", np.zeros((32, 32), np.uint8))
    shutil.rmtree(root / "landmarks" / "9")
    (root / "landmarks/13/00021.pts").unlink()
    index = read_semaine(root)
    assert index.left_out == {"no landmarks": 1}
    part = index.table[index.table["clip"] == "8"]
    assert part["path"].tolist() == [f"frames/8/{n:05d}.jpg" for n in (1, 11, 31)]
    assert part["frame"].tolist() == [0, 10, 30]
    marks = read_pts(root / "landmarks/8/00011.pts", 68)
    np.testing.assert_array_equal(part.iloc[1]["landmarks"], marks)
    assert part.iloc[1]["box"] == (*marks.min(0).tolist(), *marks.max(0).tolist())
    assert index.table[index.table["clip"] == "9"]["box"].isna().all()
    assert index.table[index.table["clip"] == "13"]["frame"].tolist() == [0, 10, 30, 40]
    write_pts(root / "landmarks/8/00011.pts", [[1, 2]] * 5)
    with pytest.raises(DataError, match=r"00011\.pts: 5 landmarks, expected 68"):
        read_semaine(root)


def test_pictures_without_any_video_take_the_usual_rate(root: Path) -> None:
    next((root / "Sessions/8").glob("*.avi")).unlink()
    ramp = np.arange(41) / 50
    for rater in (1, 5):
        write_trace(root / f"Sessions/8/R{rater}S2TUCPoDV.txt", None, ramp.tolist())
    write_picture(root / "frames/8/00021.jpg", np.zeros((32, 32), np.uint8))
    assert session(root, 8)["valence"].tolist() == [0.4]


def test_a_camera_is_chosen_among_several(root: Path) -> None:
    folder = root / "Sessions/8"
    video = next(folder.glob("*.avi"))
    other = write_video(folder / "2008_Operator Frontal_Poppy.avi", 21, rate=50)
    assert set(session(root, 8)["path"]) == {f"Sessions/8/{video.name}"}
    part = session(root, 8, camera="*operator*")
    assert set(part["path"]) == {f"Sessions/8/{other.name}"} and len(part) == 3
    for camera, count in (("*profile*", 0), ("*frontal*", 2)):
        with pytest.raises(DataError, match=rf"Sessions/8: '{re.escape(camera)}' fits {count} of the videos"):
            read_semaine(root, camera=camera)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.1\n0.02\n", ", line 2: 1 field, expected 2"),
        ("0 0.1 0.2\n", ", line 1: 3 fields, expected 2"),
        ("0 0.1\n\n0.02 x\n", ", line 3: '0.02 x', expected finite numbers"),
        ("0 0.1\n0.02 nan\n", ", line 2: '0.02 nan', expected finite numbers"),
        ("0 0.1\n0.02 1.5\n", ", line 2: value 1.5, expected -1..1"),
        ("-2\n", ", line 1: value -2, expected -1..1"),
        ("0 0.1\n0.04 0\n\n0.02 0\n", ", line 4: time 0.02 follows 0.04"),
    ],
)
def test_bad_traces_are_named(root: Path, text: str, message: str) -> None:
    path = root / "Sessions/8/R5S2TUCPoDA.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=f"^{re.escape(str(path) + message)}"):
        read_semaine(root)


def test_traces_of_two_recordings_are_refused(root: Path) -> None:
    flat(root, "8/R7S3TUCPoDV", 0)
    with pytest.raises(DataError, match="Sessions/8: traces of recordings 2, 3, expected one"):
        read_semaine(root)


def test_folds_hold_whole_recordings(root: Path) -> None:
    assert semaine_folds(root) == FOLDS
    tests = []
    for fold in range(5):
        table = read_semaine(root, fold).table
        test = table[table["split"] == "test"]
        assert set(test["subject"]) == {name for name, number in FOLDS.items() if number == fold}
        assert not set(test["subject"]) & set(table[table["split"] == "train"]["subject"])
        tests += test["source"].tolist()
    assert len(tests) == len(set(tests)) == 5 * len(SESSIONS)
    for path in root.glob("Sessions/*/*.avi"):  # neither videos nor what traces say change folds
        path.unlink()
    assert semaine_folds(root) == FOLDS
    with pytest.raises(DataError, match="semaine: fold is -1, expected 0 to 4"):
        read_semaine(root, -1)


def test_sessions_may_be_the_root_itself(root: Path) -> None:
    table = read_semaine(root / "Sessions").table
    assert len(table) == 5 * len(SESSIONS) and table["path"][0].startswith("2/")


def test_nothing_there(tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"2/R5S1TUCPoDV\.txt"):
        read_semaine(tmp_path / "nothing")
    for path in root.glob("Sessions/*/*.avi"):
        path.unlink()
    with pytest.raises(DataNotFoundError, match=r"session without frames 7.*(.|\n)*Sessions/2/\*\.avi"):
        read_semaine(root)


def test_data_module_serves_a_fold(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = SEMAINE(str(root), fold=3, every=5, preprocess=Preprocess(size=32), num_workers=0, batch_size=4)
    with caplog.at_level("INFO"):
        data.setup("fit")
    data.setup("test")
    assert f"test fold 3 of 5, folds {folds_hash(FOLDS)}" in caplog.text
    assert set(data._part("test").index.table["subject"]) == {"S4"}
    held = set(data._part("valid").index.table["subject"])
    assert len(held) == 1 and not held & set(data._part("train").index.table["subject"])
    batch = next(iter(data.test_dataloader()))
    means = (batch["image"].mean(dim=(1, 2, 3)) + 1) * 127.5
    np.testing.assert_allclose(means, [20 * n % 256 for n in (0, 5, 10, 15)], atol=3)
    expected = data.index.part("test").table[["valence", "arousal"]][:4].to_numpy(np.float32)
    np.testing.assert_allclose(batch["va"].numpy(), expected)

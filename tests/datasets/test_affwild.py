"""Aff-Wild, Aff-Wild2, and what all filmed data sets share: traces, numbered frames, ``.pts`` files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_picture, write_video
from fakes.affwild import AFFWILD2_NAMES, write_affwild, write_affwild2, write_pts

from affectzoo.datamodules.affwild import AffWild, AffWild2
from affectzoo.datasets.affwild import affwild_folds, read_affwild
from affectzoo.datasets.affwild2 import read_affwild2
from affectzoo.datasets.folds import folds_hash
from affectzoo.datasets.footage import find_footage, find_videos, numbered, read_pts
from affectzoo.datasets.index import COLUMNS
from affectzoo.datasets.traces import Trace, at_times, average, gold_standard, text_lines
from affectzoo.errors import DataError, DataNotFoundError, UnreadableImageError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.videos import read_picture
from affectzoo.losses.va import ccc

SETTINGS: dict[str, Any] = {"preprocess": Preprocess(size=32), "num_workers": 0, "batch_size": 4}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_affwild(tmp_path / "affwild")


@pytest.fixture
def root2(tmp_path: Path) -> Path:
    return write_affwild2(tmp_path / "affwild2")


def edit(path: Path, change: Callable[[list[str]], object]) -> Path:
    """Change a text file's lines in place."""
    lines = path.read_text(encoding="utf-8").splitlines()
    change(lines)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def replaced(line: int, text: str) -> Callable[[list[str]], object]:
    return lambda lines: lines.__setitem__(line - 1, text)


# Traces


def test_nearest_annotation_and_mean_of_two_equally_far() -> None:
    times, values = [0.0, 1.0, 2.0, 5.0], [10.0, 20.0, 40.0, 80.0]
    wanted = [-3.0, 0.0, 0.4, 0.5, 0.6, 1.5, 3.4, 3.5, 3.6, 99.0]
    np.testing.assert_array_equal(at_times(times, values, wanted), [10, 10, 10, 15, 20, 30, 40, 60, 80, 80])


def test_a_tie_survives_floating_point() -> None:
    times = np.arange(1000) * 0.04
    values = np.arange(1000.0)
    middles = np.arange(999) * 0.04 + 0.02
    np.testing.assert_array_equal(at_times(times, values, middles), np.arange(999) + 0.5)
    np.testing.assert_array_equal(at_times(times, values, times), values)


def test_nearest_by_exhaustive_search() -> None:
    random = np.random.default_rng(0)
    times, wanted = np.sort(random.uniform(0, 9, 50)), random.uniform(-1, 10, 200)
    values = random.uniform(-1, 1, (50, 2))
    nearest = abs(wanted[:, None] - times).argmin(axis=1)
    np.testing.assert_array_equal(at_times(times, values, wanted), values[nearest])


def test_annotations_of_the_same_time_count_as_one() -> None:
    found = at_times([0, 1, 1, 1, 2], [0, 3, 6, 9, 10], [1, 0.5, 1.5, 0])
    np.testing.assert_array_equal(found, [6, 3, 8, 0])


def test_beyond_reach_there_is_no_annotation() -> None:
    found = at_times([1.0, 2.0], [[1, -1], [2, -2]], [0.8, 0.7, 1.5, 2.2, 2.3], reach=0.2)
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(found, [[1, -1], nan, nan, [2, -2], nan])
    np.testing.assert_array_equal(at_times([0.0], [7.0], []), [])


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([], [], "0 annotation times and 0 values"),
        ([0, 1], [1], "2 annotation times and 1 values"),
        ([0, 2, 1], [1, 1, 1], "never decrease"),
        ([0, np.nan], [1, 1], "must be finite"),
    ],
)
def test_faulty_traces_are_refused(times: list[float], values: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        at_times(times, values, [0])


def test_average_of_those_who_annotated_near() -> None:
    long = Trace(np.array([0.0, 1, 2, 3]), np.array([0.0, 0.2, 0.4, 0.6]))
    short = Trace(np.array([0.0, 1]), np.array([1.0, -1]))
    found = average([long, short], [0, 1, 2, 3, 4], reach=0.5)
    np.testing.assert_allclose(found, [0.5, -0.4, 0.4, 0.6, np.nan])


def test_gold_standard_is_the_mean_moved_to_the_level_that_agreement_weighs() -> None:
    import torch

    random = np.random.default_rng(1)
    base = random.normal(size=300).cumsum() / 30
    ratings = np.stack([base, 0.7 * base + 0.3, base + random.normal(size=300) - 0.5], axis=1)
    agreement = []
    for r in range(3):
        others = [torch.from_numpy(ratings[:, [q]]) for q in range(3) if q != r]
        agreement.append(np.mean([float(ccc(torch.from_numpy(ratings[:, [r]]), other)) for other in others]))
    level = np.average(ratings.mean(axis=0), weights=agreement)
    expected = ratings.mean(axis=1) - ratings.mean() + level
    np.testing.assert_allclose(gold_standard(ratings), expected, atol=1e-8)
    assert abs(level - ratings.mean()) > 0.01  # the weights matter here


def test_gold_standard_of_raters_who_never_agree_or_never_move() -> None:
    np.testing.assert_allclose(gold_standard([[1.0, 0.0], [0.0, 1.0]]), [0.5, 0.5])
    np.testing.assert_allclose(gold_standard([[0.2, 0.4], [0.2, 0.4]]), [0.3, 0.3])
    np.testing.assert_allclose(gold_standard([[0.2], [0.6]]), [0.2, 0.6])
    apart = np.random.default_rng(1).uniform(-0.9, 0.9, (6, 4)).round(1)  # their weighted level is 1.32
    np.testing.assert_allclose(gold_standard(apart), apart.mean(axis=1), atol=1e-12)


def test_text_must_be_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"0.1\n\xff\n")
    with pytest.raises(DataError, match=r"a\.txt, line 2: .*not UTF-8"):
        text_lines(tmp_path / "a.txt")


# Footage


def test_pts_files_of_any_spacing(tmp_path: Path) -> None:
    path = tmp_path / "1.pts"
    path.write_text("version: 1\r\nn_points:  2\r\n{\r\n1.5\t2\r\n  -3 4e1 \r\n}\r\n")
    np.testing.assert_array_equal(read_pts(path, 2), [[1.5, 2], [-3, 40]])
    for text, message in (
        ("version: 1\nn_points: 2\n{\n1 2\n", "no points in braces"),
        ("{1 2}", "1 landmarks, expected 2"),
        ("{1 2 3}", "3 landmark numbers, expected 2"),
        ("{1 2 x 4}", "landmarks must be 2 pairs of numbers"),
        ("{1 2 nan 4}", "landmarks hold NaN"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {message}"):
            read_pts(path, 2)


def test_numbers_begin_with_one_and_occur_once(tmp_path: Path) -> None:
    for name in ("10.jpg", "2.JPG", "003.jpg", "x.jpg", "4.txt", ".DS_Store", "5"):
        (tmp_path / name).touch()
    assert list(numbered(tmp_path, {".jpg"}).items()) == [(2, "2.JPG"), (3, "003.jpg"), (10, "10.jpg")]
    assert numbered(tmp_path / "none", {".jpg"}) == {}
    (tmp_path / "0002.jpg").touch()
    with pytest.raises(DataError, match=r"2\.JPG: 0002\.jpg has the same number"):
        numbered(tmp_path, {".jpg"})
    (tmp_path / "00000.jpg").touch()
    with pytest.raises(DataError, match=r"00000\.jpg: numbers begin with 1"):
        numbered(tmp_path, {".jpg"})


def test_pictures_go_before_the_video(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v" / "1.avi", 3, rate=50)
    footage = find_footage(tmp_path, tmp_path / "p", video)
    assert (footage.paths, footage.rate) == (dict.fromkeys(range(3), "v/1.avi"), 50)
    write_picture(tmp_path / "p" / "3.png", np.zeros((8, 8), np.uint8))
    footage = find_footage(tmp_path, tmp_path / "p", video)
    assert (footage.paths, footage.rate, footage.length) == ({2: "p/3.png"}, 50, 3)
    alone = find_footage(tmp_path, tmp_path / "p", None)
    assert (alone.paths, alone.rate) == ({2: "p/3.png"}, 0)
    assert find_footage(tmp_path, tmp_path / "none", None).length == 0
    shutil.copy(video, tmp_path / "v" / "1.mp4")
    with pytest.raises(DataError, match=r"1\.mp4: .*1\.avi is a video of the same recording"):
        find_videos([tmp_path / "v"])
    (tmp_path / "v" / "1.avi").write_bytes(b"no video")
    with pytest.raises(UnreadableImageError, match=r"1\.avi: no video"):
        find_footage(tmp_path, tmp_path / "none", video)


# Aff-Wild


def test_lines_are_frames_of_the_video(root: Path) -> None:
    index = read_affwild(root)
    table = index.table
    assert (index.dataset, index.labels, tuple(table.columns)) == ("affwild", None, COLUMNS)
    assert index.left_out == {"video without annotation": 1}
    assert index.split_counts() == {"train": 36}
    clips = [f"train/{name}" for name in ("105", "106_left", "106_right", "107", "108", "109")]
    assert table["clip"].drop_duplicates().tolist() == clips
    assert table.groupby("clip")["frame"].apply(list).tolist() == [list(range(6))] * 6
    values = {
        kind: (root / "annotations/train" / kind / "106_right.txt").read_text().split()
        for kind in ("valence", "arousal")
    }
    part = table[table["clip"] == "train/106_right"]
    for kind, texts in values.items():
        assert part[kind].tolist() == [float(text) for text in texts]
    row = part.iloc[4]
    assert (row["path"], row["frame"], row["subject"]) == ("videos/train/106.avi", 4, "train/106")
    assert row["box"] == (2, 3, 30, 28 + 5 / 4)  # of 5.pts: files count from 1
    assert row["source"] == f"{root}/annotations/train/valence/106_right.txt, line 5"
    np.testing.assert_array_equal(row["landmarks"], read_pts(root / "landmarks/train/106_right/5.pts", 68))
    assert abs(read_picture(root / row["path"], row["frame"]).mean() - 80) < 3
    assert read_affwild(root, landmarks=False).table["landmarks"].isna().all()


@pytest.mark.parametrize("kind", ["annotations", "bboxes", "landmarks", "videos"])
def test_doubled_folders(root: Path, kind: str) -> None:
    before = read_affwild(root).table
    (root / kind / "train").rename(root / kind / "inner")
    (root / kind / "train").mkdir()
    (root / kind / "inner").rename(root / kind / "train" / "train")
    after = read_affwild(root).table
    for column in ("valence", "frame", "clip", "box"):
        assert after[column].tolist() == before[column].tolist()


def test_the_other_spelling_of_bboxes(root: Path) -> None:
    before = read_affwild(root).table["box"].tolist()
    (root / "bboxes").rename(root / "bboxs")
    assert read_affwild(root).table["box"].tolist() == before


def test_extracted_frames_go_before_the_video(root: Path) -> None:
    for n in range(1, 7):
        write_picture(root / "frames" / "train" / "105" / f"{n:05d}.png", np.zeros((32, 32), np.uint8))
    (root / "frames/train/105/00002.png").unlink()
    index = read_affwild(root)
    part = index.table[index.table["clip"] == "train/105"]
    assert part["path"].tolist() == [f"frames/train/105/{n:05d}.png" for n in (1, 3, 4, 5, 6)]
    assert part["frame"].tolist() == [0, 2, 3, 4, 5]
    assert index.left_out["no image"] == 1
    assert (root / part.iloc[0]["path"]).is_file()


def test_lines_are_frames_with_a_box_where_there_are_as_many(root: Path) -> None:
    for kind in ("valence", "arousal"):
        (root / "annotations/train" / kind / "105.txt").write_text("0.1\n0.2\n0.3\n0.4\n")
    for n in (2, 5):
        (root / f"bboxes/train/105/{n}.pts").unlink()
    index = read_affwild(root)
    part = index.table[index.table["clip"] == "train/105"]
    assert list(zip(part["frame"], part["valence"], strict=True)) == [(0, 0.1), (2, 0.2), (3, 0.3), (5, 0.4)]
    assert index.left_out == {"video without annotation": 1}


def test_frames_without_a_box_are_counted(root: Path) -> None:
    for n in (2, 5):
        (root / f"bboxes/train/105/{n}.pts").unlink()
    write_pts(root / "bboxes/train/105/3.pts", [[4, 4]] * 4)
    index = read_affwild(root)
    assert index.table[index.table["clip"] == "train/105"]["frame"].tolist() == [0, 3, 5]
    assert index.left_out == {"no box": 2, "box unusable": 1, "video without annotation": 1}


@pytest.mark.parametrize(("lines", "left_out"), [(5, {"box without annotation": 1}), (7, {"no image": 1})])
def test_one_line_more_or_less_than_frames(root: Path, lines: int, left_out: dict[str, int]) -> None:
    for kind in ("valence", "arousal"):
        (root / "annotations/train" / kind / "105.txt").write_text("0.5\n" * lines)
    index = read_affwild(root)
    frames = index.table[index.table["clip"] == "train/105"]["frame"].tolist()
    assert frames == list(range(min(lines, 6)))
    assert index.left_out == {"video without annotation": 1, **left_out}


def test_lines_that_fit_nothing_leave_the_video_out_with_a_warning(root: Path) -> None:
    for kind in ("valence", "arousal"):
        (root / "annotations/train" / kind / "105.txt").write_text("0.5\n" * 3)
    message = r"1 videos are excluded.*\(video \(lines, frames, boxes\): train/105 \(3, 6, 6\)\)"
    with pytest.warns(UserWarning, match=message):
        index = read_affwild(root)
    assert "train/105" not in set(index.table["clip"])
    assert index.left_out == {"lines fit neither frames nor boxes": 3, "video without annotation": 1}


def test_a_missing_video_and_missing_landmarks(root: Path) -> None:
    (root / "videos/train/107.avi").unlink()
    (root / "landmarks/train/105/2.pts").unlink()
    index = read_affwild(root)
    assert index.left_out == {"no video": 6, "video without annotation": 1}
    assert index.table["landmarks"].isna().sum() == 1
    assert index.with_landmarks(68).left_out["without 68 landmarks"] == 1


def test_every_second_frame(root: Path) -> None:
    assert read_affwild(root, every=2).table["frame"].tolist() == [0, 2, 4] * 6
    with pytest.raises(DataError, match="affwild: every is 0"):
        read_affwild(root, every=0)


def test_annotations_may_come_late(root: Path) -> None:
    now, late = read_affwild(root).table, read_affwild(root, lag=0.08)  # two of 25 frames a second
    for name in ("valence", "arousal"):
        for clip in ("train/105", "train/109"):
            one, other = (table[table["clip"] == clip][name].tolist() for table in (now, late.table))
            assert other == one[2:]
    assert late.table["frame"].tolist() == [0, 1, 2, 3] * 6
    assert late.left_out["no annotation after the lag"] == 2 * 6


def test_negative_zero_is_zero(root: Path) -> None:
    edit(root / "annotations/train/valence/105.txt", replaced(1, "-0.0"))
    assert not np.signbit(read_affwild(root).table["valence"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced(2, "1.01"), ", line 2: arousal is '1.01', expected a number in -1..1"),
        (replaced(3, "nan"), ", line 3: arousal is 'nan', expected"),
        (replaced(3, ""), ", line 3: arousal is '', expected"),
        (replaced(1, "arousal"), ", line 1: arousal is 'arousal', expected"),
        (replaced(1, "0.1 0.2"), ", line 1: arousal is '0.1 0.2', expected"),
    ],
)
def test_bad_values_are_named(root: Path, change: Callable[[list[str]], object], message: str) -> None:
    path = edit(root / "annotations/train/arousal/107.txt", change)
    with pytest.raises(DataError, match=f"^{re.escape(str(path) + message)}"):
        read_affwild(root)


def test_dimensions_must_be_equally_long(root: Path) -> None:
    edit(root / "annotations/train/arousal/107.txt", lambda lines: lines.pop())
    with pytest.raises(DataError, match=r"valence/107\.txt: 6 lines, and 5 of arousal"):
        read_affwild(root)
    (root / "annotations/train/arousal/107.txt").unlink()
    with pytest.raises(DataError, match=r"arousal/107\.txt: missing, but the other dimension is there"):
        read_affwild(root)


def test_bad_points_are_named(root: Path) -> None:
    path = write_pts(root / "landmarks/train/108/2.pts", [[1, 2]] * 66)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: 66 landmarks, expected 68"):
        read_affwild(root)
    assert len(read_affwild(root, landmarks=False)) == 36


def test_nothing_there(tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"annotations/train/valence/105\.txt"):
        read_affwild(tmp_path / "nothing")
    shutil.rmtree(root / "bboxes")
    with pytest.raises(DataNotFoundError, match=r"no box 36.*(.|\n)*bboxes/train/105/1\.pts"):
        read_affwild(root)


def test_folds_of_training_videos(tmp_path: Path) -> None:
    root = write_affwild(tmp_path, labelled_test=True)
    assert read_affwild(root).split_counts() == {"train": 36, "test": 6}
    folds = affwild_folds(root)
    assert folds == {"train/105": 1, "train/106": 0, "train/107": 2, "train/108": 3, "train/109": 4}
    tests = []
    for fold in range(5):
        index = read_affwild(root, fold)
        assert index.left_out == {"authors' test part": 6}
        test = index.part("test").table
        assert set(test["subject"]) == {name for name, number in folds.items() if number == fold}
        tests += test["source"].tolist()
    assert len(tests) == len(set(tests)) == 36
    with pytest.raises(DataError, match="affwild: fold is 5, expected 0 to 4"):
        read_affwild(root, 5)
    with pytest.raises(DataError, match="5 subjects cannot be split into 6 folds"):
        affwild_folds(root, 6)


def test_data_module_serves_windows_of_a_fold(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = AffWild(str(root), fold=1, window=4, landmarks=68, augment="none", **SETTINGS)
    with caplog.at_level("INFO"):
        data.setup("fit")
    data.setup("test")
    assert f"test fold 1 of 5, folds {folds_hash(affwild_folds(root))}" in caplog.text
    assert set(data.index.part("test").table["subject"]) == {"train/105"}
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape) == (2, 4, 3, 32, 32)
    assert tuple(batch["landmarks"].shape) == (2, 4, 68, 2)
    assert batch["mask"].sum(dim=1).tolist() == [4, 2]
    means = (batch["image"].mean(dim=(2, 3, 4)) + 1) * 127.5  # each frame is one gray
    np.testing.assert_allclose(means[0], [0, 20, 40, 60], atol=3)
    expected = data.index.part("test").table["valence"].to_numpy(np.float32)
    np.testing.assert_allclose(batch["va"][..., 0].flatten()[:6].numpy(), expected)


def test_a_model_without_landmarks_does_not_read_them(root: Path) -> None:
    shutil.rmtree(root / "landmarks")
    assert len(AffWild(str(root), **SETTINGS).index) == 36
    with pytest.raises(DataError, match="the model takes 68 landmarks, but no face has them"):
        _ = AffWild(str(root), landmarks=68, **SETTINGS).index


# Aff-Wild2


@pytest.mark.parametrize("training", ["Train_Set", "Training_Set"])
@pytest.mark.parametrize(
    "place",
    [
        *("VA_Set", "annotations/VA_Set", "annotations/VA_Estimation_Challenge"),
        *("6th_ABAW_Annotations/VA_Estimation_Challenge", "annotations/3rd_ABAW/VA_Estimation_Challenge"),
    ],
)
def test_editions_and_folder_spellings(tmp_path: Path, place: str, training: str) -> None:
    index = read_affwild2(write_affwild2(tmp_path, place, training))
    assert (index.dataset, index.labels, index.left_out) == ("affwild2", None, {})
    assert index.split_counts() == {"train": 12, "valid": 8}
    assert index.table["clip"].drop_duplicates().tolist() == [*AFFWILD2_NAMES["train"], "108", "115"]


@pytest.mark.parametrize("pictures", ["cropped_aligned", "cropped"])
def test_line_k_is_picture_k_from_one_on(tmp_path: Path, pictures: Any) -> None:
    root = write_affwild2(tmp_path, pictures=pictures)
    path = edit(root / "VA_Set/Train_Set/10-60_left.txt", replaced(3, "0.25,-0.5"))
    table = read_affwild2(root, pictures).table
    row = table[(table["clip"] == "10-60_left") & (table["frame"] == 2)].iloc[0]
    assert (row["valence"], row["arousal"], row["box"]) == (0.25, -0.5, None)
    assert row["path"] == f"{pictures}/10-60_left/00002.jpg"
    assert (row["subject"], row["source"]) == ("10-60", f"{path}, line 3")
    assert set(table[table["subject"] == "10-60"]["clip"]) == {"10-60_left", "10-60_right"}


def test_the_newer_batch_of_crops(root2: Path) -> None:
    (root2 / "cropped_aligned_new_50_vids").mkdir()
    (root2 / "cropped_aligned/115").rename(root2 / "cropped_aligned_new_50_vids/115")
    table = read_affwild2(root2).table
    assert table[table["clip"] == "115"]["path"].tolist() == [
        f"cropped_aligned_new_50_vids/115/{n:05d}.jpg" for n in range(1, 5)
    ]
    shutil.copytree(root2 / "cropped_aligned/108", root2 / "cropped_aligned_new_50_vids/108")
    with pytest.raises(
        DataError, match=r"new_50_vids/108: crops of the same name are in .*cropped_aligned/108"
    ):
        read_affwild2(root2)


def test_doubled_crop_folder(root2: Path) -> None:
    (root2 / "cropped_aligned").rename(root2 / "inner")
    (root2 / "cropped_aligned").mkdir()
    (root2 / "inner").rename(root2 / "cropped_aligned" / "cropped_aligned")
    assert len(read_affwild2(root2)) == 20


def test_minus_five_missing_and_surplus_crops_are_counted(root2: Path) -> None:
    path = root2 / "VA_Set/Train_Set/1-30-1280x720.txt"
    edit(path, replaced(2, "-5,-5"))
    edit(path, replaced(3, "0.5,-5"))
    edit(path, lambda lines: lines.append("0.5,0.5"))  # one line more than frames
    (root2 / "cropped_aligned/1-30-1280x720/00003.jpg").unlink()
    edit(root2 / "VA_Set/Validation_Set/108.txt", lambda lines: lines.pop())
    shutil.rmtree(root2 / "cropped_aligned/115")
    index = read_affwild2(root2)
    assert index.left_out == {"not annotated": 2, "no crop": 2 + 4, "crop without annotation": 1}
    assert index.table[index.table["clip"] == "1-30-1280x720"]["frame"].tolist() == [4]
    assert index.split_counts() == {"train": 9, "valid": 3}


def test_every_third_crop(root2: Path) -> None:
    assert read_affwild2(root2, every=3).table["frame"].tolist() == [1, 4] * 5


def test_columns_go_by_the_header(root2: Path) -> None:
    path = edit(root2 / "VA_Set/Train_Set/10-60_left.txt", replaced(1, " Arousal , Valence"))
    first = path.read_text().splitlines()[1].split(",")
    table = read_affwild2(root2).table
    row = table[table["clip"] == "10-60_left"].iloc[0]
    assert (row["arousal"], row["valence"]) == (float(first[0]), float(first[1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced(1, "0.1,0.2"), ", line 1: '0.1,0.2', expected valence,arousal"),
        (replaced(1, "valence,arousal,expression"), ", line 1: 'valence,arousal,expression', expected"),
        (lambda lines: lines.clear(), ", line 1: '', expected valence,arousal"),
        (replaced(4, "0.1"), ", line 4: '0.1', expected valence and arousal"),
        (replaced(4, ""), ", line 4: '', expected valence and arousal"),
        (replaced(4, "0.1,x"), ", line 4: arousal is 'x', expected a number"),
        (replaced(4, "0.1,nan"), ", line 4: arousal is 'nan', expected a number"),
        (replaced(4, "-1.5,0.1"), ", line 4: valence is '-1.5', expected a number in -1..1"),
    ],
)
def test_bad_lines_are_named(root2: Path, change: Callable[[list[str]], object], message: str) -> None:
    path = edit(root2 / "VA_Set/Validation_Set/108.txt", change)
    with pytest.raises(DataError, match=f"^{re.escape(str(path) + message)}"):
        read_affwild2(root2)


def test_two_editions_and_names_in_both_parts_are_refused(root2: Path) -> None:
    shutil.copy(root2 / "VA_Set/Train_Set/10-60_left.txt", root2 / "VA_Set/Validation_Set")
    with pytest.raises(DataError, match=r"Validation_Set/10-60_left\.txt: the same name is in .*Train_Set"):
        read_affwild2(root2)
    shutil.copytree(root2 / "VA_Set/Train_Set", root2 / "VA_Set/Training_Set")
    with pytest.raises(DataError, match=r"Train_Set: .*Training_Set is another edition's train part"):
        read_affwild2(root2)


def test_nothing_there_2(tmp_path: Path, root2: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"no crops(.|\n)*cropped_aligned/<name>/00001\.jpg"):
        read_affwild2(tmp_path / "none")
    shutil.rmtree(root2 / "VA_Set")
    with pytest.raises(DataNotFoundError, match=r"annotations/VA_Set/Training_Set/<name>\.txt"):
        read_affwild2(root2)


def test_data_module_tests_on_the_validation_part(root2: Path) -> None:
    data = AffWild2(str(root2), test_split="valid", **SETTINGS)
    data.setup("fit")
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    expected = data.index.part("valid").table[["valence", "arousal"]][:4].to_numpy(np.float32)
    np.testing.assert_allclose(batch["va"].numpy(), expected)
    assert tuple(batch["image"].shape) == (4, 3, 32, 32)

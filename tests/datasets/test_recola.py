from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_picture, write_video
from fakes.films import squares, write_film
from fakes.recola import AVEC, HEADER, PEOPLE, write_recola, write_recola_avec

from affectzoo.datamodules.recola import RECOLA
from affectzoo.datasets.folds import folds_hash
from affectzoo.datasets.footage import read_pts
from affectzoo.datasets.index import COLUMNS
from affectzoo.datasets.recola import read_recola, recola_folds
from affectzoo.datasets.traces import gold_standard
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.faults import all_faults
from affectzoo.files.videos import read_picture

LABELS = "RECOLA-Annotation/emotional_behaviour"
FOLDS = {"P16": 0, "P17": 1, "P19": 2, "P21": 3, "P23": 4, "P25": 0}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_recola(tmp_path / "recola")


@pytest.fixture
def avec(tmp_path: Path) -> Path:
    return write_recola_avec(tmp_path / "avec")


def rate(path: Path, values: list[float], times: list[float] | None = None) -> None:
    """Let six raters agree."""
    times = [0.04 * i for i in range(len(values))] if times is None else times
    rows = [f"{t:g};{';'.join([f'{v:g}'] * 6)}" for t, v in zip(times, values, strict=True)]
    path.write_text("\n".join([HEADER, *rows]), encoding="utf-8")


def person(root: Path, name: str, **options: Any) -> Any:
    table = read_recola(root, **options).table
    return table[table["clip"] == name]


def test_row_i_is_frame_i_and_the_last_row_has_none(root: Path) -> None:
    index = read_recola(root)
    table = index.table
    assert (index.dataset, index.labels, tuple(table.columns)) == ("recola", None, COLUMNS)
    assert (index.split_counts(), index.left_out) == ({"train": 5 * len(PEOPLE)}, {})
    assert table["clip"].drop_duplicates().tolist() == list(PEOPLE)
    assert table.groupby("clip")["frame"].apply(list).tolist() == [list(range(5))] * len(PEOPLE)
    part = table[table["clip"] == "P19"]
    for kind in ("valence", "arousal"):
        ratings = np.loadtxt(root / LABELS / kind / "P19.csv", delimiter=";", skiprows=1)[:, 1:]
        assert ratings.shape == (6, 6)
        np.testing.assert_allclose(part[kind].astype(float), gold_standard(ratings)[:5])
    row = part.iloc[2]
    assert (row["path"], row["subject"]) == ("RECOLA-Video-recordings/P19.avi", "P19")
    assert row["source"] == f"{root}/{LABELS}/valence/P19.csv, frame 2"
    np.testing.assert_array_equal(row["landmarks"], read_pts(root / "landmarks/P19/00003.pts", 68))
    assert row["box"] == (*row["landmarks"].min(0).tolist(), *row["landmarks"].max(0).tolist())
    assert abs(read_picture(root / row["path"], 2).mean() - 40) < 3


def test_avec_packaging_has_parts(avec: Path) -> None:
    index = read_recola(avec)
    assert index.split_counts() == {"train": 15, "valid": 10}
    assert index.table["clip"].drop_duplicates().tolist() == [*AVEC[3:], *AVEC[:3]]
    for name in ("train_1", "train_2"):  # headers of different length
        lines = (avec / f"ratings_gold_standard/arousal/{name}.arff").read_text().splitlines()
        data = [line.split(",") for line in lines if line.startswith("'")]
        part = index.table[index.table["clip"] == name]
        assert part["arousal"].tolist() == [float(value) for _, _, value in data[:5]]
    assert index.table["box"].isna().all()
    table = read_recola(avec, 1).table
    assert set(table[table["split"] == "test"]["clip"]) == {
        name for name, fold in recola_folds(avec).items() if fold == 1
    }
    assert set(table["split"]) == {"train", "test"}


def test_avec_individual_ratings_and_joined_files(tmp_path: Path) -> None:
    avec = write_recola_avec(tmp_path, gold=False)
    shutil.copy(
        avec / "ratings_individual/valence/dev_1.csv", avec / "ratings_individual/valence/train_all.csv"
    )
    index = read_recola(avec)
    ratings = np.loadtxt(avec / "ratings_individual/valence/dev_1.csv", delimiter=";", skiprows=1)
    part = index.table[index.table["clip"] == "dev_1"]
    np.testing.assert_allclose(part["valence"].astype(float), gold_standard(ratings[:, 1:])[:5])
    assert len(index) == 5 * len(AVEC)


def test_doubled_folders_and_other_names(root: Path) -> None:
    before = read_recola(root).table["valence"].tolist()
    inner = root / LABELS / "emotional_behaviour"
    inner.mkdir()
    for kind in ("arousal", "valence"):
        (root / LABELS / kind).rename(inner / kind)
    (root / "RECOLA-Video-recordings").rename(root / "RECOLA_Video_recordings")
    assert read_recola(root).table["valence"].tolist() == before


def test_annotations_are_matched_by_time(root: Path) -> None:
    rate(root / LABELS / "valence/P16.csv", [0, 0.1, 0.2, 0.3, 0.4], [0.02, 0.06, 0.10, 0.14, 0.18])
    rate(root / LABELS / "arousal/P16.csv", [0, 0.1, 0.2], [0, 0.04, 0.08])
    index = read_recola(root)
    part = index.table[index.table["clip"] == "P16"]
    np.testing.assert_allclose(
        part["valence"].astype(float), [0, 0.05, 0.15, 0.25], atol=1e-12
    )  # mean of two
    np.testing.assert_allclose(part["arousal"].astype(float), [0, 0.1, 0.2, 0.2], atol=1e-12)
    assert index.left_out == {"not annotated": 1}  # 0.16 s, while arousal ends at 0.08 s


def test_frames_after_the_annotation_are_counted(root: Path) -> None:
    write_video(root / "RECOLA-Video-recordings/P16.avi", 12)
    shutil.rmtree(root / "landmarks/P16")
    index = read_recola(root)
    # Six rows end at 0.2 s, the frame at 0.24 s is still near.
    assert index.table[index.table["clip"] == "P16"]["frame"].tolist() == list(range(7))
    assert index.left_out == {"not annotated": 5}


def test_timings_of_frames(root: Path) -> None:
    rate(root / LABELS / "valence/P16.csv", [0, 0.1, 0.2, 0.3, 0.4, 0.5])
    timings = root / "RECOLA-Video-timings" / "P16.csv"
    timings.parent.mkdir()
    timings.write_text("frame;time in seconds \n1;0\n2;0.08\n3;0.09\n4;0.14\n5;0.2\n")
    part = person(root, "P16")
    np.testing.assert_allclose(part["valence"].astype(float), [0, 0.2, 0.2, 0.35, 0.5])
    for text, message in (
        ("time in seconds\n0\n0.04\n", ": 2 times, but there are 5 frames"),
        ("frame;seconds\n1;0\n", ", line 1: 'frame;seconds', expected one column of time"),
        ("time\n0\n0.08\n0.04\n0.1\n0.2\n", ", line 4: time 0.04 follows 0.08"),
    ):
        timings.write_text(text)
        with pytest.raises(DataError, match=f"^{re.escape(str(timings) + message)}"):
            read_recola(root)


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_frames_of_a_varying_rate_have_the_annotation_of_their_time(root: Path, ending: str) -> None:
    shutil.rmtree(root / "landmarks/P16")
    film = root / "RECOLA-Video-recordings" / f"P16{ending}"
    film.with_suffix(".avi").unlink()
    write_film(film, [squares()] * 5, [0, 0.04, 0.12, 0.16, 0.2])
    values = [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    rate(root / LABELS / "valence/P16.csv", values)
    expected = [0, 0.1, 0.3, 0.4, 0.5]
    np.testing.assert_allclose(person(root, "P16")["valence"].astype(float), expected)
    for n in range(1, 6):
        write_picture(root / f"frames/P16/{n:05d}.png", np.zeros((32, 32), np.uint8))
    np.testing.assert_allclose(person(root, "P16")["valence"].astype(float), expected)
    write_picture(root / "frames/P16/00006.png", np.zeros((32, 32), np.uint8))  # made at a steady rate
    with pytest.raises(DataError, match=rf"P16{ending}: its frame rate varies, and it has 5 frames, but"):
        read_recola(root)


def test_lag_and_every(root: Path) -> None:
    values = [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    rate(root / LABELS / "valence/P16.csv", values)
    np.testing.assert_allclose(person(root, "P16", lag=0.04)["valence"].astype(float), values[1:])
    part = person(root, "P16", every=2)
    assert (part["frame"].tolist(), part["valence"].tolist()) == ([0, 2, 4], [0, 0.2, 0.4])


def test_extracted_frames_missing_landmarks_and_people_without_frames(root: Path) -> None:
    (root / "RECOLA-Video-recordings/P16.avi").unlink()
    for n in (1, 2, 4):
        write_picture(root / f"frames/P16/{n:05d}.png", np.zeros((32, 32), np.uint8))
    (root / "RECOLA-Video-recordings/P17.avi").unlink()
    (root / "landmarks/P19/00001.pts").unlink()
    index = read_recola(root)
    assert index.left_out == {"person without frames": 1, "no landmarks": 1}
    part = index.table[index.table["clip"] == "P16"]
    assert part["path"].tolist() == [f"frames/P16/{n:05d}.png" for n in (1, 2, 4)]
    assert part["frame"].tolist() == [0, 1, 3]


def test_a_gold_standard_beyond_the_range_is_cut(root: Path) -> None:
    path = root / LABELS / "valence/P16.csv"
    rows = ["0;1;1;1;1;1;0", *[f"{0.04 * i:g};1;1;1;1;1;{i % 2}" for i in range(1, 6)]]
    path.write_text("\n".join([HEADER, *rows]))
    values = person(root, "P16")["valence"].astype(float)
    assert values.max() <= 1 and values.min() >= -1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": no header and values"),
        (f"{HEADER}\n", ": no header and values"),
        ("time,FM1\n0,0\n", ", line 1: 'time,FM1', expected time and one column per rater"),
        (f"{HEADER}\n0;0;0;0;0;0;0\n;;\n\n0.04;0;0;0;0;0\n", ", line 5: 6 fields, expected 7"),
        (f"{HEADER}\n0;0;0;x;0;0;0\n", ", line 2: '0 0 0 x 0 0 0', expected finite numbers"),
        (f"{HEADER}\n0;0;0;nan;0;0;0\n", ", line 2: '0 0 0 nan 0 0 0', expected finite numbers"),
        (f"{HEADER}\n0;0;0;-1.2;0;0;0\n", ", line 2: value -1.2, expected -1..1"),
        (f"{HEADER}\n1;0;0;0;0;0;0\n0;0;0;0;0;0;0\n", ", line 3: time 0 follows 1"),
    ],
)
def test_bad_ratings_are_named(root: Path, text: str, message: str) -> None:
    path = root / LABELS / "arousal/P21.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"^{re.escape(str(path) + message)}"):
        read_recola(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@relation gold\n@data\n'a',0,0\n", ": expected attributes frameTime and GoldStandard, then @data"),
        (
            "@attribute frameTime numeric\n@attribute 'GoldStandard' numeric\n@DATA\n% note\n0,0\n0.04\n",
            ", line 6: 1 field, expected 2",
        ),
        (
            "@attribute frameTime numeric\n@attribute GoldStandard numeric\n@data\n0,2\n",
            ", line 4: value 2, expected -1..1",
        ),
    ],
)
def test_bad_gold_standards_are_named(avec: Path, text: str, message: str) -> None:
    path = avec / "ratings_gold_standard/valence/dev_2.arff"
    path.write_text(text)
    with pytest.raises(DataError, match=f"^{re.escape(str(path) + message)}"):
        read_recola(avec)


def test_both_dimensions_are_needed(root: Path) -> None:
    (root / LABELS / "arousal/P21.csv").unlink()
    with pytest.raises(DataError, match="arousal: no file of P21, but the other dimension has one"):
        read_recola(root)


def test_one_dimension_alone_is_nothing_to_read(root: Path) -> None:
    shutil.rmtree(root / LABELS / "arousal")
    with all_faults() as faults, pytest.raises(DataNotFoundError):
        read_recola(root)
    assert faults


def test_nothing_there(tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"ratings_gold_standard/valence/train_1\.arff"):
        read_recola(tmp_path / "nothing")
    shutil.rmtree(root / "RECOLA-Video-recordings")
    with pytest.raises(DataNotFoundError, match=r"no frames(.|\n)*RECOLA-Video-recordings/P16\.mp4"):
        read_recola(root)


def test_folds_hold_whole_persons(root: Path) -> None:
    assert recola_folds(root) == FOLDS
    tests = []
    for fold in range(5):
        test = read_recola(root, fold).part("test").table
        assert set(test["subject"]) == {name for name, number in FOLDS.items() if number == fold}
        tests += test["source"].tolist()
    assert len(tests) == len(set(tests)) == 5 * len(PEOPLE)
    with pytest.raises(DataError, match="recola: fold is 5, expected 0 to 4"):
        read_recola(root, 5)


def test_data_module_serves_windows_of_a_fold(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    options: dict[str, Any] = {"preprocess": Preprocess(size=32), "num_workers": 0, "batch_size": 2}
    data = RECOLA(str(root), fold=0, window=5, landmarks=68, **options)
    with caplog.at_level("INFO"):
        data.setup("fit")
    data.setup("test")
    assert f"test fold 0 of 5, folds {folds_hash(FOLDS)}" in caplog.text
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape) == (2, 5, 3, 32, 32)
    table = data.index.part("test").table
    assert table["clip"].drop_duplicates().tolist() == ["P16", "P25"]
    expected = table["arousal"].to_numpy(np.float32).reshape(2, 5)
    np.testing.assert_allclose(batch["va"][..., 1].numpy(), expected)


def test_data_module_takes_the_development_part_for_validation(avec: Path) -> None:
    data = RECOLA(str(avec), preprocess=Preprocess(size=32), num_workers=0, batch_size=4)
    data.setup("fit")
    assert set(data._part("valid").index.table["subject"]) == {"dev_1", "dev_2"}

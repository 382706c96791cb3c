from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_afewva, write_picture

from affectzoo.datamodules import AFEWVA
from affectzoo.datasets.afewva import afewva_folds, read_afewva
from affectzoo.datasets.folds import assign_folds, folds_hash
from affectzoo.datasets.index import COLUMNS
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.faces.preprocess import Preprocess

FRAMES = {"ann lee": 2 + 4, "bob": 3 + 8, "cat": 5, "dan": 6, "eve": 7, "flo": 9}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_afewva(tmp_path / "afewva")


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change a clip's annotation file in place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".PNG"])
def test_both_nestings_and_picture_formats(tmp_path: Path, nested: bool, suffix: str) -> None:
    index = read_afewva(write_afewva(tmp_path, nested=nested, suffix=suffix), folds=3)
    table = index.table
    assert (index.labels, tuple(table.columns), index.left_out) == (None, COLUMNS, {})
    assert table["subject"].value_counts().to_dict() == FRAMES
    assert table["clip"].drop_duplicates().tolist() == [f"{n:03d}" for n in range(1, 9)]
    assert table.groupby("clip")["frame"].apply(list).to_dict() == {
        f"{n:03d}": list(range(n + 1)) for n in range(1, 9)
    }
    for row in table.to_dict("records"):
        place = f"{(int(row['clip']) + 3) // 4:02d}/" if nested else ""
        assert row["path"] == f"{place}{row['clip']}/{row['frame']:05d}{suffix}"
        assert (index.root / row["path"]).is_file()
        assert row["label"] is None and row["target"] is None


def test_values_are_scaled_and_the_box_is_around_the_landmarks(root: Path) -> None:
    landmarks = [[float(i), 2.0 * i] for i in range(68)]

    def change(clip: dict[str, Any]) -> None:
        clip["frames"]["00001"] = {"landmarks": landmarks, "valence": -10, "arousal": 3.0}
        clip["frames"]["00002"] |= {"landmarks": []}

    path = edit(root / "002" / "002.json", change)
    table = read_afewva(root).table
    first, second = (table[(table["clip"] == "002") & (table["frame"] == n)].iloc[0] for n in (1, 2))
    assert (first["valence"], first["arousal"], first["box"]) == (-1, 0.3, (0, 0, 67, 134))
    np.testing.assert_array_equal(first["landmarks"], landmarks)
    assert first["source"] == f"{path}, frame 00001"
    assert second["landmarks"] is None and second["box"] is None


def test_missing_and_unlisted_pictures_and_empty_clips_are_counted(root: Path) -> None:
    before = afewva_folds(root)
    (root / "003" / "00001.png").unlink()
    write_picture(root / "003" / "00009.png", np.zeros((8, 8), np.uint8))
    (root / "notes.txt").touch()
    (root / "900").mkdir()
    (root / "901").mkdir()
    (root / "901" / "901.json").write_text('{"video_id": "901", "actor": "Zoe", "frames": {}}')
    index = read_afewva(root)
    assert index.left_out == {
        "no image": 1,
        "image without annotation": 1,
        "clip without annotation": 1,
        "clip without frames": 1,
    }
    assert len(index) == sum(FRAMES.values()) - 1
    assert afewva_folds(root) == before


def test_a_clip_of_one_frame(root: Path) -> None:
    edit(root / "001" / "001.json", lambda clip: clip["frames"].pop("00001"))
    index = read_afewva(root)
    assert index.table["clip"].value_counts()["001"] == 1
    assert index.left_out == {"image without annotation": 1}


def renamed(actor: str) -> Callable[[dict[str, Any]], object]:
    return lambda clip: clip.update(actor=actor)


def frames(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda clip: clip["frames"]["00001"].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (frames(valence=11), ", frame 00001: valence is '11', expected a whole number in -10..10"),
        (frames(arousal=-11), ", frame 00001: arousal is '-11', expected a whole number in -10..10"),
        (frames(arousal=0.35), ", frame 00001: arousal is '0.35', expected a whole number"),
        (frames(arousal=float("nan")), ", frame 00001: arousal is 'nan'"),
        (frames(valence=None), ", frame 00001: valence is 'None'"),
        (frames(valence=10**400), ", frame 00001: valence is '1000"),
        (lambda clip: clip["frames"]["00001"].pop("arousal"), ", frame 00001: arousal is 'None'"),
        (frames(landmarks=[[1, 2]] * 67), ", frame 00001: 67 landmarks, expected 68"),
        (frames(landmarks=[[1, 2, 3]] * 68), ", frame 00001: 102 landmarks, expected 68"),
        (frames(landmarks=[[1, 2]] * 67 + [[1]]), ", frame 00001: landmarks must be 68 pairs"),
        (frames(landmarks=[[1, 10**400]] * 68), ", frame 00001: landmarks must be 68 pairs"),
        (frames(landmarks=[[1, float("nan")]] * 68), ", frame 00001: landmarks hold NaN"),
        (lambda clip: clip["frames"].update({"00001": 3}), ", frame 00001: expected landmarks, valence"),
        (lambda clip: clip["frames"].update({"1": {}}), ": frame '1', expected five digits"),
        (lambda clip: clip.update(video_id="005"), ": video_id is '005', expected '004'"),
        (lambda clip: clip.update(actor=" "), ": no actor"),
        (lambda clip: clip.pop("actor"), ": no actor"),
        (lambda clip: clip.pop("frames"), ": expected video_id, actor and frames"),
    ],
)
def test_bad_annotation_is_named(
    root: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = edit(root / "004" / "004.json", change)
    with pytest.raises(DataError, match=rf"^{re.escape(str(path) + message)}"):
        read_afewva(root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"00002": {', '"00001": {', "'00001' occurs twice"),
        ('"actor":', '"video_id":', "'video_id' occurs twice"),
        ('{"video_id"', '"video_id"', None),
    ],
)
def test_repeated_keys_and_broken_json(root: Path, old: str, new: str, message: str | None) -> None:
    path = root / "004" / "004.json"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    where = f": {message}" if message else ", line 1: no JSON"
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}{where}"):
        read_afewva(root)


def test_a_clip_in_two_places(root: Path) -> None:
    shutil.copytree(root / "003", root / "01" / "003")
    with pytest.raises(DataError, match="the clip is also in"):
        read_afewva(root)


def test_clips_come_by_name_wherever_they_lie(tmp_path: Path) -> None:
    write_afewva(tmp_path, nested=True)
    (tmp_path / "01").rename(tmp_path / "12")
    clips = read_afewva(tmp_path).table["clip"].drop_duplicates().tolist()
    assert clips == [f"{n:03d}" for n in range(1, 9)]


def test_nothing_there(tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"001/001\.json(.|\n)*01/001/001\.json"):
        read_afewva(tmp_path / "nothing")
    for path in root.glob("*/*.png"):
        path.unlink()
    with pytest.raises(DataNotFoundError, match="no images"):
        read_afewva(root)


def test_folds_hold_whole_persons_and_every_frame_once(root: Path) -> None:
    tests = []
    for fold in range(5):
        table = read_afewva(root, fold).table
        subjects = {split: set(part["subject"]) for split, part in table.groupby("split")}
        assert subjects["train"] | subjects["test"] == set(FRAMES)
        assert not subjects["train"] & subjects["test"]
        tests += table[table["split"] == "test"]["path"].tolist()
    assert sorted(tests) == sorted(read_afewva(root).table["path"])
    assert len(set(tests)) == len(tests)


@pytest.mark.parametrize("fold", [-1, 5])
def test_there_is_no_such_fold(root: Path, fold: int) -> None:
    with pytest.raises(DataError, match=rf"fold is {fold}, expected 0 to 4"):
        read_afewva(root, fold)


def test_folds_do_not_depend_on_order_or_place(tmp_path: Path, root: Path) -> None:
    expected = {"bob": 0, "flo": 1, "eve": 2, "ann lee": 3, "dan": 4, "cat": 3}
    assert afewva_folds(root) == expected
    assert afewva_folds(write_afewva(tmp_path / "nested", nested=True)) == expected
    assert assign_folds(FRAMES, 5) == assign_folds(dict(reversed(FRAMES.items())), 5) == expected
    assert list(afewva_folds(root)) == sorted(expected)


def test_assign_folds_is_greedy_with_ties_by_name_and_fold() -> None:
    sizes = {"d": 4, "c": 4, "b": 10, "a": 2, "e": 2}
    assert assign_folds(sizes, 2) == {"b": 0, "c": 1, "d": 1, "a": 1, "e": 0}


@pytest.mark.parametrize("folds", [0, 1, 7])
def test_folds_need_subjects(folds: int) -> None:
    with pytest.raises(DataError, match=f"6 subjects cannot be split into {folds} folds"):
        assign_folds(FRAMES, folds)


def test_hash_is_of_the_assignment_alone() -> None:
    one = folds_hash({"a": 0, "b": 1})
    assert one == folds_hash({"b": 1, "a": 0})
    assert one == "4b4543fe55612726c09bcbcfd6352bead02474b483280e5173f9cc51d2ac937d"
    assert len({one, folds_hash({"a": 1, "b": 0}), folds_hash({"a": 0})}) == 3


def test_subjects_are_one_however_they_are_written(root: Path) -> None:
    for clip, actor in (("004", "Jose\u0301  Stra\u00dfe"), ("005", " jos\u00e9 STRASSE")):
        edit(root / clip / f"{clip}.json", renamed(actor))
    table = read_afewva(root).table
    assert table[table["clip"].isin(["004", "005"])]["subject"].nunique() == 1


def test_data_module_serves_a_fold(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings: dict[str, Any] = {"preprocess": Preprocess(size=32), "num_workers": 0, "batch_size": 4}
    data = AFEWVA(str(root), fold=2, folds=3, **settings)
    with caplog.at_level("INFO"):
        data.setup("fit")
    data.setup("test")
    folds = afewva_folds(root, 3)
    assert f"test fold 2 of 3, folds {folds_hash(folds)}" in caplog.text
    subjects = {}
    for split in ("train", "valid", "test"):
        part = data._part(split).index.table
        subjects[split] = set(part["subject"])
    assert subjects["test"] == {name for name, fold in folds.items() if fold == 2}
    assert subjects["train"] and subjects["valid"]
    assert not subjects["valid"] & (subjects["train"] | subjects["test"])
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape) == (4, 3, 32, 32)
    assert batch["label"].tolist() == [-1] * 4
    va = data.index.part("test").table[["valence", "arousal"]][:4].to_numpy(np.float32)
    np.testing.assert_allclose(batch["va"].numpy(), va)

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fakes import (
    FER2013_CLASSES,
    FER2013_FOLDERS,
    FERPLUS_CLASSES,
    RAFDB_CLASSES,
    picture,
    write_fer2013_csv,
    write_fer2013_folders,
    write_ferplus,
    write_picture,
    write_rafdb,
)

from affectzoo.datamodules.dataset import FaceDataset, collate
from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.datasets.fer2013 import read_fer2013
from affectzoo.datasets.ferplus import read_ferplus
from affectzoo.datasets.folder import read_folder
from affectzoo.datasets.index import COLUMNS, FaceIndex
from affectzoo.datasets.rafdb import Pictures, read_rafdb
from affectzoo.errors import DataError, DataNotFoundError, EmptySplitError, LabelError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.images import read_image

Reader = Callable[[Path], FaceIndex]


def insert_line(path: Path, number: int, line: str) -> None:
    """Make ``line`` the line of that number, counted from 1."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines.insert(number - 1, line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def label_counts(index: FaceIndex, split: str) -> Counter[str]:
    return Counter(index.part(split).table["label"].tolist())


def read_originals(root: Path) -> FaceIndex:
    return read_rafdb(root, "original")


EVERY: dict[str, tuple[Callable[[Path], Path], Reader, list[str], set[str]]] = {
    "ferplus": (write_ferplus, read_ferplus, FERPLUS_CLASSES, {"train", "valid", "test"}),
    "fer2013.csv": (write_fer2013_csv, read_fer2013, FER2013_CLASSES, {"train", "valid", "test"}),
    "fer2013 folders": (
        write_fer2013_folders,
        read_fer2013,
        FER2013_CLASSES,
        {"train", "valid", "test"},
    ),
    "rafdb": (write_rafdb, read_rafdb, RAFDB_CLASSES, {"train", "test"}),
    "rafdb originals": (write_rafdb, read_originals, RAFDB_CLASSES, {"train", "test"}),
}


@pytest.mark.parametrize(("write", "read", "classes", "splits"), EVERY.values(), ids=EVERY)
def test_every_reader_keeps_the_index_contract(
    tmp_path: Path,
    write: Callable[[Path], Path],
    read: Reader,
    classes: list[str],
    splits: set[str],
) -> None:
    index = read(write(tmp_path / "data"))
    assert tuple(index.table.columns) == COLUMNS
    assert index.labels.names == tuple(classes)
    for split in splits:
        assert label_counts(index, split) == dict.fromkeys(classes, 3)
        assert index.part(split).class_counts().tolist() == [3] * len(classes)
    assert index.split_counts() == dict.fromkeys(splits, 3 * len(classes))
    for row in index.table.to_dict("records"):
        assert np.isclose(row["target"].sum(), 1)
        assert row["target"].argmax() == classes.index(row["label"])
        assert (index.root / row["path"]).is_file()
        assert Path(row["source"].partition(", line")[0]).is_file()


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (read_ferplus, ["FER2013Train/label.csv", "FER2013Test/label.csv"]),
        (read_fer2013, ["fer2013.csv", "icml_face_data.csv", "train.csv", "train/<class>/"]),
        (read_rafdb, ["EmoLabel/list_patition_label.txt"]),
        (read_folder, ["<class>/<picture>.jpg"]),
    ],
)
@pytest.mark.parametrize(("name", "state"), [("none", "is not a folder"), ("", "holds none of")])
def test_missing_or_empty_root_lists_what_was_looked_for(
    tmp_path: Path, read: Reader, expected: list[str], name: str, state: str
) -> None:
    with pytest.raises(DataNotFoundError, match=state) as error:
        read(tmp_path / name)
    for path in expected:
        assert f"\n  {tmp_path / name / path}" in str(error.value)


def test_ferplus_reads_votes_names_and_soft_targets(ferplus: Path) -> None:
    index = read_ferplus(ferplus, "crossentropy")
    train, test = (index.part(split).table for split in ("train", "test"))
    assert train["path"][4] == "FER2013Train/fer0000006.png"
    assert train["source"][4] == f"{ferplus / 'FER2013Train' / 'label.csv'}, line 5"
    assert train["votes"][7].tolist() == [3, 0, 0, 0, 0, 0, 0, 7, 0, 0]
    np.testing.assert_allclose(train["target"][7], [0.3, 0, 0, 0, 0, 0, 0, 0.7])
    np.testing.assert_allclose(test["target"][7], [0, 0, 0, 0, 0, 0, 0, 1])
    assert index.left_out == {"no image name": 6}


def test_ferplus_rule_applies_to_training_alone(ferplus: Path) -> None:
    for folder in ("FER2013Train", "FER2013Valid"):
        insert_line(ferplus / folder / "label.csv", 1, 'x.png,"(0, 0, 48, 48)",5,5,0,0,0,0,0,0,0,0')
    soft, hard = read_ferplus(ferplus, "multi_target"), read_ferplus(ferplus, "majority")
    assert soft.split_counts() == {"train": 25, "valid": 24, "test": 24}
    assert soft.left_out["valid: discarded by the majority rule"] == 1
    assert hard.left_out["train: discarded by the majority rule"] == 1
    assert [len(hard.part(split).left_out) for split in ("train", "valid", "test")] == [2, 2, 1]


def test_ferplus_accepts_the_folder_above_and_missing_parts(tmp_path: Path) -> None:
    write_ferplus(tmp_path / "data", parts=["train"])
    index = read_ferplus(tmp_path)
    assert index.root == tmp_path / "data"
    assert index.split_counts() == {"train": 24}
    with pytest.raises(EmptySplitError, match=r"ferplus: the test part of .* \(found: train 24\)"):
        index.part("test")


def test_ferplus_labels_without_pictures(ferplus: Path) -> None:
    for path in (ferplus / "FER2013Valid").glob("*.png"):
        path.unlink()
    with pytest.raises(DataNotFoundError, match="labels are there, but no images") as error:
        read_ferplus(ferplus)
    assert str(ferplus / "FER2013Valid" / "fer0000000.png") in str(error.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png,box,1,2,3", "5 fields, the first line has 12"),
        ("a.png,box,7,3,0,0,0,0,0,0,0,0,0", "13 fields, the first line has 12"),
        ("a.png,box,7,3,0,0,0,x,0,0,0,0", "a vote is 'x', expected a whole number from 0 on"),
        ("a.png,box,11,-1,0,0,0,0,0,0,0,0", "a vote is '-1', expected a whole number from 0 on"),
    ],
)
def test_ferplus_bad_line_is_named(ferplus: Path, line: str, message: str) -> None:
    path = ferplus / "FER2013Valid" / "label.csv"
    insert_line(path, 3, "")
    insert_line(path, 4, line)
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}, line 4: {message}"):
        read_ferplus(ferplus)


def test_fer2013_forms_hold_the_same_faces(tmp_path: Path) -> None:
    read = {
        form: read_fer2013(write_fer2013_csv(tmp_path / form, form)).table for form in ("fer2013", "icml")
    }
    for table in read.values():
        assert table["pixels"][0].dtype == np.uint8
    columns = ["split", "label"]
    pd.testing.assert_frame_equal(read["fer2013"][columns], read["icml"][columns])
    expected = picture(np.random.default_rng(0), 48, 48)
    for table in read.values():
        np.testing.assert_array_equal(table["pixels"][0], expected)
    folders = read_fer2013(write_fer2013_folders(tmp_path / "folders"))
    first = folders.table[folders.table["path"] == "train/angry/Training_0.jpg"].iloc[0]
    assert (first["label"], first["split"]) == ("anger", "train")
    stored = read_image(folders.root / first["path"])[..., 0].astype(float)
    assert np.corrcoef(stored.ravel(), expected.ravel())[0, 1] > 0.95


def test_fer2013_folders_go_by_name_and_prefix(tmp_path: Path) -> None:
    write_fer2013_folders(tmp_path)
    (tmp_path / "train" / "neutral" / "Thumbs.db").write_bytes(b"")
    index = read_fer2013(tmp_path)
    prefixes = {"train": "Training_", "valid": "PublicTest_", "test": "PrivateTest_"}
    classes = dict(zip(FER2013_FOLDERS, FER2013_CLASSES, strict=True))
    for row in index.table.to_dict("records"):
        part, folder, name = row["path"].split("/")
        assert row["label"] == classes[folder]
        assert name.startswith(prefixes[row["split"]])
        assert (part == "train") == (row["split"] == "train")
    assert (index.left_out, index.unused) == ({}, {"hidden or system file": 1})


def test_fer2013_training_table_has_one_part(tmp_path: Path) -> None:
    index = read_fer2013(write_fer2013_csv(tmp_path, "train"))
    assert index.split_counts() == {"train": 21}


def test_fer2013_blank_pictures_and_lines_are_left_out(tmp_path: Path) -> None:
    path = write_fer2013_csv(tmp_path) / "fer2013.csv"
    insert_line(path, 2, f"3,{' '.join(['7'] * 2304)},Training")
    insert_line(path, 3, "")
    index = read_fer2013(tmp_path)
    assert (len(index), index.left_out) == (63, {"blank image": 1})
    assert index.table["source"][0] == f"{path}, line 4"


PIXELS = " ".join(["0"] + ["255"] * 2303)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        (f"7,{PIXELS},Training", LabelError, "label 7 is none of fer2013's codes"),
        (f"happy,{PIXELS},Training", DataError, "emotion is 'happy', expected a whole number"),
        (f"3,{PIXELS},training", DataError, "Usage is 'training', expected Training, PublicTest"),
        (f"3,{PIXELS} 1,Training", DataError, "2305 pixels, expected 2304 values in 0..255"),
        (f"3,{PIXELS[:-3]}256,Training", DataError, "2304 pixels, expected 2304 values in 0..255"),
        (f"3,{PIXELS[:-3]}-1,Training", DataError, "2304 pixels, expected 2304 values in 0..255"),
        (f"3,{PIXELS[:-3]}2.5,Training", DataError, "not a whole number .*2.5"),
        (f"3,{PIXELS}", DataError, "2 fields, the first line has 3"),
        (f"3,{PIXELS},Training,", DataError, "4 fields, the first line has 3"),
    ],
)
def test_fer2013_bad_line_is_named(tmp_path: Path, line: str, error: type[Exception], message: str) -> None:
    path = write_fer2013_csv(tmp_path) / "fer2013.csv"
    insert_line(path, 5, line)
    with pytest.raises(error, match=rf"^{re.escape(str(path))}, line 5: {message}"):
        read_fer2013(tmp_path)


def test_fer2013_other_columns(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("label,pixels\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1: columns are \['label', 'pixels'\], expected"):
        read_fer2013(tmp_path)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("train/bored/Training_1.jpg", LabelError, "train/bored: the folder's name is no class"),
        ("test/happy/face_1.jpg", DataError, "face_1.jpg: the name begins with none of Training"),
    ],
)
def test_fer2013_strange_folder_or_file_is_named(
    tmp_path: Path, name: str, error: type[Exception], message: str
) -> None:
    write_fer2013_folders(tmp_path)
    write_picture(tmp_path / name, np.zeros((48, 48), np.uint8))
    with pytest.raises(error, match=message):
        read_fer2013(tmp_path)


def test_rafdb_aligned_faces(rafdb: Path) -> None:
    index = read_rafdb(rafdb)
    train, test = (index.part(split).table.iloc[0] for split in ("train", "test"))
    assert train["path"] == "Image/aligned/train_00001_aligned.jpg"
    assert test["path"] == "Image/aligned/test_0001_aligned.jpg"
    assert train["label"] == "surprise"
    assert index.table["box"].isna().all()
    assert index.table["landmarks"].isna().all()
    pd.testing.assert_frame_equal(read_rafdb(rafdb / "basic").table, index.table)


def test_rafdb_originals_have_boxes_and_landmarks(rafdb: Path) -> None:
    index = read_rafdb(rafdb, "original")
    row = index.table.iloc[0]
    assert row["path"] == "Image/original/train_00001.jpg"
    x0, y0, x1, _ = row["box"]
    assert (x0, y0) == (-6.5, -3.25)
    shares = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    expected = (x0, y0) + shares * (x1 - x0)
    np.testing.assert_allclose(row["landmarks"], expected, atol=2e-3)
    assert [points.shape for points in index.table["landmarks"]] == [(5, 2)] * len(index)


@pytest.mark.parametrize("pictures", ["aligned", "original"])
def test_rafdb_doubled_folders_hold_the_same(tmp_path: Path, pictures: Pictures) -> None:
    plain = read_rafdb(write_rafdb(tmp_path / "plain"), pictures)
    doubled = read_rafdb(write_rafdb(tmp_path / "doubled", doubled=True), pictures)
    assert doubled.table["path"][0].startswith(f"Image/{pictures}/{pictures}/train_00001")
    columns = ["split", "label", "box"]
    pd.testing.assert_frame_equal(doubled.table[columns], plain.table[columns])
    for one, other in zip(doubled.table["landmarks"], plain.table["landmarks"], strict=True):
        np.testing.assert_array_equal(one, other)
    assert (doubled.root / doubled.table["path"][0]).is_file()


def test_rafdb_list_may_be_spelled_right_and_begin_with_a_mark(rafdb: Path) -> None:
    folder = rafdb / "basic" / "EmoLabel"
    before = len(read_rafdb(rafdb))
    text = (folder / "list_patition_label.txt").read_text(encoding="utf-8")
    (folder / "list_patition_label.txt").unlink()
    (folder / "list_partition_label.txt").write_text(f"\ufeff{text}\n", encoding="utf-8")
    assert len(read_rafdb(rafdb)) == before


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("train_00001.jpg 0", LabelError, "label 0 is none of rafdb's codes"),
        ("train_00001.jpg 8", LabelError, "label 8 is none of rafdb's codes"),
        ("train_00001.jpg -1", LabelError, "label -1 is none of rafdb's codes"),
        ("train_00001.jpg --1", DataError, "label is '--1', expected a whole number"),
        ("train_00001.jpg ²", DataError, "label is '²', expected a whole number"),
        ("train_00001.jpg", DataError, "expected a line such as"),
        ("train_00001.jpg 5 5", DataError, "expected a line such as"),
        ("valid_00001.jpg 5", DataError, "expected a line such as"),
    ],
)
def test_rafdb_bad_line_is_named(rafdb: Path, line: str, error: type[Exception], message: str) -> None:
    path = rafdb / "basic" / "EmoLabel" / "list_patition_label.txt"
    insert_line(path, 2, "")
    insert_line(path, 3, line)
    with pytest.raises(error, match=rf"^{re.escape(str(path))}, line 3: .*{message}"):
        read_rafdb(rafdb)


@pytest.mark.parametrize("pictures", ["aligned", "original"])
def test_rafdb_labels_without_pictures(rafdb: Path, pictures: Pictures) -> None:
    shutil.rmtree(rafdb / "basic" / "Image" / pictures)
    with pytest.raises(DataNotFoundError, match=rf"Image/{pictures}/{pictures}/\*"):
        read_rafdb(rafdb, pictures)


@pytest.mark.parametrize(
    ("folder", "text", "message"),
    [
        ("boundingbox", None, "the face box is missing; --data.pictures aligned needs none"),
        ("boundingbox", "1 2 3", "line 1: '1 2 3', expected 4 numbers"),
        ("boundingbox", "1 2 3 inf", "expected 4 numbers"),
        ("manual", "1 2\n3 4\n5 6\n", "3 lines, expected 5 landmarks first"),
        ("manual", "1 2\n3 4\n5\n6 7\n8 9\n0\n0\n0\n", "line 3: '5', expected 2 numbers"),
    ],
)
def test_rafdb_bad_annotation_is_named(rafdb: Path, folder: str, text: str | None, message: str) -> None:
    path = next((rafdb / "basic" / "Annotation" / folder).glob("test_0003_*"))
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}.*{re.escape(message)}"):
        read_rafdb(rafdb, "original")


def test_folder_of_own_pictures(tmp_path: Path) -> None:
    face = np.zeros((8, 8, 3), np.uint8)
    for name in ("Sad/b.png", "happy/c.JPG", "happy/a.png"):
        write_picture(tmp_path / name, face)
    (tmp_path / "happy" / "notes.txt").write_text("no image")
    index = read_folder(tmp_path, "valid")
    assert index.labels.names == ("happiness", "sadness")
    assert index.table["path"].tolist() == ["Sad/b.png", "happy/a.png", "happy/c.JPG"]
    assert index.table["label"].tolist() == ["sadness", "happiness", "happiness"]
    assert (index.split_counts(), index.left_out) == ({"valid": 3}, {})
    assert index.unused == {"file that is no image: .txt": 1}


def test_folder_with_parts(tmp_path: Path) -> None:
    for name in ("train/fear/a.png", "test/anger/b.png"):
        write_picture(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    table = read_folder(tmp_path).table
    assert table[["split", "label"]].to_numpy().tolist() == [["train", "fear"], ["test", "anger"]]


def test_sample_is_what_preprocess_makes_of_the_picture(rafdb: Path) -> None:
    preprocess = Preprocess(size=40, resize=48, margin=0.1)
    index = read_rafdb(rafdb, "original")
    sample = FaceDataset(index, FaceTransform(preprocess))[9]
    row = index.table.iloc[9]
    image = read_image(index.root / row["path"])
    assert torch.equal(sample["image"], preprocess(image, row["box"]))
    points = preprocess.points(row["landmarks"], image, row["box"]) - 4
    np.testing.assert_allclose(sample["landmarks"].numpy(), points)
    assert (sample["path"], sample["index"]) == (row["path"], 9)
    assert sample["label"] == int(sample["target"].argmax()) == 2


def test_samples_without_landmarks_fit_into_a_batch(rafdb: Path) -> None:
    next((rafdb / "basic" / "Annotation" / "manual").glob("train_00001_*")).unlink()
    index = read_rafdb(rafdb, "original")
    dataset = FaceDataset(index, FaceTransform(Preprocess(size=48)))
    batch = collate([dataset[0], dataset[1]])
    assert batch["landmarks"].isnan().all(dim=(1, 2)).tolist() == [True, False]
    aligned = FaceDataset(read_rafdb(rafdb), FaceTransform(Preprocess(size=48)))
    assert "landmarks" not in aligned[0]


def test_unreadable_samples_are_masked_in_their_batch(ferplus: Path) -> None:
    index = read_ferplus(ferplus)
    (index.root / index.table["path"][1]).write_bytes(b"")
    dataset = FaceDataset(index, FaceTransform(Preprocess(size=48, color="gray")), on_unreadable="skip")
    batch = collate([dataset[0], dataset[1], dataset[2]])
    assert batch["index"].tolist() == [0, 1, 2] and batch["mask"].tolist() == [True, False, True]
    assert batch["label"][1] == -1 and batch["target"][1].isnan().all()
    assert tuple(batch["image"].shape) == (3, 1, 48, 48)
    row = index.table.iloc[1]
    (message,) = batch["unreadable"]
    assert str(index.root / row["path"]) in message and row["source"] in message


def test_face_boxes_outside_are_told_apart_by_their_line(rafdb: Path) -> None:
    boxes = rafdb / "basic" / "Annotation" / "boundingbox"
    for stem in ("train_00002", "train_00003"):
        (boxes / f"{stem}_boundingbox.txt").write_text("900 900 950 950", encoding="utf-8")
    index = read_rafdb(rafdb, "original")
    dataset = FaceDataset(index, FaceTransform(Preprocess(size=48)), on_unreadable="skip")
    messages = [*dataset[1]["unreadable"], *dataset[2]["unreadable"]]
    for message, line in zip(messages, (2, 3), strict=True):
        assert message.startswith("face box 900, 900, 950, 950 has no area")
        assert message.endswith(f"list_patition_label.txt, line {line})")

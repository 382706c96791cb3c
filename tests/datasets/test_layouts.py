"""Data sets as people have them: parts of other names, repacked copies, litter, odd tables."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from fakes import write_affectnet_npy, write_fer2013_csv, write_ferplus, write_picture, write_rafdb
from fakes.posed import write_ckplus

from affectzoo.datamodules.base import _summary
from affectzoo.datasets.affectnet import read_affectnet
from affectzoo.datasets.ckplus import ckplus_folds, read_ckplus
from affectzoo.datasets.fer2013 import read_fer2013
from affectzoo.datasets.ferplus import read_ferplus
from affectzoo.datasets.folder import read_folder
from affectzoo.datasets.rafdb import read_rafdb
from affectzoo.datasets.table import read_table
from affectzoo.errors import DataError, DataNotFoundError, LabelError
from affectzoo.labels import SPACES, canonical, label_space

FACE = np.zeros((8, 8, 3), np.uint8)


def pictures(root: Path, *names: str) -> Path:
    for name in names:
        write_picture(root / name, FACE)
    return root


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("train", "valid", "test"),
        ("Training", "VALIDATION", "Testing"),
        ("TRAIN", "dev", "Test"),
        ("train", "Development", "test"),
    ],
)
def test_parts_have_many_names(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for part, many in zip(names, (3, 2, 1), strict=True):
        pictures(tmp_path, *(f"{part}/{label}/{i}.jpg" for label in ("fear", "anger") for i in range(many)))
    index = read_folder(tmp_path)
    assert index.split_counts() == {"train": 6, "valid": 4, "test": 2}
    assert list(dict.fromkeys(index.table["split"])) == ["train", "valid", "test"]
    assert (index.left_out, index.unused) == ({}, {})


def test_two_folders_of_one_part_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "train/fear/1.jpg", "val/fear/1.jpg", "dev/fear/1.jpg")
    with pytest.raises(DataError, match="val"):
        read_folder(tmp_path)


def test_what_a_folder_holds_besides_is_told(tmp_path: Path) -> None:
    pictures(
        tmp_path,
        *("train/fear/1.jpg", "train/anger/1.jpg", "test/fear/1.jpg", "extra/fear/1.jpg", "top.jpg"),
        *("train/loose.jpg", "train/fear/more/1.jpg", "train/fear/more/2.jpg"),
    )
    (tmp_path / "train" / "sadness").mkdir()
    (tmp_path / "val").mkdir()
    (tmp_path / "train" / "fear" / "notes.txt").touch()
    (tmp_path / "readme.md").touch()
    index = read_folder(tmp_path)
    assert index.labels is not None and index.labels.names == ("anger", "fear")
    assert index.unused == {
        "class folder without images: train/sadness": 1,
        "class without images in the test part: anger": 1,
        "file beside the data: .jpg": 1,
        "file beside the data: .md": 1,
        "file that is no image: .txt": 1,
        "folder of a part without classes: val": 1,
        "folder that is not read: extra": 1,
        "image outside of class folders": 1,
        "images in a folder inside train/fear": 2,
    }


def test_a_class_of_the_model_without_training_faces_is_told(tmp_path: Path) -> None:
    pictures(tmp_path, "train/fear/1.jpg", "train/anger/1.jpg", "val/fear/1.jpg", "val/sadness/1.jpg")
    index = read_folder(tmp_path).conform(label_space("anger,fear,sadness"))
    assert "no training face of: sadness" in _summary(index)
    assert "class without images in the train part: sadness: 1" in _summary(index)


LITTER = ("fear/._1.jpg", ".ipynb_checkpoints/1.jpg", "@eaDir/1.jpg", "__MACOSX/fear/1.jpg")


def test_litter_is_no_class_and_no_face(tmp_path: Path) -> None:
    pictures(tmp_path, "fear/1.jpg", "anger/1.jpg", *LITTER)
    os.mkfifo(tmp_path / "fear" / "pipe.jpg")
    (tmp_path / "fear" / "gone.jpg").symlink_to("nowhere.jpg")
    index = read_folder(tmp_path)
    assert index.table["path"].tolist() == ["anger/1.jpg", "fear/1.jpg"]
    assert index.unused == {
        "hidden or system file": 4,
        "not opened: a link": 1,
        "not opened: a pipe": 1,
    }


def test_litter_in_fer2013(tmp_path: Path) -> None:
    pictures(tmp_path, "train/happy/Training_1.jpg", "train/happy/._Training_1.jpg")
    index = read_fer2013(tmp_path)
    assert (len(index), index.unused) == (1, {"hidden or system file": 1})


def test_fer2013_by_part_whatever_the_names(tmp_path: Path) -> None:
    pictures(tmp_path, "Train/happy/1.jpg", "validation/happy/2.jpg", "test/sad/3.jpg")
    assert read_fer2013(tmp_path).split_counts() == {"train": 1, "valid": 1, "test": 1}
    (tmp_path / "validation").rename(tmp_path / "other")
    with pytest.raises(DataError, match=r"3\.jpg"):  # of the public or of the private part?
        read_fer2013(tmp_path)


@pytest.mark.parametrize(
    "write", [write_ferplus, write_fer2013_csv, write_affectnet_npy, write_rafdb, write_ckplus]
)
def test_a_root_whose_only_folder_holds_the_data_is_entered(tmp_path: Path, write: object) -> None:
    read = {
        write_ferplus: read_ferplus,
        write_fer2013_csv: read_fer2013,
        write_affectnet_npy: read_affectnet,
        write_rafdb: read_rafdb,
        write_ckplus: read_ckplus,
    }[write]
    root = tmp_path / "download" / "unpacked" / "data"
    write(root)  # type: ignore[operator]
    (tmp_path / "download" / ".DS_Store").touch()
    inner, outer = read(root), read(tmp_path / "download")
    assert outer.table[["path", "split", "label"]].equals(inner.table[["path", "split", "label"]])
    assert outer.root == inner.root
    if read is read_ckplus:
        assert ckplus_folds(tmp_path) == ckplus_folds(root)
    (tmp_path / "download" / "another").mkdir()
    with pytest.raises(DataNotFoundError, match="folders another, unpacked"):
        read(tmp_path / "download")


def test_a_folder_of_classes_is_advised(tmp_path: Path) -> None:
    pictures(tmp_path, "anger/1.jpg", "fear/1.jpg")
    with pytest.raises(
        DataNotFoundError, match=f"affectzoo data check folder --root {re.escape(str(tmp_path))}"
    ):
        read_ferplus(tmp_path)


def repacked(root: Path, *names: str) -> Path:
    return pictures(root, *(f"{name}_aligned.jpg" for name in names))


RAFDB = ("train/5/train_00001", "train/4/train_00002", "test/7/test_0001")


@pytest.mark.parametrize("above", ["", "DATASET/"])
@pytest.mark.parametrize("lists", [True, False])
def test_rafdb_by_code(tmp_path: Path, above: str, lists: bool) -> None:
    repacked(tmp_path, *(above + name for name in RAFDB))
    if lists:
        (tmp_path / "train_labels.csv").write_text(
            "image,label\ntrain_00001_aligned.jpg,5\ntrain_00002_aligned.jpg,4\n"
        )
    table = read_rafdb(tmp_path).table
    assert table["label"].tolist() == ["happiness", "sadness", "neutral"]
    assert table["split"].tolist() == ["train", "train", "test"]
    assert all((tmp_path / path).is_file() for path in table["path"])


def test_rafdb_by_name_and_without_parts(tmp_path: Path) -> None:
    repacked(tmp_path, "Angry/train_00001", "surprise/test_0001", "2/train_00003")
    table = read_rafdb(tmp_path).table
    assert table["label"].tolist() == ["fear", "anger", "surprise"]
    assert table["split"].tolist() == ["train", "train", "test"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("train_00001_aligned.jpg,4", DataError),
        ("train_00009_aligned.jpg,4", DataError),
        ("train_00001_aligned.jpg,0", LabelError),
        ("train_00001_aligned.jpg,x", DataError),
    ],
)
def test_rafdb_lists_must_agree_with_folders(tmp_path: Path, line: str, error: type[DataError]) -> None:
    repacked(tmp_path, *RAFDB)
    (tmp_path / "train_labels.csv").write_text(f"image,label\n{line}\n")
    with pytest.raises(error, match=r"train_labels\.csv, line 2"):
        read_rafdb(tmp_path)


@pytest.mark.parametrize("name", ["train/0/train_00001", "train/joy/train_00001", "test/5/train_00001"])
def test_rafdb_folders_that_mean_something_else(tmp_path: Path, name: str) -> None:
    repacked(tmp_path, *RAFDB[1:], name)
    with pytest.raises(DataError, match=name.split("/")[1]):
        read_rafdb(tmp_path)


def test_rafdb_endings_in_capitals(tmp_path: Path) -> None:
    root = write_rafdb(tmp_path)
    for path in list(root.rglob("*_aligned.jpg")):
        path.rename(path.with_suffix(".JPG"))
    index = read_rafdb(root)
    assert all((index.root / path).is_file() for path in index.table["path"])


def test_affectnet_by_name_but_not_by_number(tmp_path: Path) -> None:
    names = ("Anger", "contempt", "happy", "none")
    pictures(tmp_path / "names", *(f"train/{name}/1.jpg" for name in names), "val/anger/2.jpg")
    index = read_affectnet(tmp_path / "names")
    assert index.table["label"].tolist() == ["anger", "contempt", "happiness", "anger"]
    assert index.split_counts() == {"train": 3, "valid": 1}
    assert index.left_out == {"labeled none": 1}
    assert read_affectnet(tmp_path / "names", 7).left_out == {"labeled none": 1, "labeled contempt": 1}
    pictures(tmp_path / "codes", *(f"train/{code}/1.jpg" for code in range(8)))
    with pytest.raises(DataNotFoundError, match="data check folder"):
        read_affectnet(tmp_path / "codes")


# --- tables


def table(root: Path, *lines: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "faces.csv").write_text("\n".join(lines), encoding="utf-8")
    return root


def test_numbers_with_and_without_decimals_are_one_class(tmp_path: Path) -> None:
    index = read_table(
        table(tmp_path, "path,label", "a.png,0", "b.png,0.0", "c.png,1.00", "d.png,1", "e.png,1.5")
    )
    assert index.table["label"].tolist() == ["0", "0", "1", "1", "1.5"]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_separators(tmp_path: Path, mark: str) -> None:
    index = read_table(table(tmp_path, f"path{mark}label", f'"a,b.png"{mark}fear'))
    assert index.table["path"].tolist() == ["a,b.png"]


def test_backslashes_where_only_slashes_fit(tmp_path: Path) -> None:
    pictures(tmp_path, "img/a.png", "odd\\b.png", "odd/c.png")
    index = read_table(table(tmp_path, "path,label", "img\\a.png,fear", "odd\\b.png,fear", "no\\d.png,fear"))
    assert index.table["path"].tolist() == ["img/a.png", "odd\\b.png", "no\\d.png"]


def test_nul_and_open_quotes_are_faults_of_their_lines(tmp_path: Path) -> None:
    for line in ("a\0.png,fear", '"a.png,fear'):
        with pytest.raises(DataError, match=r"faces\.csv, line 3"):
            read_table(table(tmp_path, "path,label", "b.png,anger", line, "c.png,fear"))


def test_decimal_commas_are_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"valence is .0,5.*point"):
        read_table(table(tmp_path, "path;valence;arousal", "a.png;0,5;0"))


@pytest.mark.parametrize("box", ["0.1,0.2,0.8,0.9", "0,0,1,1", "-0.05,0.2,0.9,1.1"])
def test_boxes_that_are_shares_are_refused(tmp_path: Path, box: str) -> None:
    lines = ("path,label,x0,y0,x1,y1", f"a.png,fear,{box}", f"b.png,fear,{box}")
    pixels = [f"{name}.png,fear,0,0,30,40" for name in "cdef"]
    for others in ([], pixels[:1]):  # one row in pixels saves nothing
        with pytest.raises(DataError, match=r"line 2: box .*pixels"):
            read_table(table(tmp_path, *lines, *others))
    assert len(read_table(table(tmp_path, *lines, *pixels))) == 6


def test_landmarks_that_are_shares_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: landmarks .*pixels"):
        read_table(table(tmp_path, "path,label,landmarks", f"a.png,fear,{';'.join(['0.5'] * 10)}"))


@pytest.mark.parametrize("value", ["1e308", "inf", "-1e9", "1_0", "\u0661"])
def test_boxes_and_landmarks_out_of_all_images(tmp_path: Path, value: str) -> None:
    with pytest.raises(DataError, match=r"line 2: x1"):
        read_table(table(tmp_path, "path,label,x0,y0,x1,y1", f"a.png,fear,0,0,{value},9"))
    marks = ";".join([value, *["0.5"] * 9])
    if value not in ("1_0", "\u0661"):
        with pytest.raises(DataError, match=r"line 2: .*landmark"):
            read_table(table(tmp_path, "path,label,landmarks", f"a.png,fear,{marks}"))


def test_names_of_classes(tmp_path: Path) -> None:
    assert canonical("mu\u0308de") == canonical("m\u00fcde")
    os.makedirs(os.fsencode(tmp_path) + b"/caf\xe9")  # noqa: PTH103
    folder = next(tmp_path.iterdir())
    write_picture(tmp_path / "1.jpg", FACE)
    (tmp_path / "1.jpg").rename(folder / "1.jpg")
    with pytest.raises(LabelError, match="caf"):
        read_folder(tmp_path)
    assert "neutral" in SPACES["affectnet8"].names

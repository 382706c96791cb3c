from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import picture, write_picture

from affectzoo.datamodules import Folder, Table
from affectzoo.datasets.index import COLUMNS
from affectzoo.datasets.table import COLUMNS as KNOWN
from affectzoo.datasets.table import read_table
from affectzoo.errors import DataError, DataNotFoundError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES

FULL = ",".join(KNOWN)
SERVE: dict[str, Any] = {"preprocess": Preprocess(size=16), "num_workers": 0, "batch_size": 2}


def write(root: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = root / "faces.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def full(**cells: str) -> str:
    """A line with every column filled; ``cells`` override."""
    values = {
        "path": "a.png",
        "label": "happy",
        "valence": "0.5",
        "arousal": "-1",
        "split": "test",
        **{"x0": "-1", "y0": "2.5", "x1": "9", "y1": "12"},
        "landmarks": "0;1;2;3;4;5;6;7;8;9",
        "subject": "Ann",
        "clip": "c1",
        "frame": "7",
    }
    return ",".join((values | cells).values())


def test_every_column(tmp_path: Path) -> None:
    path = write(tmp_path, FULL, full(), "", full(path="./b.png", frame="8"), encoding="utf-8-sig")
    index = read_table(tmp_path)
    row = index.table.iloc[0]
    assert (tuple(index.table.columns), index.root, index.left_out) == (COLUMNS, tmp_path, {})
    assert (row["path"], row["split"], row["label"]) == ("a.png", "test", "happiness")
    assert (row["valence"], row["arousal"], row["box"]) == (0.5, -1, (-1, 2.5, 9, 12))
    assert (row["subject"], row["clip"], row["frame"]) == ("Ann", "c1", 7)
    assert row["landmarks"].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert index.table["path"][1] == "b.png"
    assert index.table["source"].tolist() == [f"{path}, line 2", f"{path}, line 4"]


def test_empty_cells_are_unknown_and_parts_are_training(tmp_path: Path) -> None:
    optional = "split x0 y0 x1 y1 landmarks subject clip frame".split()
    only_va = full(path="a.png", label="", **dict.fromkeys(optional, ""))
    only_label = full(path="b.png", valence="", arousal="", **dict.fromkeys(optional, ""))
    write(tmp_path, FULL, only_va, only_label)
    table = read_table(tmp_path).table
    assert table["split"].tolist() == ["train", "train"]
    assert table[["box", "landmarks", "subject", "clip", "frame"]].isna().all(axis=None)
    assert (table["label"][0], table["target"][0], table["valence"][0]) == (None, None, 0.5)
    assert (table["label"][1], table["valence"][1], table["arousal"][1]) == ("happiness", None, None)
    assert table["target"][1].tolist() == [1]


def test_any_name_columns_in_any_order_and_no_classes(tmp_path: Path) -> None:
    path = write(tmp_path, "arousal,path,valence", "0.1,a.png,0.2").rename(tmp_path / "mine.CSV")
    index = read_table(path)
    assert index.labels is None
    assert index.table[["path", "valence", "arousal"]].to_numpy().tolist() == [["a.png", 0.2, 0.1]]
    with pytest.raises(DataNotFoundError, match=re.escape(f"\n  {tmp_path / 'faces.csv'}")):
        read_table(tmp_path)
    with pytest.raises(DataNotFoundError, match=re.escape(f"\n  {tmp_path / 'other.csv'}")):
        read_table(tmp_path / "other.csv")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["zest", "happy", "Bored"], ("bored", "happiness", "zest")),
        (["sad", "angry"], ("anger", "sadness")),
        (sorted(SPACES["fer2013"].names), SPACES["affectnet7"].names),
        (sorted(SPACES["ferplus8"].names), SPACES["affectnet8"].names),
        (sorted(SPACES["affectnet6"].names), SPACES["affectnet6"].names),
    ],
)
def test_label_space_is_a_known_one_or_alphabetical(
    tmp_path: Path, labels: list[str], names: tuple[str, ...]
) -> None:
    write(tmp_path, "path,label", *(f"{i}.png,{label}" for i, label in enumerate(labels)))
    index = read_table(tmp_path)
    assert index.labels is not None and index.labels.names == names
    for row in index.table.to_dict("records"):
        assert row["target"].argmax() == names.index(row["label"])


def test_answers_that_are_no_class_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "path,label", "a.png,Uncertain", "b.png,fear", "c.png,none")
    index = read_table(tmp_path)
    assert index.table["path"].tolist() == ["b.png"]
    assert index.left_out == {"labeled uncertain": 1, "labeled none": 1}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("label,split", "no column path"),
        ("path,split", "neither a column label nor valence and arousal"),
        ("path,emotion", f"unknown column 'emotion'; known: {FULL.replace(',', ', ')}"),
        ("path;emotion", "unknown column 'emotion'"),
        ("path,label,", f"column 3 has no name; known: {FULL.replace(',', ', ')}"),
        ("path,label,label", "column 'label' occurs twice"),
    ],
)
def test_bad_header_is_named(tmp_path: Path, header: str, message: str) -> None:
    path = write(tmp_path, header, re.sub("[a-z]+", "a", header))
    with pytest.raises(DataError, match=rf"^{re.escape(f'{path}, line 1: {message}')}"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"path": ""}, "path is empty"),
        ({"label": "", "valence": "", "arousal": ""}, "neither label nor valence and arousal"),
        ({"label": "NaN"}, "label is 'NaN'"),
        ({"arousal": ""}, "arousal is empty, but valence, arousal go together"),
        ({"valence": ""}, "valence is empty, but valence, arousal go together"),
        ({"valence": "1.01"}, "valence is '1.01', expected a number in -1..1"),
        ({"arousal": "nan"}, "arousal is 'nan', expected a number in -1..1"),
        ({"label": "N/A"}, "label is 'N/A', expected a name or an empty cell"),
        ({"subject": "NA"}, "subject is 'NA', expected a name or an empty cell"),
        ({"clip": "None", "frame": "1"}, "clip is 'None', expected a name or an empty cell"),
        ({"arousal": "high"}, "arousal is 'high', expected a number in -1..1"),
        ({"split": "vali"}, "split is 'vali', expected train, valid, test"),
        ({"y1": ""}, "y1 is empty, but x0, y0, x1, y1 go together"),
        ({"x0": "inf"}, "x0 is 'inf', expected a number"),
        ({"x1": "-1"}, "the box has no area"),
        ({"y1": "2"}, "the box has no area"),
        ({"landmarks": "1;2;3"}, "3 landmark numbers, expected 5 or 68"),
        ({"landmarks": "1;2;3;4"}, "2 landmarks, expected 5 or 68"),
        ({"landmarks": "0;1;2;3;4;5;6;7;8;x"}, "landmarks must be 5 or 68 pairs of numbers"),
        ({"landmarks": "0;1;2;3;4;5;6;7;8;nan"}, "landmarks hold NaN"),
        ({"frame": "-1"}, "frame is '-1', expected a whole number from 0 on"),
        ({"frame": "1.5"}, "frame is '1.5', expected a whole number"),
        ({"frame": "8,9"}, "14 fields, the first line has 13"),
        ({"frame": "9", "path": "a.png"}, "the same path and box as in {path}, line 2"),
        ({"frame": "9", "path": "./a.png"}, "the same path and box as in {path}, line 2"),
        ({"frame": "07", "path": "c.png"}, "the same clip and frame as in {path}, line 2"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, cells: dict[str, str], message: str) -> None:
    path = write(tmp_path, FULL, full(), full(**{"path": "b.png", "frame": "8"} | cells))
    expected = f"{path}, line 3: {message.format(path=path)}"
    with pytest.raises(DataError, match=rf"^{re.escape(expected)}"):
        read_table(tmp_path)


def test_several_faces_of_a_picture_and_frames_of_other_clips(tmp_path: Path) -> None:
    others = full(y1="5", frame=""), full(path="b.png", clip="c2"), full(path="c.png", clip="", frame="7")
    write(tmp_path, FULL, full(), *others)
    assert len(read_table(tmp_path)) == 4


def test_landmarks_are_equally_many(tmp_path: Path) -> None:
    many = ";".join(str(i) for i in range(136))
    path = write(tmp_path, FULL, full(), full(path="b.png", frame="8", landmarks=many))
    with pytest.raises(DataError, match=rf"5 in {path}, line 2, 68 in {path}, line 3"):
        read_table(tmp_path)


@pytest.mark.parametrize("lines", [[], ["path,label"], ["path,label", "a.png,none"]])
def test_no_faces(tmp_path: Path, lines: list[str]) -> None:
    path = write(tmp_path, *lines)
    with pytest.raises(DataError, match=rf"^{path}: no faces"):
        read_table(tmp_path)


def test_other_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "\u00e9.png,fear", encoding="latin-1")
    with pytest.raises(DataError, match=rf"^{path}, line 2: byte 0xe9 after 0 others is not UTF-8"):
        read_table(tmp_path)


def test_table_data_module(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = ["path,label,valence,arousal,subject"]
    for i in range(12):
        write_picture(tmp_path / f"{i}.png", picture(random, 20, 20, 3))
        lines.append(f"{i}.png,{'fear' if i % 2 else 'anger'},0.5,{i / 12},{i % 4}")
    write(tmp_path, *lines)
    data = Table(str(tmp_path), **SERVE)
    data.setup("fit")
    parts = {split: data._part(split).index.table for split in ("train", "valid")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 9, "valid": 3}
    assert not set(parts["train"]["subject"]) & set(parts["valid"]["subject"])
    batch = next(iter(data.val_dataloader()))
    np.testing.assert_allclose(batch["va"][0], parts["valid"].iloc[0][["valence", "arousal"]].tolist())
    assert batch["label"].tolist() == [i % 2 for i in parts["valid"]["path"].str[:-4].astype(int)][:2]


@pytest.mark.parametrize(
    ("places", "counts"),
    [
        (["fear/{}", "anger/{}"], {"train": 8, "valid": 2}),
        (["train/fear/{}", "valid/fear/{}", "test/fear/{}"], {"train": 5, "valid": 5, "test": 5}),
    ],
)
def test_folder_data_module(tmp_path: Path, places: list[str], counts: dict[str, int]) -> None:
    random = np.random.default_rng(0)
    for place in places:
        for i in range(5):
            write_picture(tmp_path / place.format(f"{i}.png"), picture(random, 20, 20, 3))
    data = Folder(str(tmp_path), valid_fraction=0.2, **SERVE)
    assert {split: len(data._part(split)) for split in counts} == counts
    assert tuple(next(iter(data.train_dataloader()))["image"].shape) == (2, 3, 16, 16)

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_picture, write_video
from fakes.afew import AFEW_FOLDERS, write_afew, write_sfew

from affectzoo.datamodules.afew import AFEW
from affectzoo.datamodules.sfew import SFEW
from affectzoo.datasets.afew import read_afew
from affectzoo.datasets.index import COLUMNS
from affectzoo.datasets.sfew import read_sfew
from affectzoo.errors import DataError, DataNotFoundError, EmptySplitError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES

CLASSES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
CROP = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def afew(tmp_path: Path) -> Path:
    return write_afew(tmp_path / "afew")


@pytest.fixture
def sfew(tmp_path: Path) -> Path:
    return write_sfew(tmp_path / "sfew")


def options(**given: Any) -> dict[str, Any]:
    return {"preprocess": Preprocess(size=16), "num_workers": 0, "batch_size": 4, **given}


def test_label_space_is_the_folders_order() -> None:
    assert SPACES["afew7"].names == CLASSES


@pytest.mark.parametrize("faces", ["package", "by class"])
@pytest.mark.parametrize("names", [("Train_AFEW", "Val_AFEW", "Test_AFEW"), ("train_afew", "val", "TEST")])
def test_face_crops_carry_their_clips_label(tmp_path: Path, faces: Any, names: Any) -> None:
    index = read_afew(write_afew(tmp_path, 2, faces=faces, names=names))
    table = index.table
    assert (index.labels, tuple(table.columns)) == (SPACES["afew7"], COLUMNS)
    assert index.left_out == {"clip without label": 2}
    assert index.split_counts() == {"train": 14 * 3, "valid": 14 * 3}
    assert index.class_counts().tolist() == [2 * 2 * 3] * 7
    for clip, frames in table.groupby("clip"):
        split, number = str(clip).split("/")
        label = CLASSES[(int(number) - 46280) // 40 % 7]
        assert frames["frame"].tolist() == [1, 2, 4]  # numbers skip where no face was found
        assert set(frames["label"]) == {label} and set(frames["split"]) == {split}
        for row in frames.to_dict("records"):
            assert row["path"].startswith(names[0 if split == "train" else 1])
            assert row["path"].endswith(f"/{number}/{row['frame']:03d}.jpg")
            assert (index.root / row["path"]).is_file()
            assert row["target"].tolist() == [float(name == label) for name in CLASSES]
    assert table["clip"].nunique() == 28


def test_crops_in_the_classes_folders_need_no_videos(tmp_path: Path) -> None:
    index = read_afew(write_afew(tmp_path, faces="by class", videos=False))
    assert index.split_counts() == {"train": 21, "valid": 21}


def test_videos_give_every_frame(afew: Path) -> None:
    index = read_afew(afew, "video")
    assert index.left_out == {"clip without label": 2}
    assert index.split_counts() == {"train": 28, "valid": 28}
    angry = index.table[index.table["clip"] == "valid/000046280"]
    assert set(angry["path"]) == {"Val_AFEW/Angry/000046280.avi"}
    assert angry["frame"].tolist() == [0, 1, 2, 3]
    assert set(angry["label"]) == {"anger"}


def test_one_number_in_both_parts_is_two_clips(afew: Path) -> None:
    (afew / "Val_AFEW" / "Angry" / "000046280.avi").rename(afew / "Val_AFEW" / "Sad" / "000046280.avi")
    table = read_afew(afew).table.drop_duplicates("clip").set_index("clip")
    assert table.loc["train/000046280", "label"] == "anger"
    assert table.loc["valid/000046280", "label"] == "sadness"


def test_what_cannot_be_used_is_counted(afew: Path) -> None:
    faces = afew / "Train_AFEW" / "AlignedFaces_LBPTOP_Points" / "Faces"
    shutil.rmtree(faces / "000046280")
    for path in (faces / "000046320").iterdir():
        path.unlink()
    (faces / "000046360" / "Thumbs.db").touch()
    (faces / "000046360" / "._001.jpg").touch()
    write_picture(faces / "999999999" / "001.jpg", CROP)
    broken = afew / "Train_AFEW" / "Angry" / "000046280.avi"
    index = read_afew(afew)
    assert index.left_out == {"clip without label": 2 + 1, "clip without faces": 2}
    assert index.split_counts() == {"train": 15, "valid": 21}
    broken.write_bytes(b"no video")
    (afew / "Train_AFEW" / "Disgust" / "000046320.avi").unlink()
    index = read_afew(afew, "video")
    assert index.left_out == {"clip without label": 2 + 1 + 1, "video that cannot be opened": 1}
    assert index.split_counts() == {"train": 20, "valid": 28}


def test_crops_without_their_video_are_a_clip_without_video(tmp_path: Path) -> None:
    root = write_afew(tmp_path, faces="by class")
    (root / "Train_AFEW" / "Fear" / "000046360.avi").unlink()
    assert read_afew(root, "video").left_out == {"clip without label": 2, "clip without video": 1}


def test_a_clip_in_two_places(afew: Path) -> None:
    angry = afew / "Train_AFEW" / "Angry" / "000046280.avi"
    sad = Path(shutil.copy(angry, afew / "Train_AFEW" / "Sad" / angry.name))
    with pytest.raises(DataError, match=rf"^{re.escape(f'{sad}: the clip is also in {angry}')}$"):
        read_afew(afew)
    sad.unlink()
    write_picture(afew / "Train_AFEW" / "Sad" / "000046280" / "001.jpg", CROP)
    with pytest.raises(DataError, match=r"000046280: the clip is also (in|labeled) "):
        read_afew(afew)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("face.jpg", r"face\.jpg: expected a frame's number"),
        ("x1.png", r"x1\.png: the frame is also in 001\.jpg"),
    ],
)
def test_frames_need_one_number_each(afew: Path, name: str, message: str) -> None:
    write_picture(afew / "Train_AFEW" / "AlignedFaces_LBPTOP_Points" / "Faces" / "000046280" / name, CROP)
    with pytest.raises(DataError, match=message):
        read_afew(afew)


def test_no_afew_there(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"Train_AFEW/Angry/000046280\.avi"):
        read_afew(tmp_path)
    write_afew(tmp_path, faces="none")
    with pytest.raises(DataNotFoundError, match=r"--data\.pictures video takes whole film frames"):
        read_afew(tmp_path)
    for path in tmp_path.glob("*/*/*.avi"):
        path.write_bytes(b"")
    with pytest.raises(DataNotFoundError, match="no readable video"):
        read_afew(tmp_path, "video")


def test_one_part_alone_is_enough(afew: Path) -> None:
    shutil.rmtree(afew / "Val_AFEW")
    assert read_afew(afew).split_counts() == {"train": 21}


@pytest.mark.parametrize("pictures", ["aligned", "video"])
def test_afew_serves_windows(afew: Path, pictures: Any) -> None:
    data = AFEW(str(afew), pictures=pictures, window=3, augment="none", test_split="valid", **options())
    data.setup("fit")
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape) == (4, 3, 3, 16, 16)
    assert batch["label"][0].tolist() == [0, 0, 0]
    if pictures == "video":  # frame n is evenly gray, 8 n
        grey = batch["image"][0].mean(dim=(1, 2, 3)) * 0.5 + 0.5
        np.testing.assert_allclose(grey.numpy() * 255, [0, 20, 40], atol=2)
        assert batch["label"][1].tolist() == [0, -1, -1]  # the fourth frame alone


def test_afew_has_no_test_part(afew: Path) -> None:
    with pytest.raises(EmptySplitError, match=r"test part .* is empty \(found: train 21, valid 21\)"):
        AFEW(str(afew), **options()).setup("test")


@pytest.mark.parametrize(("kind", "nested"), [("aligned", False), ("aligned", True), ("original", False)])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".PNG"])
def test_sfew_layouts(tmp_path: Path, kind: Any, nested: bool, suffix: str) -> None:
    index = read_sfew(write_sfew(tmp_path, kind, nested=nested, suffix=suffix), kind)
    table = index.table
    assert index.labels is SPACES["afew7"]
    assert index.left_out == {"image without label": 3}
    assert index.split_counts() == {"train": 14, "valid": 14}
    assert index.class_counts().tolist() == [4] * 7
    for row in table.to_dict("records"):
        folder = Path(row["path"]).parent.name
        assert row["label"] == CLASSES[AFEW_FOLDERS.index(folder)]
        assert row["target"].argmax() == AFEW_FOLDERS.index(folder)
        assert (index.root / row["path"]).is_file()
        assert row["clip"] is None and row["frame"] is None


def test_crops_and_stills_are_told_apart(sfew: Path) -> None:
    write_sfew(sfew, "original", per_class=3)
    assert read_sfew(sfew).split_counts() == {"train": 14, "valid": 14}
    assert read_sfew(sfew, "original").split_counts() == {"train": 21, "valid": 21}


def test_sfew_ignores_what_is_no_picture(sfew: Path) -> None:
    folder = sfew / "Train_Aligned_Faces" / "Angry"
    for name in ("Thumbs.db", ".DS_Store", "._a.png"):
        (folder / name).touch()
    assert len(read_sfew(sfew)) == 28


@pytest.mark.parametrize("place", ["Train_Aligned_Faces/Sad", "Train_Aligned_Faces_new/Angry"])
def test_a_picture_twice(sfew: Path, place: str) -> None:
    name = "Some_Movie_001234560_00000012.png"
    write_picture(sfew / place / name, CROP)
    with pytest.raises(DataError, match=rf"{re.escape(name)}: the image is also in .*Train_Aligned_Faces"):
        read_sfew(sfew)


def test_one_name_in_both_parts_is_two_pictures(sfew: Path) -> None:
    train, valid = (
        set(read_sfew(sfew).part(split).table["path"].map(lambda p: Path(p).name))
        for split in ("train", "valid")
    )
    assert train == valid


def test_no_sfew_there(tmp_path: Path, sfew: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"Train_Aligned_Faces/Angry/\*\.png"):
        read_sfew(tmp_path / "nowhere")
    with pytest.raises(DataNotFoundError, match=r"no original images; --data\.pictures aligned"):
        read_sfew(sfew, "original")


def test_sfew_data_module(sfew: Path) -> None:
    data = SFEW(str(sfew), test_split="valid", **options())
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    assert tuple(batch["image"].shape) == (4, 3, 16, 16)
    assert batch["label"].tolist() == [0, 0, 1, 1]


def test_fake_video_has_its_frames(tmp_path: Path) -> None:
    from affectzoo.files.videos import Video

    video = Video(write_video(tmp_path / "a.avi", 5))
    assert video.frames == 5
    assert abs(float(video.read(4).mean()) - 80) < 2

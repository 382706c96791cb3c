"""Validation parts held out of training parts: nobody and no footage is on both sides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TableIndex

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datamodules.holdout import hold_out
from affectzoo.datasets.index import FaceIndex
from affectzoo.datatools.prepare import prepare
from affectzoo.errors import EmptySplitError, OptionError
from affectzoo.faces.preprocess import Preprocess


def sides(index: FaceIndex, column: str) -> tuple[set[str], set[str]]:
    train, valid = (set(index.part(part).table[column].dropna()) for part in ("train", "valid"))
    return train, valid


def test_faces_are_held_out_class_by_class(table_index: TableIndex) -> None:
    index = table_index(["anger"] * 40 + ["fear"] * 20 + ["neutral"] * 4 + ["sadness"] + [None] * 10)
    split, told = hold_out(index, 0.2, seed=3)
    valid = split.part("valid").table
    assert Counter(valid["label"]) == {"anger": 8, "fear": 4, "neutral": 1, None: 2}
    assert not set(valid["path"]) & set(split.part("train").table["path"])
    assert len(split) == len(index) == index.split_counts()["train"]
    assert "15 of 75" in told and "by face" in told
    assert hold_out(index, 0.2, seed=3)[0].table["split"].equals(split.table["split"])
    assert not hold_out(index, 0.2, seed=4)[0].table["split"].equals(split.table["split"])


def test_each_class_keeps_a_face(table_index: TableIndex) -> None:
    split, _ = hold_out(table_index(["anger", "anger", "fear"]), 0.9, seed=0)
    assert Counter(split.part("train").table["label"]) == {"anger": 1, "fear": 1}


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_other_shares_are_refused(table_index: TableIndex, fraction: float) -> None:
    with pytest.raises(OptionError, match="valid_fraction"):
        hold_out(table_index(["anger"] * 4), fraction, seed=0)


@pytest.mark.parametrize("level", ["subject", "clip"])
def test_whole_subjects_or_clips_are_held_out(table_index: TableIndex, level: str) -> None:
    names = [f"{i // 6:02d}" for i in range(120)]
    frames = {"frame": [i % 6 for i in range(120)]} if level == "clip" else {}
    split, told = hold_out(table_index(["anger"] * 120, **{level: names}, **frames), 0.1, seed=0)
    train, valid = sides(split, level)
    assert len(valid) == 2 and len(train) == 18 and not train & valid
    assert f"2 of 20 {level}s" in told and "12 of 120" in told and f"by {level}" in told


def test_clips_are_held_out_class_by_class(table_index: TableIndex) -> None:
    labels = [name for name in ("anger", "fear") for _ in range(20)]
    clips, frames = [f"c{i // 4}" for i in range(40)], [i % 4 for i in range(40)]
    split, _ = hold_out(table_index(labels, clip=clips, frame=frames), 0.2, seed=0)
    assert Counter(split.part("valid").table["label"]) == {"anger": 4, "fear": 4}


def test_faces_of_one_image_stay_together(table_index: TableIndex) -> None:
    paths = [f"{i // 3}.png" for i in range(60)]
    boxes = {"x0": [8 * (i % 3) for i in range(60)], "y0": 0, "y1": 20}
    boxes = {**boxes, "x1": [8 * (i % 3) + 16 for i in range(60)]}
    rows = {name: [v] * 60 if isinstance(v, int) else v for name, v in boxes.items()}
    index = table_index(["anger"] * 60, path=paths, **rows)
    split, told = hold_out(index, 0.1, seed=0)
    train, valid = sides(split, "path")
    assert len(valid) == 2 and not train & valid and "2 of 20 images" in told
    data = Given(index)
    assert data.split_index("valid").table["path"].tolist() == split.part("valid").table["path"].tolist()


def test_some_faces_without_a_subject_change_nothing_for_the_others(table_index: TableIndex) -> None:
    """Each connected group goes to one side: clips with a known person, clips without, single faces."""
    subject = [f"s{i // 8}" if i < 80 and i % 3 else None for i in range(140)]
    clip = [f"c{i // 4}" if i < 120 else None for i in range(140)]
    frame = [i % 4 if i < 120 else None for i in range(140)]
    columns = {"subject": subject, "clip": clip, "frame": pd.Series(frame, dtype=object)}
    index = table_index(["anger", "fear"] * 70, **columns)
    for seed in range(5):
        split, told = hold_out(index, 0.2, seed)
        for column in ("subject", "clip"):
            train, valid = sides(split, column)
            assert train and valid and not train & valid
        assert "2 of 10 subjects" in told and "of 10 clips" in told and "of 20 faces" in told
        assert 20 <= split.split_counts()["valid"] <= 40


def test_people_in_one_clip_stay_together(table_index: TableIndex) -> None:
    """a and b share a clip, b and c another one: all three are one group."""
    subject = ["a", "b", "b", "c", *"ddeeffgg"]
    clip = ["1", "1", "2", "2", *"33445566"]
    index = table_index(["anger"] * 12, subject=subject, clip=clip, frame=[0, 1] * 6)
    for seed in range(10):
        train, valid = sides(hold_out(index, 0.2, seed)[0], "subject")
        assert {"a", "b", "c"} <= train or {"a", "b", "c"} <= valid
        assert not train & valid


def test_frames_of_a_video_are_its_clip(table_index: TableIndex) -> None:
    index = table_index(["anger"] * 40)
    index.table["path"] = [f"{i // 4}.mp4" for i in range(40)]
    index.table["frame"] = pd.Series([i % 4 for i in range(40)], dtype=object)
    train, valid = sides(hold_out(index, 0.1, 0)[0], "path")
    assert len(valid) == 1 and not train & valid


def test_one_subject_alone_cannot_be_held_out(table_index: TableIndex) -> None:
    index = table_index(["anger"] * 9, subject=["a"] * 9)
    with pytest.raises(EmptySplitError, match="9 training faces"):
        hold_out(index, 0.1, 0)


class Given(FaceDataModule):
    """Serves a given index table."""

    def __init__(self, index: FaceIndex) -> None:
        super().__init__(str(index.root), preprocess=Preprocess(48), augment="none", num_workers=0)
        self.given = index

    def read_index(self) -> FaceIndex:
        return self.given


def test_what_was_held_out_is_told_at_the_start(
    table_index: TableIndex, caplog: pytest.LogCaptureFixture
) -> None:
    data = Given(table_index(["anger"] * 30, subject=[f"s{i // 3}" for i in range(30)]))
    with caplog.at_level("INFO"):
        data.setup("fit")
    assert caplog.text.count("held out for validation: 3 of 30") == 1 and "1 of 10 subjects" in caplog.text
    train, valid = (set(data.split_index(part).table["subject"]) for part in ("train", "valid"))
    assert not train & valid


def test_prepared_crops_are_held_out_like_their_originals(table_index: TableIndex, tmp_path: Path) -> None:
    paths = [f"{i // 2}.png" for i in range(40)]
    boxes = {"x0": [20 * (i % 2) for i in range(40)], "x1": [20 * (i % 2) + 20 for i in range(40)]}
    index = table_index(["anger"] * 40, path=paths, y0=[0] * 40, y1=[20] * 40, **boxes)
    prepare("table", index.root, tmp_path / "out", workers=0)
    from affectzoo.datasets.prepared import read_prepared

    crops = read_prepared(tmp_path / "out", "Table", {})
    one, other = (hold_out(found, 0.2, 0)[0].table["split"].tolist() for found in (index, crops))
    assert one == other and "valid" in one
    assert np.unique(crops.table["path"]).size == 40

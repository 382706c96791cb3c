from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from affectzoo.benchmark import detection as module
from affectzoo.benchmark.detection import detected, match, overlap
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import DetectorError
from affectzoo.faces.detect import Detection, ReadyCrop
from affectzoo.faces.preprocess import Box

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Image


class Fake:
    """Finds the boxes that it was given for images of a height."""

    name = "fake"

    def __init__(self, boxes: dict[int, list[Box]]) -> None:
        self.boxes = boxes
        self.seen: list[int] = []

    def __call__(self, image: Image) -> list[Detection]:
        assert image.ndim == 3 and image.shape[2] == 3
        self.seen.append(len(image))
        return [Detection(box) for box in self.boxes[len(image)]]


def index_of(root: Path, rows: list[dict[str, Any]]) -> FaceIndex:
    for row in rows:
        height = row.pop("height", None)
        if height is not None:
            cv2.imwrite(str(root / row["path"]), np.zeros((height, 100, 3), np.uint8))
    return FaceIndex.from_rows("some", root, None, rows)


def test_overlap_by_hand() -> None:
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert overlap((0, 0, 10, 10), (20, 20, 30, 30)) == 0
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_each_face_has_the_box_that_overlaps_it_most() -> None:
    faces = [(0, 0, 10, 10), (20, 0, 30, 10)]
    assert match(faces, [(21, 0, 31, 10), (5, 0, 15, 10), (1, 0, 11, 10)]) == [2, 0]


def test_a_box_serves_one_face() -> None:
    faces = [(0, 0, 10, 10), (4, 0, 14, 10)]
    assert match(faces, [(4, 0, 13, 10)]) == [None, 0]
    assert match(faces, [(4, 0, 13, 10), (0, 0, 5, 10)]) == [1, 0]


def test_without_annotated_box_the_largest_left_is_taken() -> None:
    found: list[Box] = [(0, 0, 5, 5), (50, 0, 70, 20), (50, 50, 60, 60)]
    assert match([None], found) == [1]
    assert match([None, (51, 0, 71, 20)], found) == [2, 1]
    assert match([None, None], found[:1]) == [0, None]
    assert match([None], []) == [None]


def test_boxes_are_replaced_and_all_else_stays(tmp_path: Path) -> None:
    points = np.full((5, 2), 3, np.float32)
    index = index_of(
        tmp_path,
        [
            {"path": "a.png", "box": (0, 0, 10, 10), "landmarks": points, "height": 40},
            {"path": "b.png", "box": (0, 0, 10, 10), "label": "fear", "height": 50},
            {"path": "c.png", "height": 60},
        ],
    )
    detector = Fake({40: [(30, 30, 39, 39), (1, 1, 11, 11)], 50: [(30, 30, 40, 40)], 60: [(2, 2, 50, 50)]})
    new, was_found = detected(index, detector)
    assert list(new.table["box"]) == [(1, 1, 11, 11), (0, 0, 10, 10), (2, 2, 50, 50)]
    assert was_found.tolist() == [True, False, True]
    assert new.table["landmarks"][0] is points
    assert new.table.drop(columns="box").equals(index.table.drop(columns="box"))
    assert list(index.table["box"]) == [(0, 0, 10, 10), (0, 0, 10, 10), None]


def test_a_picture_of_several_faces_is_read_once(tmp_path: Path) -> None:
    rows = [
        {"path": "a.png", "box": (0, 0, 10, 10), "height": 40},
        {"path": "b.png", "box": (0, 0, 10, 10), "height": 50},
        {"path": "a.png", "box": (4, 0, 14, 10)},
    ]
    detector = Fake({40: [(4, 0, 13, 10)], 50: []})
    new, was_found = detected(index_of(tmp_path, rows), detector)
    assert detector.seen == [40, 50]
    assert was_found.tolist() == [False, False, True]
    assert new.table["box"][2] == (4, 0, 13, 10)


def test_frames_of_a_video_are_pictures_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int | None]] = []

    def picture(path: Path, frame: int | None, digest: str | None) -> Image:
        read.append((path.name, frame))
        return np.zeros((10 + (frame or 0), 100, 3), np.uint8)

    monkeypatch.setattr(module, "read_picture", picture)
    rows = [{"path": "clip.AVI", "clip": "c", "frame": n} for n in (3, 4)]
    rows += [{"path": "still.png", "clip": "d", "frame": 7}, {"path": "still.png", "clip": "e", "frame": 9}]
    detector = Fake({13: [(0, 0, 3, 3)], 14: [(0, 0, 4, 4)], 17: [(0, 0, 7, 7)]})
    new, was_found = detected(index_of(tmp_path, rows), detector)
    assert read == [("clip.AVI", 3), ("clip.AVI", 4), ("still.png", 7)]
    assert list(new.table["box"]) == [(0, 0, 3, 3), (0, 0, 4, 4), (0, 0, 7, 7), None]
    assert was_found.tolist() == [True, True, True, False]


def test_pictures_in_a_table_need_no_files(tmp_path: Path) -> None:
    rows = [{"path": "all.csv", "pixels": np.zeros((h, 48), np.uint8)} for h in (48, 47)]
    detector = Fake({48: [(0, 0, 8, 8)], 47: []})
    _, was_found = detected(index_of(tmp_path, rows), detector)
    assert was_found.tolist() == [True, False]


def test_progress_is_over_pictures(tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(items: Iterable[Any], total: int) -> Iterable[Any]:
        seen.append(total)
        return items

    rows = [{"path": "a.png", "height": 40}, {"path": "a.png"}, {"path": "b.png", "height": 40}]
    detected(index_of(tmp_path, rows), Fake({40: []}), watch)
    assert seen == [2]


def test_the_detector_for_ready_crops_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="choose yunet, centerface or haar"):
        detected(index_of(tmp_path, [{"path": "a.png"}]), ReadyCrop())


def test_nothing_is_found_in_an_unreadable_picture(tmp_path: Path) -> None:
    _, seen = detected(index_of(tmp_path, [{"path": "gone.png"}]), Fake({}))
    assert seen.tolist() == [False]

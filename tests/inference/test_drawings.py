"""Drawings: readable at any size, nothing runs into anything, videos too."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from fakes.films import Squares, squares, write_film

import affectzoo
from affectzoo.cli import main
from affectzoo.inference import command, lettering
from affectzoo.inference.annotation import COLORS, Annotator, annotate
from affectzoo.inference.lettering import Size, place_plates, text_size
from affectzoo.inference.results import FaceResult

Screen = pytest.CaptureFixture[str]
PLACES = {
    "row": [(0.05, 0.1), (0.24, 0.05), (0.43, 0.12), (0.60, 0.3), (0.80, 0.1)],
    "crowd": [(0.30, 0.3), (0.42, 0.32), (0.36, 0.5), (0.5, 0.48), (0.56, 0.28)],
    "edges": [(0.0, 0.0), (0.86, 0.0), (0.0, 0.8), (0.86, 0.8), (0.4, 0.4)],
}


def faces(width: int, height: int, places: list[tuple[float, float]]) -> list[FaceResult]:
    found = []
    for place, (x, y) in enumerate(places):
        box = (x * width, y * height, (x + 0.14) * width, y * height + 0.14 * width)
        shares = {"happiness": 0.2 + 0.15 * place, "contempt": 0.1}
        found.append(FaceResult("a", box, 0.9, "happiness", shares, 0.2 * place - 0.4, 0.5 - 0.2 * place))
    return found


@pytest.mark.parametrize("size", [(300, 225), (1155, 866), (4000, 3000), (866, 1155)])
@pytest.mark.parametrize("where", PLACES)
def test_five_faces_plates_do_not_run_into_each_other(
    where: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[Size], list[tuple[int, int]], Size, tuple[lettering.Rect, ...]]] = []

    def noted(sizes: list[Size], boxes: list[lettering.Rect], room: Size, gap: int, taken: object) -> object:
        corners = place_plates(sizes, boxes, room, gap, taken)  # type: ignore[arg-type]
        seen.append((sizes, corners, room, tuple(taken)))  # type: ignore[arg-type]
        return corners

    monkeypatch.setattr("affectzoo.inference.annotation.place_plates", noted)
    width, height = size
    drawn = annotate(np.full((height, width, 3), 128, np.uint8), faces(width, height, PLACES[where]))
    ((sizes, corners, room, taken),) = seen
    assert room == (drawn.shape[1], drawn.shape[0])
    plates = [(x, y, x + s.width, y + s.height) for s, (x, y) in zip(sizes, corners, strict=True)]
    for one, other in itertools.combinations([*plates, *taken], 2):
        assert min(one[2], other[2]) <= max(one[0], other[0]) or min(one[3], other[3]) <= max(
            one[1], other[1]
        )
    for x0, y0, x1, y1 in plates:
        assert 0 <= x0 and x1 <= room.width and 0 <= y0 and y1 <= room.height
        assert y1 - y0 >= 2 * 12  # two lines that can be read


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_text_is_readable_on_any_ground(ground: int) -> None:
    image = np.full((400, 600, 3), ground, np.uint8)
    box = (200.0, 150.0, 350.0, 300.0)
    drawn = annotate(image, [FaceResult("a", box, 1.0, "calm", {"calm": 0.5})]).astype(int)
    plate = drawn[110:144, 202:260].reshape(-1, 3).sum(axis=1)
    assert np.percentile(plate, 95) - np.percentile(plate, 20) > 300
    frame = drawn[180:260, 190:210].sum(axis=2)
    assert frame.max() - frame.min() > 250


def test_drawings_grow_with_the_image() -> None:
    tall = []
    for width in (600, 2400):
        image = np.zeros((width, width, 3), np.uint8)
        drawn = annotate(image, faces(width, width, [(0.4, 0.4)]))
        assert drawn.shape == image.shape
        rows = np.flatnonzero((drawn[: round(0.4 * width)] > 100).any(axis=(1, 2)))
        tall.append(rows.max() - rows.min())
    assert tall[1] == pytest.approx(4 * tall[0], rel=0.25)


def test_each_face_has_its_color_and_the_plane_its_point() -> None:
    image = np.zeros((866, 1155, 3), np.uint8)
    drawn = annotate(image, faces(1155, 866, PLACES["row"]))
    for color in COLORS[:5]:
        assert (drawn == color).all(axis=2).sum() > 200
    plain = [FaceResult("a", (500.0, 300.0, 700.0, 500.0), 1.0, "calm", {"calm": 1.0})]
    assert (annotate(image, plain)[600:] == 0).all()  # no plane without valence and arousal


def test_words_of_any_alphabet_have_their_width() -> None:
    assert text_size("Überraschung", 20).width > text_size("Überr", 20).width
    image = np.zeros((30, 200, 3), np.uint8)
    lettering.write(image, "Радость", -5, -4, 20, (255, 255, 255))
    lettering.write(image, "beyond", 190, 25, 20, (255, 255, 255))
    lettering.write(image, "outside", 300, 5, 20, (255, 255, 255))
    assert image.max() > 200


# Videos


def test_trails_follow_each_track() -> None:
    annotator = Annotator()
    image = np.zeros((400, 600, 3), np.uint8)
    lit = []
    for step in range(12):
        face = FaceResult("a", (10.0, 50.0, 90.0, 130.0), 1.0, valence=step / 12 - 0.5, arousal=0.6, track=1)
        lit.append((annotator(image, [face])[200:, 300:] == COLORS[0]).all(axis=2).sum())
    assert lit[-1] > lit[0] + 3


def test_videos_are_drawn_frame_by_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    pytest.importorskip("av")
    from affectzoo.files.video_frames import VideoFrames

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "make_detector", lambda *_: Squares())
    times = [0, 0.1, 0.2, 0.7, 0.8, 1.5]
    images = [squares((40 + 3 * n, 150), size=80, shape=(301, 443))[:300, :442] for n in range(6)]
    write_film(Path("film.mp4"), images, times)
    assert main(["predict", "film.mp4", "--render", "out", "--out", "f.csv"]) == 0
    drawn = VideoFrames(Path("out/film.mp4"))
    found = list(drawn)
    assert [frame.time for frame in found] == pytest.approx(times, abs=0.01) and drawn.damage is None
    for number, frame in enumerate(found):
        assert frame.image.shape == (300, 442, 3)
        assert np.abs(frame.image[190, 40 + 3 * number].astype(int) - COLORS[0]).max() < 90
    assert [path.name for path in Path("out").iterdir()] == ["film.mp4"]


def test_odd_sizes_and_other_sizes_are_written(tmp_path: Path) -> None:
    pytest.importorskip("av")
    from affectzoo.files.video_frames import VideoFrames
    from affectzoo.files.video_writing import VideoWriter

    with VideoWriter(tmp_path / "a.mp4") as film:
        for number, shape in enumerate([(33, 51, 3), (33, 51, 3), (80, 90, 3)]):
            film.add(np.full(shape, 100, np.uint8), number / 10)
    assert [frame.image.shape for frame in VideoFrames(tmp_path / "a.mp4")] == [(34, 52, 3)] * 3
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "b.mp4") as film:
        film.add(np.zeros((32, 32, 3), np.uint8), 0)
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_predictors_hand_frames_on_for_drawing() -> None:
    stream = affectzoo.Predictor(detector=Squares()).stream([squares((9, 9))], images=True)
    ((frame, faces),) = stream
    assert frame.image is not None and Annotator()(frame.image, faces).shape[2] == 3

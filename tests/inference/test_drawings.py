"""Drawings: readable at any size, nothing runs into anything, videos too."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes.films import Squares, squares, write_film

import affectzoo
from affectzoo.cli import main
from affectzoo.errors import OptionError
from affectzoo.files.images import read_image
from affectzoo.inference import command, contact_sheet, lettering
from affectzoo.inference.annotation import Annotator, annotate
from affectzoo.inference.circumplex import Circumplex
from affectzoo.inference.colors import COLORS
from affectzoo.inference.lettering import Size, place_plates, text_size
from affectzoo.inference.render import chart_path, drawing_paths
from affectzoo.inference.results import FaceResult
from affectzoo.inference.tally import results_table
from affectzoo.inference.time_chart import TimeChart

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
    assert sorted(path.name for path in Path("out").iterdir()) == ["film.mp4", "film_over_time.png"]


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


# What a plate shows


def lines_of(image: np.ndarray, color: tuple[int, int, int]) -> list[int]:
    """Lengths of the horizontal bars of a color, from the top."""
    found = [row for row in (image == color).all(axis=2) if row.any()]
    bars = [row.sum() for row in found if (row.sum() == 1 + np.ptp(np.flatnonzero(row))) and row.sum() > 15]
    return [length for length, _ in itertools.groupby(map(int, bars))]


def test_bars_are_as_long_as_classes_are_likely() -> None:
    shares = {"calm": 0.15, "bored": 0.6, "tense": 0.25, "tired": 0.0}
    face = FaceResult("a", (300.0, 500.0, 600.0, 800.0), 1.0, "bored", shares)
    drawn = annotate(np.zeros((1000, 1000, 3), np.uint8), [face])
    bars = lines_of(drawn[:490], COLORS[0])
    assert len(bars) == 3  # the three likeliest
    assert bars[1] / bars[0] == pytest.approx(0.25 / 0.6, abs=0.05)
    assert bars[2] / bars[0] == pytest.approx(0.15 / 0.6, abs=0.05)
    alone = FaceResult("a", (300.0, 500.0, 600.0, 800.0), 1.0, "bored", {"calm": 0.04, "bored": 0.96})
    assert len(lines_of(annotate(np.zeros((1000, 1000, 3), np.uint8), [alone])[:490], COLORS[0])) == 1
    many = [
        FaceResult("a", (20.0 + 230 * n, 500.0, 120.0 + 230 * n, 600.0), 1.0, "bored", shares)
        for n in range(4)
    ]
    assert len(lines_of(annotate(np.zeros((1000, 1000, 3), np.uint8), many)[:499], COLORS[0])) == 1


@pytest.mark.parametrize("size", [(300, 225), (1155, 866), (4000, 3000)])
@pytest.mark.parametrize("where", PLACES)
def test_plates_of_five_cover_no_other_face(
    where: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[Size], list[lettering.Rect], list[tuple[int, int]]]] = []

    def noted(sizes: list[Size], boxes: list[lettering.Rect], *more: object) -> list[tuple[int, int]]:
        corners = place_plates(sizes, boxes, *more)  # type: ignore[arg-type]
        seen.append((sizes, boxes, corners))
        return corners

    monkeypatch.setattr("affectzoo.inference.annotation.place_plates", noted)
    width, height = size
    annotate(np.zeros((height, width, 3), np.uint8), faces(width, height, PLACES[where]))
    ((sizes, boxes, corners),) = seen
    for own, (plate, (x, y)) in enumerate(zip(sizes, corners, strict=True)):
        for other, box in enumerate(boxes):
            hidden = lettering.common((x, y, x + plate.width, y + plate.height), box)
            assert other == own or hidden <= 0.02 * plate.width * plate.height


def test_numbers_on_the_plane_stay_inside_and_apart() -> None:
    places: list[lettering.Rect] = []

    def noted(image: np.ndarray, text: str, x: int, y: int, size: int, color: object) -> None:
        width, height = text_size(text, size)
        places.append((x, y, x + width, y + height))

    people = [
        FaceResult("a", (0, 0, 9, 9), 1.0, valence=v, arousal=a) for v, a in [(1, 0), (0.98, 0), (0, 1)] * 2
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("affectzoo.inference.circumplex.write", noted)
        Circumplex().draw(np.zeros((300, 300, 3), np.uint8), (20, 20, 180, 208), people, 20)
    numbers = places[2:]  # behind the names of the axes
    assert len(numbers) == 6
    assert all(x0 >= 20 and y0 >= 20 and x1 <= 180 and y1 <= 208 for x0, y0, x1, y1 in numbers)
    assert all(lettering.common(one, other) == 0 for one, other in itertools.combinations(numbers, 2))


# Sheets and charts


def test_a_folder_gets_a_contact_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "make_detector", lambda *_: Squares())
    Path("in").mkdir()
    for place, name in enumerate(["a", "b", "c", "with a name that is much too long for a cell of a sheet"]):
        cv2.imwrite(f"in/{name}.png", squares(*[(20 + 30 * n, 20) for n in range(place)]))
    Path("in/damaged.png").write_bytes(Path("in/a.png").read_bytes()[:60])
    assert main(["predict", "in", "--render", "out"]) == 1
    sheet = read_image(Path("out/contact_sheet.jpg")).astype(int)
    assert sheet.shape[0] > 2 * contact_sheet.HEIGHT and sheet.shape[1] == 3 * (288 + 12) + 12
    for color in COLORS[:3]:  # of the frames and captions
        assert (np.abs(sheet - color).max(axis=2) < 60).sum() > 100
    assert main(["predict", "in/b.png", "--render", "one"]) == 0
    assert [path.name for path in Path("one").iterdir()] == ["b.png"]


def test_long_folders_get_several_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "CELLS", 2)
    sheet = contact_sheet.ContactSheet(tmp_path / "s.jpg")
    for number in range(5):
        sheet.add(
            f"{number}.png", None if number == 1 else squares(), [FaceResult("a", error="no face found")]
        )
    sheet.finish()
    sheet.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s-2.jpg", "s-3.jpg", "s.jpg"]


def test_a_reason_is_told_over_several_lines() -> None:
    words = "cannot read the image: it ends within its header, perhaps a download was cut off".split()
    lines = contact_sheet._wrapped(" ".join(words))
    assert 1 < len(lines) <= contact_sheet.FACES and " ".join(lines).split() == words
    assert all(lettering.text_size(line, contact_sheet.TEXT).width <= contact_sheet.WIDTH for line in lines)
    lines = contact_sheet._wrapped(" ".join(words * 3))
    assert len(lines) == contact_sheet.FACES and "…" in lines[-1] and "…" not in lines[0]
    assert all(lettering.text_size(line, contact_sheet.TEXT).width <= contact_sheet.WIDTH for line in lines)


def test_faces_of_one_image_have_the_numbers_of_its_picture() -> None:
    faces = [FaceResult("two", (0, 0, 9, 9), 1.0, name, {name: 1.0}) for name in ("calm", "glad")]
    faces.insert(1, FaceResult("two", error="the box is outside of the image"))
    table = results_table([*faces, FaceResult("one", (0, 0, 9, 9), 1.0, "tense", {"tense": 1.0})])
    told = [str(cell) for cell in table.columns[1].cells]
    assert told == ["1  calm 1.00", "the box is outside of the image", "2  glad 1.00", "tense 1.00"]


def test_a_sheet_overwrites_no_input(tmp_path: Path) -> None:
    names = [str(tmp_path / "contact_sheet.jpg"), str(tmp_path / "b.jpg")]
    with pytest.raises(OptionError, match="folder of their own"):
        drawing_paths(names, tmp_path)


def test_charts_and_drawings_have_names_of_their_own(tmp_path: Path) -> None:
    paths = drawing_paths(["a_over_time.jpg", "b/a.mp4", "a.avi"], tmp_path, {"b/a.mp4", "a.avi"})
    written = [*paths.values(), *(chart_path(path) for path in paths.values() if path.suffix == ".mp4")]
    assert len({path.name for path in written}) == 5


def test_a_chart_shows_tracks_and_their_gaps(tmp_path: Path, figures_drawn: None) -> None:
    chart = TimeChart("film $x_1$.mp4", tmp_path / "chart.png")
    for step in range(40):
        shares = {"calm": step / 40, "tense": 1 - step / 40}
        people = [FaceResult("a", None, 1.0, "calm", shares, 0.5, -0.5, frame=step, time=step / 10, track=1)]
        if not 10 <= step < 20:
            people.append(
                FaceResult("a", None, 1.0, "calm", shares, 0.1, 0.2, frame=step, time=step / 10, track=2)
            )
        chart.add(people)
    assert np.isnan(chart._table(2, 5)[10, 1:]).all() and chart._table(2, 5).shape == (31, 5)
    chart.finish()
    assert read_image(tmp_path / "chart.png").shape[0] > 700  # two panels for each of two tracks
    TimeChart("nobody", tmp_path / "none.png").finish()
    assert not (tmp_path / "none.png").exists()

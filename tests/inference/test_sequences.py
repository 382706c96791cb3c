"""Models that read clips, and models with landmarks, on one's own videos."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("av")
from fakes.described import described
from fakes.films import Squares, squares, write_film

import affectzoo
from affectzoo import weights
from affectzoo.datamodules.transforms import FaceTransform
from affectzoo.errors import DataError
from affectzoo.faces.detect import Detection
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.images import read_image
from affectzoo.files.video_frames import VideoFrames
from affectzoo.inference.landmarks import read_landmarks
from affectzoo.inference.results import NO_FACE, FaceResult, write_rows
from affectzoo.models.base import AffectModel
from affectzoo.store import ASSETS
from affectzoo.zoo.loading import seal

SHAPE = np.random.default_rng(0).uniform(0, 1, (68, 2))


def recurrent(arch: str, landmarks: bool = False, **options: object) -> AffectModel:
    preprocess = Preprocess(size=32, resize=40)
    return affectzoo.create_model(
        arch, task="va", backbone="resnet18", landmarks=landmarks, units=6, preprocess=preprocess, **options
    )


def marks(x: float, y: float, size: float = 24) -> np.ndarray:
    """68 landmarks inside a square."""
    return (SHAPE * size + (x, y)).astype(np.float32)


def ways(count: int) -> list[list[tuple[int, int]]]:
    """Two people; the second is away for a while."""
    first, second = [(2 + 3 * n, 10) for n in range(count)], [(130 - 3 * n, 60) for n in range(count)]
    return [[first[n]] if 10 <= n < 14 else [first[n], second[n]] for n in range(count)]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "film.mp4", (squares(*places) for places in ways(30)))


def at_once(model: AffectModel, film: Path, faces: Sequence[FaceResult]) -> list[float]:
    """Valence of one track's faces, predicted as one clip."""
    images = {frame.number: frame.image for frame in VideoFrames(film)}
    clip = torch.stack([model.preprocess(images[face.frame], face.box) for face in faces])
    points = None
    if model.landmarks:
        found = [marks(*ways(30)[face.frame][face.track - 1]) for face in faces]
        transform = FaceTransform(model.preprocess)
        moved = [
            transform(images[face.frame], face.box, mark)[1] for face, mark in zip(faces, found, strict=True)
        ]
        points = torch.stack([mark for mark in moved if mark is not None])[None]
    with torch.inference_mode():
        output = model.eval()(clip[None], points).va
    assert output is not None
    return [float(value) for value in output[0, :, 0].clamp(-1, 1)]


@pytest.mark.parametrize(("arch", "batch_size"), [("cnn_gru", 1), ("cnn_gru", 7), ("cnn_lstm", 7)])
def test_streaming_equals_the_whole_clip(arch: str, batch_size: int, film: Path) -> None:
    model = recurrent(arch)
    found = affectzoo.predict(film, model, Squares(), batch_size)
    for track in (1, 2):
        faces = [face for face in found if face.track == track]
        assert len(faces) == (30 if track == 1 else 26)
        values = [face.valence for face in faces]
        assert values == pytest.approx(at_once(model, film, faces), abs=1e-5)
        assert np.std(values) > 1e-4
    assert np.ptp([face.valence for face in found if face.frame == 29]) > 1e-6


def test_streams_go_on_from_frame_to_frame(film: Path) -> None:
    model = recurrent("cnn_gru")
    predictor = affectzoo.Predictor(model, Squares())
    frames = (frame.image for frame in VideoFrames(film))
    found = [face for _, faces in predictor.stream(frames, fps=25) for face in faces]
    expected = affectzoo.predict(film, model, Squares())
    assert [face.frame for face in found] == [face.frame for face in expected]
    assert [face.valence for face in found] == pytest.approx([face.valence for face in expected], abs=1e-5)


def test_each_video_begins_anew(film: Path) -> None:
    model = recurrent("cnn_gru")
    found = affectzoo.predict([film, film], model, Squares())
    half = len(found) // 2
    assert [face.valence for face in found[half:]] == pytest.approx(
        [face.valence for face in found[:half]], abs=1e-6
    )


def write_table(path: Path, film: Path, skip: int = -1) -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "frame", "landmarks", "x0", "y0", "x1", "y1"])
        for number, places in enumerate(ways(30)):
            for x, y in places if number != skip else []:
                numbers = ";".join(map(str, marks(x, y).reshape(-1)))
                table.writerow([film.name, number, numbers, x, y, x + 24, y + 24])
    return path


def test_landmarks_from_a_table_are_those_of_training(film: Path, tmp_path: Path) -> None:
    model = recurrent("cnn_gru", landmarks=True)
    table = write_table(tmp_path / "marks.csv", film, skip=5)
    found = affectzoo.predict(film, model, landmarks=table)
    assert [face.error for face in found if face.frame == 5] == [NO_FACE]
    faces = [face for face in found if face.track == 1]
    assert len(faces) == 29
    assert [face.valence for face in faces] == pytest.approx(at_once(model, film, faces), abs=1e-5)
    moved = affectzoo.predict(film, model, landmarks=write_table(tmp_path / "other.csv", film))
    assert found[0].valence == moved[0].valence and len(moved) == len(found) + 1


def test_landmarks_come_in_every_form(tmp_path: Path) -> None:
    image = squares((20, 30))
    from fakes import write_picture

    photo = tmp_path / "photo.png"
    write_picture(photo, image)
    given = marks(20, 30)
    model = affectzoo.create_model("vgg16", task="va", landmarks=True, preprocess=Preprocess(size=32))
    openface = tmp_path / "openface.csv"
    head = ["frame", " success", *(f" {axis}_{n}" for axis in "xy" for n in range(68))]
    values = [1, 1, *given[:, 0], *given[:, 1]]
    openface.write_text(",".join(head[1:]) + "\n" + ", ".join(map(str, values[1:])) + "\n")
    pts = tmp_path / "photo.pts"
    pts.write_text("version: 1\nn_points: 68\n{\n" + "\n".join(f"{x} {y}" for x, y in given) + "\n}\n")
    table = tmp_path / "table.csv"
    table.write_text(f"file,landmarks\n{photo},{';'.join(map(str, given.reshape(-1)))}\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "photo.pts").write_bytes(pts.read_bytes())

    class Own:
        name = "own"
        landmarks = 68

        def __call__(self, image: np.ndarray) -> list[Detection]:
            x0, y0, x1, y1 = (*given.min(0).tolist(), *given.max(0).tolist())
            return [Detection((x0, y0, x1, y1), landmarks=given)]

    (expected,) = affectzoo.predict(photo, model, Own())
    assert expected.valence is not None
    for path in (openface, pts, table, folder):
        (face,) = affectzoo.predict(photo, model, landmarks=path)
        assert face.box == pytest.approx(expected.box) and face.valence == pytest.approx(expected.valence)


def test_openface_counts_frames_from_one(tmp_path: Path) -> None:
    head = ["frame", "success", *(f"{axis}_{n}" for axis in "xy" for n in range(68))]
    lines = [",".join(head)]
    for frame, success in ((1, 1), (2, 0), (3, 1)):
        numbers = marks(frame, frame)
        lines.append(",".join(map(str, [frame, success, *numbers[:, 0], *numbers[:, 1]])))
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = read_landmarks(tmp_path / "a.csv")
    assert set(found) == {("", 0), ("", 2)}
    assert np.allclose(found["", 2][0].landmarks, marks(3, 3))  # type: ignore[arg-type]


def test_folders_of_points_for_each_frame(film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "marks" / "film"
    folder.mkdir(parents=True)
    for number in (0, 1, 7):
        lines = "\n".join(f"{x} {y}" for x, y in marks(2 + 3 * number, 10))
        (folder / f"{number + 1:05}.pts").write_text(f"version: 1\n{{\n{lines}\n}}\n")
    found = affectzoo.predict(film, recurrent("cnn_lstm", landmarks=True), landmarks=tmp_path / "marks")
    assert [face.frame for face in found if face.error is None] == [0, 1, 7]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,landmarks\na.png,1;2;3\n", "line 2"),
        ("file,points\na.png,1\n", "needs the columns"),
        ("file,frame,landmarks\na.png,x," + ";".join(["1"] * 136), "line 2: frame"),
        (None, "no such file"),
    ],
)
def test_damaged_landmarks_are_named(text: str | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=rf"marks\.csv.*{told}"):
        affectzoo.Predictor(landmarks=path)


def test_one_table_is_of_one_video(film: Path, tmp_path: Path) -> None:
    head = ["frame", *(f"{axis}_{n}" for axis in "xy" for n in range(68))]
    (tmp_path / "a.csv").write_text(",".join(head) + "\n" + ",".join(["1"] * 137) + "\n")
    other = tmp_path / "other.mp4"
    other.write_bytes(film.read_bytes())
    with pytest.raises(DataError, match="give a folder"):
        affectzoo.predict([film, other], landmarks=tmp_path / "a.csv")


def test_results_say_which_face_lacks_landmarks() -> None:
    class Some(Squares):
        landmarks = 68

        def __call__(self, image: np.ndarray) -> list[Detection]:
            first, *others = super().__call__(image)
            return [replace(first, landmarks=marks(2, 10)), *others]

    model = affectzoo.create_model("vgg16", task="va", landmarks=True, preprocess=Preprocess(size=32))
    good, bad = affectzoo.predict([squares((2, 10), (100, 10))], model, Some())
    assert good.valence is not None and "no landmarks" in str(bad.error)


@pytest.fixture
def finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AffectModel:
    """Finds the same landmarks in every face: those of ``SHAPE``, in shares of its crop."""
    model = affectzoo.create_model("landmarks_s", preprocess=Preprocess(size=64, color="gray", margin=0.25))
    torch.nn.init.zeros_(model.heads["points"].weight)
    model.heads["points"].bias.data = torch.from_numpy(SHAPE).float().flatten() * 2 - 1
    path = tmp_path / "finder.safetensors"
    weights.write(path, model.network_state(), described(model.describe()))
    seal(path)
    monkeypatch.setattr("affectzoo.inference.landmarks.FINDER", str(path))
    return model


def test_landmarks_are_found_where_nothing_gives_them(film: Path, finder: AffectModel) -> None:
    """The crop and the points are those of training with the same landmarks, whose box is around them."""
    model = recurrent("cnn_gru", landmarks=True)
    predictor = affectzoo.Predictor(model, Squares())
    found = [face for face in predictor(film) if face.track == 1]
    assert predictor.faces_from == "squares, landmarks by landmarks_s.rendered"
    images = {frame.number: frame.image for frame in VideoFrames(film)}
    transform, cut, points = FaceTransform(model.preprocess), [], []
    for face in found:
        x, y = ways(30)[face.frame][0]
        given = ((SHAPE - 0.5) * 1.25 * 24 + (x + 12, y + 12) - 0.5).astype(np.float32)
        assert face.box == pytest.approx((*given.min(0), *given.max(0)), abs=0.6)  # the crop is whole pixels
        one, marked = transform(images[face.frame], face.box, given)
        cut.append(one)
        points.append(marked)
    with torch.inference_mode():
        expected = model.eval()(torch.stack(cut)[None], torch.stack(points)[None]).va[0, :, 0]
    assert [face.valence for face in found] == pytest.approx(expected.tolist(), abs=0.01)


@pytest.mark.slow
def test_a_bundled_model_with_landmarks_reads_a_film_alone(tmp_path: Path) -> None:
    """Rendered faces, each moved as in a clip: no file of landmarks, nothing fetched."""
    face = read_image(
        sorted((ASSETS / "demo" / "rendered" / "happiness").iterdir())[3]
    )  # clearly a face to the cascade
    big = cv2.resize(face, (120, 120), interpolation=cv2.INTER_CUBIC)
    frames = [np.full((200, 240, 3), 90, np.uint8) for _ in range(8)]
    for number, frame in enumerate(frames):
        frame[40:160, 40 + 4 * number : 160 + 4 * number] = big
    film = write_film(tmp_path / "film.mp4", iter(frames))
    predictor = affectzoo.Predictor("cnn_gru.rendered", "haar")
    rows = [face for face in predictor(film) if face.frame is not None]
    assert len(rows) == 8 and all(row.error is None and row.valence is not None for row in rows)
    marked = affectzoo.predict(film, "landmarks_s.rendered", "haar")
    for row, points in zip(rows, marked, strict=True):
        x0, y0, x1, y1 = row.box  # type: ignore[misc]
        xs, ys = zip(*points.landmarks, strict=True)
        assert row.box == pytest.approx((min(xs), min(ys), max(xs), max(ys)), abs=0.5)
        assert 40 < (x0 + x1) / 2 - 4 * row.frame < 160 and 40 < (y0 + y1) / 2 < 160


def test_found_landmarks_leave_boxes_of_users_and_ready_crops(finder: AffectModel) -> None:
    model = affectzoo.create_model("vgg16", task="va", landmarks=True, preprocess=Preprocess(size=32))
    image = squares((2, 10), (100, 10))
    good, bad = affectzoo.predict(image, model, boxes=[(2, 10, 26, 34), (900, 900, 910, 910)])
    assert good.box == (2, 10, 26, 34) and good.valence is not None
    assert "no area" in str(bad.error)
    (whole,) = affectzoo.predict(image, model, detector="none")
    assert whole.box is None and whole.valence is not None


def test_a_file_of_found_landmarks_is_one_of_given_ones(
    film: Path, finder: AffectModel, tmp_path: Path
) -> None:
    table = tmp_path / "points.csv"
    predictor = affectzoo.Predictor(finder, Squares())
    write_rows((face.to_row() for face in predictor(film)), predictor.columns, table)
    faces = read_landmarks(table)
    (first, *_) = faces[str(film), 0]
    x, y = ways(30)[0][0]
    np.testing.assert_allclose(first.landmarks, (SHAPE - 0.5) * 30 + (x + 12, y + 12) - 0.5, atol=0.6)
    predictor = affectzoo.Predictor(recurrent("cnn_gru", landmarks=True), landmarks=table)
    assert predictor.finder is None
    assert all(face.error is None for face in predictor(film) if face.frame is not None)

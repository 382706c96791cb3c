"""Videos through ``predict``: a row for each face of each frame, resumed, damaged, long."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("av")
from fakes import picture, write_picture
from fakes.films import Squares, squares, write_film

import affectzoo
from affectzoo.cli import main
from affectzoo.inference import command, frames
from affectzoo.inference.results import NO_FACE
from affectzoo.models.base import AffectModel

Screen = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return affectzoo.load("dlp_cnn_s.ferplus")


def two(count: int = 40, start: int = 0) -> list[np.ndarray]:
    """Two squares on their ways; between them frames of none."""
    return [
        squares() if number in (20, 21) else squares((2 + number, 10), (130 - number, 60))
        for number in range(start, start + count)
    ]


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "make_detector", lambda *_: Squares())
    return write_film(tmp_path / "film.mp4", two())


def test_every_face_of_every_frame_has_a_row(film: Path, model: AffectModel) -> None:
    found = affectzoo.predict(film, model, Squares())
    assert len(found) == 2 * 38 + 2
    assert {face.file for face in found} == {str(film)}
    assert sorted({face.frame for face in found}) == list(range(40))
    assert all(face.time == pytest.approx(face.frame / 25, abs=1e-3) for face in found)
    assert [face.frame for face in found if face.error == NO_FACE] == [20, 21]
    left = [face for face in found if face.box is not None and face.box[1] < 40]
    assert len(left) == 38 and {face.track for face in left} == {1}
    (alone,) = affectzoo.predict([squares((2, 10), (130, 60))], model, boxes=[[found[0].box]])
    assert found[0].probabilities == pytest.approx(dict(alone.probabilities), abs=0.02)


def test_images_and_videos_share_batches_in_order(film: Path, model: AffectModel) -> None:
    image = squares((10, 10))
    mixed = [image, film, image, film.read_bytes()[:50]]
    found = affectzoo.predict(mixed, model, Squares(), batch_size=7)
    assert [face.file for face in found] == ["array 0", *[str(film)] * 78, "array 2", "bytes 3"]
    assert found[0].frame is found[0].time is found[0].track is None
    assert found[0].probabilities == pytest.approx(dict(found[79].probabilities), abs=1e-5)


def test_some_frames_are_taken(film: Path, model: AffectModel) -> None:
    for options in ({"every": 10}, {"fps": 2.5}):
        found = affectzoo.predict(film, model, Squares(), **options)
        assert sorted({face.frame for face in found}) == [0, 10, 20, 30]


def test_ready_crops_are_one_track(film: Path, model: AffectModel) -> None:
    found = affectzoo.predict(film, model, "none")
    assert (
        len(found) == 40 and {face.track for face in found} == {1} and {face.box for face in found} == {None}
    )


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_files_of_videos(kind: str, film: Path, capsys: Screen) -> None:
    out = Path(f"f.{kind}")
    assert main(["predict", str(film), "--out", str(out)]) == 0
    assert "76 faces in 40 frames of 1 video, 0 unreadable" in capsys.readouterr().err
    if kind == "csv":
        table = pd.read_csv(out)
    elif kind == "parquet":
        table = pd.read_parquet(out)
    else:
        table = pd.read_json(out, lines=kind == "jsonl")
    assert list(table.columns[:4]) == ["file", "frame", "time", "track"]
    assert len(table) == 78 and table["track"].dropna().nunique() == 2
    assert table["frame"].tolist() == sorted(table["frame"])


def test_folders_hold_videos_too(film: Path, capsys: Screen) -> None:
    write_picture(Path("media/a.png"), squares((10, 10)))
    film.rename("media/film.mp4")
    Path("media/unnamed").write_bytes(Path("media/film.mp4").read_bytes())
    assert main(["predict", "media", "--json"]) == 0
    captured = capsys.readouterr()
    assert {row["file"] for row in json.loads(captured.out)} == {
        "media/a.png",
        "media/film.mp4",
        "media/unnamed",
    }
    assert "153 faces in 1 image and 80 frames of 2 videos" in captured.err
    assert main(["predict", "media"]) == 0
    shown = capsys.readouterr().out
    assert "media/a.png" in shown and "0.0 - 1.6" in shown  # one table of images, one of tracks


def test_a_video_without_a_face_is_in_the_table(film: Path, capsys: Screen) -> None:
    write_film(Path("dark.mp4"), [squares()] * 5)
    assert main(["predict", "dark.mp4"]) == 0
    captured = capsys.readouterr()
    assert re.search(rf"dark\.mp4 .*{NO_FACE}", captured.out) and "0 faces in 5 frames" in captured.err
    assert main(["predict", "film.mp4"]) == 0  # some frames have none
    assert NO_FACE not in capsys.readouterr().out


def test_damaged_videos_have_a_row_and_the_rest_goes_on(film: Path, capsys: Screen) -> None:
    long = write_film(Path("cut.mkv"), [picture(np.random.default_rng(n), 96, 160, 3) for n in range(60)])
    long.write_bytes(long.read_bytes()[: long.stat().st_size // 2])
    Path("text.mp4").write_text("no video")
    assert main(["predict", "text.mp4", "cut.mkv", str(film), "gone.mp4", "--json"]) == 1
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    told = {row["file"]: row["error"] for row in rows if (row["error"] or "").startswith("unreadable")}
    assert set(told) == {"text.mp4", "cut.mkv", "gone.mp4"} and "could be read" in told["cut.mkv"]
    assert sum(row["file"] == "cut.mkv" for row in rows) > 20
    assert sum(row["file"] == str(film) for row in rows) == 78
    assert "3 unreadable" in captured.err and "text.mp4" in captured.err.splitlines()[-1]


def stopped(monkeypatch: pytest.MonkeyPatch, after: int, *arguments: str) -> int:
    """Run until so many frames were read, as Ctrl-C ends it."""
    seen: list[int] = []
    original = frames._of_video

    def of_video(*given: object) -> object:
        for frame in original(*given):  # type: ignore[arg-type]
            seen.append(1)
            if len(seen) > after:
                raise KeyboardInterrupt
            yield frame

    with monkeypatch.context() as patch:
        patch.setattr(frames, "_of_video", of_video)
        return main(["predict", *arguments, "--batch-size", "4"])


@pytest.mark.parametrize("smooth", [False, True])
def test_a_stopped_run_goes_on_within_a_video(
    smooth: bool, film: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    write_picture(Path("a.png"), squares((10, 10)))
    write_film(Path("other.mp4"), two(6))
    given = ["a.png", "film.mp4", "other.mp4", *["--smooth"] * smooth]
    assert main(["predict", *given, "--out", "whole.csv"]) == 0
    assert stopped(monkeypatch, 31, *given, "--out", "f.csv") == 130
    assert "1 input and 30 frames of film.mp4 are kept" in capsys.readouterr().err
    predicted: list[int | None] = []
    entries = affectzoo.Predictor._entries

    def counted(self: affectzoo.Predictor, frame: frames.Frame, *more: object) -> object:
        predicted.append(frame.number)
        return entries(self, frame, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(affectzoo.Predictor, "_entries", counted)
        assert stopped(patch, 36, *given, "--out", "f.csv", "--resume") == 130
    assert predicted[0] == (0 if smooth else 30)
    assert main(["predict", *given, "--out", "f.csv", "--resume"]) == 0
    pd.testing.assert_frame_equal(pd.read_csv("f.csv"), pd.read_csv("whole.csv"), atol=1e-4)


def test_only_the_same_frames_go_on(film: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen) -> None:
    assert stopped(monkeypatch, 20, "film.mp4", "--out", "f.csv") == 130
    assert main(["predict", "film.mp4", "--out", "f.csv", "--resume", "--every", "2"]) == 1
    assert "every was 1, is 2" in capsys.readouterr().err


def test_results_come_while_frames_are_read(film: Path, model: AffectModel) -> None:
    predictor = affectzoo.Predictor(model, Squares(), batch_size=4)
    found = predictor.iterate(film)
    first, faces = next(found)
    assert first.number == 0 and first.image is None and len(faces) == 2
    assert next(predictor.iterate(film, images=True))[0].image is not None


PEAK = """
import resource, sys
from affectzoo.cli import main
assert main(["predict", sys.argv[1], "--detector", "none", "--out", sys.argv[2]]) == 0
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_is_flat_over_long_videos(tmp_path: Path) -> None:
    peaks = []
    for count in (300, 3000):
        film = write_film(tmp_path / f"{count}.mp4", (squares((n % 120, 9)) for n in range(count)))
        done = subprocess.run(
            [sys.executable, "-c", PEAK, film, tmp_path / f"{count}.csv"],
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split("PEAK")[1]) / 1024)
    assert peaks[1] - peaks[0] < 20, peaks  # MiB; 2,700 frames are 118 MiB of pixels

"""Cameras and other live sources."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from fakes.films import Squares, squares

import affectzoo
from affectzoo.cli import main
from affectzoo.errors import CameraError, OptionError
from affectzoo.files import camera
from affectzoo.inference import command

Screen = pytest.CaptureFixture[str]


class FakeCapture:
    """Stands for OpenCV's camera: starts slowly, shows a square that moves, then what it is told."""

    frames = 30
    opened = True
    signals: int = 0

    def __init__(self, number: int) -> None:
        self.number, self.count, self.released = number, 0, False
        self.slow = 3

    def isOpened(self) -> bool:
        return self.opened

    def set(self, option: int, value: float) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.slow:
            self.slow -= 1
            return False, None
        self.count += 1
        if self.signals and self.count == 10:
            os.kill(os.getpid(), self.signals)
        if self.count > self.frames:
            return False, None
        image = squares((2 + self.count, 20))
        image[:4, :4] = (255, 0, 0)
        return True, image[..., ::-1].copy()

    def release(self) -> None:
        self.released = True


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[FakeCapture]:
    class Capture(FakeCapture):
        pass

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(camera, "PAUSE", 0.001)
    monkeypatch.setattr(command, "make_detector", lambda *_: Squares())
    return Capture


def test_a_camera_gives_rgb_frames_until_it_fails(capture: type[FakeCapture]) -> None:
    with closing(camera.Camera(1)) as film:
        frames = list(itertools.islice(film, 30))
        assert (frames[0][1, 1] == (255, 0, 0)).all() and len(frames) == 30
        with pytest.raises(CameraError, match="camera 1 gives no more frames"):
            next(iter(film))


def test_a_missing_camera_says_what_to_look_at(capture: type[FakeCapture], capsys: Screen) -> None:
    capture.opened = False
    assert main(["predict", "--camera", "2"]) == 1
    assert "camera 2 cannot be opened" in capsys.readouterr().err


def test_ctrl_c_ends_the_film_and_keeps_the_rows(capture: type[FakeCapture], capsys: Screen) -> None:
    capture.signals = signal.SIGINT
    before = signal.getsignal(signal.SIGINT)
    assert main(["predict", "--camera", "0", "--out", "f.csv"]) == 0
    table = pd.read_csv("f.csv")
    assert table["frame"].tolist() == list(range(9)) and set(table["file"]) == {"camera 0"}
    assert set(table["track"]) == {1} and table["time"].is_monotonic_increasing
    assert "9 faces in 9 frames of 1 video" in capsys.readouterr().err
    assert list(Path().iterdir()) == [Path("f.csv")]
    assert signal.getsignal(signal.SIGINT) is before


def test_seconds_end_the_film(
    capture: type[FakeCapture], monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    clock = itertools.count(100.0, 0.5)
    monkeypatch.setattr("affectzoo.inference.frames.time.monotonic", lambda: next(clock))
    assert main(["predict", "--camera", "0", "--seconds", "3", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["time"] for row in rows] == [0, 0.5, 1, 1.5, 2, 2.5, 3]


def test_bars_are_gone_before_results_are_shown(
    capture: type[FakeCapture], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []

    def bars(results: object, *_: object, live: bool) -> object:
        try:
            yield from results  # type: ignore[misc]
        finally:
            order.append("bars end")

    clock = itertools.count(100.0, 0.5)
    monkeypatch.setattr("affectzoo.inference.frames.time.monotonic", lambda: next(clock))
    monkeypatch.setattr(command, "with_progress", bars)
    monkeypatch.setattr(command._Shown, "print", lambda _: order.append("table"))
    assert main(["predict", "--camera", "0", "--seconds", "3"]) == 0
    assert order == ["bars end", "table"]


def test_a_camera_that_fails_keeps_its_rows(capture: type[FakeCapture], capsys: Screen) -> None:
    assert main(["predict", "--camera", "0", "--out", "f.jsonl"]) == 1
    assert "gives no more frames" in capsys.readouterr().err
    *rows, last = map(json.loads, Path("f.jsonl").read_text().splitlines())
    assert len(rows) == 30 and last["frame"] is None and "no more frames" in last["error"]


def test_a_terminated_film_keeps_its_rows(capture: type[FakeCapture], capsys: Screen) -> None:
    capture.signals = signal.SIGTERM
    with pytest.raises(SystemExit, match="143"):
        main(["predict", "--camera", "0", "--out", "f.csv"])
    assert len(pd.read_csv("f.csv")) >= 9 and list(Path().iterdir()) == [Path("f.csv")]


WRONG = [
    ["a.png", "--seconds", "3"],
    ["a.mp4", "--fps", "0"],
    ["a.mp4", "--fps", "inf"],
    ["a.mp4", "--fps", "2", "--every", "2"],
    ["--camera", "0", "--seconds", "-1"],
    ["--camera", "0", "--every", "3"],
    ["--camera", "0", "--landmarks", "a.csv"],
    ["a.png", "--landmarks", "a.csv", "--detector", "haar"],
    ["a.png", "--landmarks", "a.csv", "--min-score", "0.5"],
]


@pytest.mark.parametrize("wrong", [[], ["a.png", "--camera", "0"], ["--camera", "0", "--resume"], *WRONG])
def test_wrong_usage(wrong: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["predict", *wrong, "--out", "f.csv"])


# Streams


def test_streams_answer_each_frame_at_once() -> None:
    given: list[int] = []

    def frames() -> object:
        for number in range(9):
            given.append(number)
            yield squares((2 + number, 20), (100, 50))

    stream = affectzoo.Predictor(detector=Squares()).stream(frames(), name="lamp", fps=10)
    frame, faces = next(stream)
    assert given == [0] and len(faces) == 2 and frame.image is None
    rest = [face for _, faces in stream for face in faces]
    assert {face.track for face in rest} == {1, 2} and rest[-1].time == pytest.approx(0.8)
    assert {face.file for face in rest} == {"lamp"}


def test_streams_go_by_the_clock_where_no_rate_is_given() -> None:
    def frames() -> object:
        for _ in range(3):
            yield squares((2, 20))
            time.sleep(0.02)

    found = [frame.time for frame, _ in affectzoo.Predictor(detector=Squares()).stream(frames())]
    assert found[0] == 0 and found[2] >= 0.04


def test_what_is_no_frame_is_named() -> None:
    predictor = affectzoo.Predictor(detector="none")
    with pytest.raises(OptionError, match="stream, frame 1 is"):
        list(predictor.stream([squares(), np.zeros((3, 3))]))
    with pytest.raises(OptionError, match="fps"):
        predictor.stream([], fps=0)

"""Frames of videos: any order, damaged and short files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from fakes import write_video
from fakes.films import squares, write_film

from affectzoo.errors import UnreadableImageError
from affectzoo.files.videos import Video, open_video, read_picture

RED = (5, 0, 0)


def strength(image: np.ndarray) -> int:
    assert image[..., 1:].max() < 20  # RGB: red is first
    return round(float(image[..., 0].mean()) / 5)


def test_frames_in_any_order(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 50, step=RED)
    video = Video(path)
    assert video.frames == 50 and video.rate == pytest.approx(25)
    for number in (0, 1, 2, 7, 3, 49, 0, 48, 12, 13):
        assert strength(video.read(number)) == number
    assert open_video(path) is open_video(path)
    assert strength(read_picture(path, 31)) == 31
    assert strength(read_picture(path)) == 0


def test_a_frame_beyond_the_end_is_named_and_does_no_harm(tmp_path: Path) -> None:
    video = Video(write_video(tmp_path / "a.avi", 5, step=RED))
    with pytest.raises(UnreadableImageError, match=r"a\.avi, frame 5: cannot be read \(5 frames\)"):
        video.read(5)
    assert strength(video.read(2)) == 2


def test_no_video(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="no such file"):
        Video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UnreadableImageError, match="no video, or one that OpenCV cannot decode"):
        Video(tmp_path / "text.mp4")


def test_a_path_that_is_not_utf8_is_refused_before_opencv_crashes_at_it(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.avi"))
    write_video(tmp_path / "film.avi", 2).rename(path)
    with pytest.raises(UnreadableImageError, match="path is not UTF-8: rename it"):
        Video(path)


VARYING = [0.04 * n + (0.5 if n > 10 else 0.0) for n in range(40)]


@pytest.mark.parametrize(
    ("name", "codec", "times"),
    [
        ("a.mp4", "libx264", VARYING),
        ("a.mkv", "libx264", VARYING),
        ("a.webm", "libvpx", VARYING),
        ("a.flv", "flv1", VARYING),
        ("a.mpg", "mpeg2video", None),
        ("a.ts", "mpeg2video", None),
    ],
)
def test_frames_are_counted_where_a_file_says_a_length_alone(
    name: str, codec: str, times: list[float] | None, tmp_path: Path
) -> None:
    path = write_film(tmp_path / name, [squares((n, n)) for n in range(40)], times, codec)
    video = Video(path)
    assert video.frames == 40
    video.read(39)
    with pytest.raises(UnreadableImageError, match=r"frame 40: cannot be read \(40 frames\)"):
        video.read(40)
    if times is not None:
        np.testing.assert_allclose(video.times, times, atol=2e-3)  # type: ignore[arg-type]


def test_a_video_that_is_cut_off_has_the_frames_that_it_declares(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", [squares((n % 90, n % 40)) for n in range(75)])
    path.write_bytes(path.read_bytes()[:-3000])
    video = Video(path)
    assert video.frames == 75
    with pytest.raises(UnreadableImageError, match="frame 74: cannot be read"):
        video.read(74)


def test_avi_says_a_rate_alone(tmp_path: Path) -> None:
    assert Video(write_video(tmp_path / "a.avi", 5)).times is None

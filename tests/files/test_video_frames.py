"""Videos frame by frame: times, rotation, sampling, and what is broken."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")
from fakes.films import turn, write_film

from affectzoo.errors import MissingPackageError, OptionError, UnreadableImageError
from affectzoo.files.video_frames import Sampling, VideoFrames
from affectzoo.files.video_writing import VideoWriter
from affectzoo.files.videos import Video


def shades(count: int) -> list[np.ndarray]:
    return [np.full((48, 64, 3), 2 * number, np.uint8) for number in range(count)]


def noise(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    blocks = random.integers(0, 255, (count, 6, 8, 3), dtype=np.uint8)
    return [np.kron(block, np.ones((8, 8, 1), np.uint8)) for block in blocks]


@pytest.mark.parametrize(("ending", "codec"), [("mp4", "libx264"), ("mkv", "mpeg4"), ("avi", "mjpeg")])
def test_every_frame_comes_in_order(ending: str, codec: str, tmp_path: Path) -> None:
    video = VideoFrames(write_film(tmp_path / f"a.{ending}", shades(60), codec=codec))
    assert video.total == 60 and video.duration == pytest.approx(2.4, abs=0.1)
    found = list(video)
    assert [frame.number for frame in found] == list(range(60))
    assert [frame.time for frame in found] == pytest.approx([n / 25 for n in range(60)], abs=0.002)
    assert [frame.image.mean() for frame in found] == pytest.approx([2 * n for n in range(60)], abs=6)
    assert video.damage is None


def numbered(count: int) -> list[np.ndarray]:
    """Images that show their number, as seven bars of bits."""
    bits = np.arange(count)[:, None] >> np.arange(7) & 1
    bars = np.kron(bits[:, None], np.ones((48, 16), np.uint8)).astype(np.uint8)
    return [np.stack([200 * bar + 20] * 3, axis=2) for bar in bars]


def number_of(image: np.ndarray) -> int:
    bars = image[16:32].mean(axis=(0, 2)).reshape(7, 16)[:, 4:12].mean(axis=1)
    return int((bars > 120) @ (1 << np.arange(7)))


@pytest.mark.parametrize(
    ("ending", "codec", "pause"),
    [
        ("mp4", "libx264", 0),
        ("mp4", "libx264", 0.3),
        ("mkv", "libx264", 0.3),
        ("avi", "mpeg4", 0),
        ("avi", "libx264", 0),
        ("ts", "libx264", 0),
        ("mpg", "mpeg2video", 0),
    ],
)
def test_single_frames_are_the_right_ones_in_any_order(
    ending: str, codec: str, pause: float, tmp_path: Path
) -> None:
    times = [n / 25 + n // 10 * pause for n in range(120)] if pause else None
    path = write_film(tmp_path / f"a.{ending}", numbered(120), times, codec=codec)
    video = Video(path)
    order = [int(n) for n in np.random.default_rng(0).permutation(120)[:40]]
    assert [number_of(video.read(number)) for number in order] == order


def test_a_video_whose_table_of_times_hides_frames_is_damaged(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", shades(30))
    data = bytearray(path.read_bytes())
    place = data.find(b"mdhd") + 16
    data[place : place + 4] = bytes(4)  # ticks per second
    path.write_bytes(data)
    video = VideoFrames(path)
    assert len(list(video)) < 15
    assert video.damage is not None and "its index lists 30 frames" in video.damage


def test_times_are_the_frames_own(tmp_path: Path) -> None:
    times = list(np.cumsum([0.04, 0.5, 0.02, 0.3, 0.11] * 6))
    path = write_film(tmp_path / "a.mp4", shades(30), times)
    expected = [time - times[0] for time in times]
    assert [frame.time for frame in VideoFrames(path)] == pytest.approx(expected, abs=1e-3)


def test_frames_are_upright(tmp_path: Path) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 255
    path = write_film(tmp_path / "a.mp4", [image] * 3)
    turn(path)
    for frame in VideoFrames(path):
        assert frame.image.shape == (64, 48, 3)
        assert frame.image[5, 40].min() > 200 and frame.image[5, 5].max() < 50


@pytest.mark.parametrize(
    ("matrix", "white"),
    [
        ((-1, 0, 0, -1), (1, 1)),
        ((0, -1, 1, 0), (1, 0)),
        ((-1, 0, 0, 1), (0, 1)),
        ((1, 0, 0, -1), (1, 0)),
        ((0, 1, 1, 0), (0, 0)),
        ((0, -1, -1, 0), (1, 1)),
        ((0, 0, 0, 0), (0, 0)),
    ],
)
def test_frames_are_as_players_show_them(
    matrix: tuple[int, int, int, int], white: tuple[int, int], tmp_path: Path
) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 255
    path = write_film(tmp_path / "a.mp4", [image])
    turn(path, *matrix)
    (frame,) = VideoFrames(path)
    quarters = [(y, x) for y in (0, 1) for x in (0, 1) if frame.image[5 - 11 * y, 5 - 11 * x].min() > 200]
    assert quarters == [white]


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "%03d.mp4"])
def test_names_that_look_like_addresses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoWriter(Path(name)) as film:
        film.add(shades(1)[0], 0.0)
    assert len(list(VideoFrames(Path(name)))) == 1
    assert Video(Path(name)).read(0).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(every=7), [0, 7, 14, 21, 28]),
        (Sampling(fps=5), [0, 5, 10, 15, 20, 25]),
        (Sampling(fps=1000), list(range(30))),
    ],
)
def test_some_frames_are_taken(sampling: Sampling, expected: list[int], tmp_path: Path) -> None:
    video = VideoFrames(write_film(tmp_path / "a.mp4", shades(30)), sampling)
    assert video.total == len(expected)
    assert [frame.number for frame in video] == expected


def test_sampling_goes_by_time_where_frames_are_uneven(tmp_path: Path) -> None:
    times = [0, 0.01, 0.02, 1.0, 1.01, 5.0]
    path = write_film(tmp_path / "a.mp4", shades(6), times)
    assert [frame.number for frame in VideoFrames(path, Sampling(fps=1))] == [0, 3, 5]


@pytest.mark.parametrize(
    "wrong", [{"every": 0}, {"every": 1.5}, {"fps": 0}, {"fps": -1}, {"fps": "x"}, {"every": 2, "fps": 3}]
)
def test_wrong_samplings(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="|".join(wrong)):
        Sampling(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ending", "codec"), [("mkv", "libx264"), ("avi", "mjpeg"), ("ts", "mpeg4")])
def test_a_broken_tail_is_told_and_the_rest_is_kept(ending: str, codec: str, tmp_path: Path) -> None:
    path = write_film(tmp_path / f"a.{ending}", noise(100), codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    video = VideoFrames(path)
    found = list(video)
    assert 45 <= len(found) <= 65
    assert video.damage is not None and video.damage.startswith(f"{path}: cut off or damaged")
    assert f"{len(found)} frames could be read" in video.damage


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", noise(100))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    video = VideoFrames(path)
    assert 85 <= len(list(video)) <= 100
    assert video.damage is not None and "damaged place" in video.damage


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "empty"), (b"text " * 99, "no video"), (None, "no such file")]
)
def test_what_is_no_video(content: bytes | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=rf"a\.mp4: .*{told}"):
        VideoFrames(path)


def test_an_mp4_without_index_is_cut_off(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", noise(50))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UnreadableImageError, match=r"a\.mp4: .*cut off"):
        VideoFrames(path)


def test_without_pyav_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingPackageError, match=r"affectzoo\[video\]"):
        VideoFrames(tmp_path / "a.mp4")

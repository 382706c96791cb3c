"""What the app shows, without its page."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fakes.films import Squares, squares, write_film

import affectzoo
from affectzoo.errors import AffectZooError
from affectzoo.files.images import read_image
from affectzoo.inference.colors import COLORS
from affectzoo.inference.prediction import Predictor
from affectzoo.serving import analysis
from affectzoo.serving.analysis import FACE_COLUMNS, TRACK_COLUMNS, Analyst, AppLimits, Live

ASTRONAUT = Path(affectzoo.__file__).parent / "assets" / "demo" / "astronaut.jpg"
EXPRESSION, BOTH = "dlp_cnn_s.ferplus", "mobilenet_v1.multitask"


@pytest.fixture
def analyst(tmp_path: Path) -> Analyst:
    (tmp_path / "out").mkdir()
    return Analyst(tmp_path / "out", AppLimits(megabytes=0.2, megapixels=0.5, seconds=0.5, fps=10), Squares)


def photo(path: Path, *places: tuple[int, int]) -> Path:
    cv2.imwrite(str(path), squares(*places))
    return path


def rows(table: Path | None) -> list[dict[str, Any]]:
    assert table is not None
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_photograph_has_a_picture_rows_and_a_table(analyst: Analyst, tmp_path: Path) -> None:
    found = analyst.photo(photo(tmp_path / "two.png", (10, 20), (90, 40)), BOTH)
    assert found.told == "two.png: 2 faces"
    assert found.picture is not None and found.plane is not None
    assert (found.plane == COLORS[1]).all(axis=2).any()
    assert [row[0] for row in found.rows] == ["1", "2"] and {len(row) for row in found.rows} == {
        len(FACE_COLUMNS)
    }
    told = rows(found.table)
    assert [row["file"] for row in told] == ["two.png"] * 2
    assert found.rows[0][1] == f"{told[0]['label']} {float(told[0]['p_' + told[0]['label']]):.2f}"
    assert found.rows[0][2] == f"{float(told[0]['valence']):+.2f}"


def test_models_without_valence_have_no_plane(analyst: Analyst, tmp_path: Path) -> None:
    found = analyst.photo(photo(tmp_path / "one.png", (10, 20)), EXPRESSION)
    assert found.plane is None and found.rows[0][2:4] == ("", "")


def test_a_face_that_the_model_is_not_sure_of_has_no_label(tmp_path: Path) -> None:
    strict = Analyst(tmp_path, AppLimits(), Squares, abstain=1.0)
    found = strict.photo(photo(tmp_path / "one.png", (10, 20)), EXPRESSION)
    assert found.rows[0][1] == "uncertain" and found.rows[0][4].count(",") == 2
    (told,) = rows(found.table)
    assert told["label"] == "" and told["p_neutral"]


def test_what_a_model_has_no_threshold_for_is_told(tmp_path: Path) -> None:
    strict = Analyst(tmp_path, AppLimits(), Squares, abstain=True)
    assert "have no threshold" in strict.photo(photo(tmp_path / "one.png", (10, 20)), BOTH).told


def test_large_photographs_are_shown_smaller(analyst: Analyst, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((100, 3000, 3), np.uint8))
    found = analyst.photo(tmp_path / "wide.png", EXPRESSION)
    assert found.told == "wide.png: no face found" and found.picture is not None
    assert found.picture.shape[1] == analysis.SHOWN and rows(found.table)[0]["error"] == "no face found"


def test_wrong_files_are_told(analyst: Analyst, tmp_path: Path) -> None:
    cut, long, wide = (tmp_path / name for name in ("cut.jpg", "long.jpg", "wide.png"))
    cut.write_bytes(ASTRONAUT.read_bytes()[:20_000])
    long.write_bytes(bytes(300_000))
    cv2.imwrite(str(wide), np.zeros((800, 800, 3), np.uint8))
    told = {path.name: analyst.photo(path, EXPRESSION) for path in (cut, long, wide)}
    assert told["cut.jpg"].told == "cut.jpg: a damaged JPEG: its end is missing"
    assert "300,000 bytes" in told["long.jpg"].told and "640,000 pixels" in told["wide.png"].told
    assert all(found.picture is None and found.table is None for found in told.values())
    assert str(tmp_path) not in "".join(found.told for found in told.values())


def test_a_video_has_a_film_a_chart_and_its_first_seconds(analyst: Analyst, tmp_path: Path) -> None:
    pytest.importorskip("av")
    images = [squares((20 + n, 30), (200, 150), size=60, shape=(240, 320)) for n in range(30)]
    path = write_film(tmp_path / "film.mp4", images)
    seen: list[tuple[float, float | None]] = []
    found = analyst.video(path, BOTH, smooth=True, progress=lambda done, of: seen.append((done, of)))
    assert found.told == "film.mp4: 2 tracks; the first 0.5 s of it"
    assert [row[0] for row in found.rows] == ["1", "2"] and len(found.rows[0]) == len(TRACK_COLUMNS)
    told = rows(found.table)
    assert {row["file"] for row in told} == {"film.mp4"}
    assert max(float(row["time"]) for row in told) <= 0.5 and len(told) == 2 * len(seen)
    assert seen[-1][0] == len(seen) and seen[-1][1]
    assert found.film is not None and found.film.name == "film.mp4"
    assert found.chart is not None and read_image(found.chart).size


def test_wrong_videos_are_told(analyst: Analyst, tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "none.mp4").write_bytes(b"no video")
    (tmp_path / "long.mp4").write_bytes(bytes(300_000))
    for name, part in [("none.mp4", "no video"), ("long.mp4", "300,000 bytes")]:
        found = analyst.video(tmp_path / name, EXPRESSION)
        assert part in found.told and name in found.told and str(tmp_path) not in found.told
        assert found.film is None and found.table is None
    assert "no video" in analyst.video(photo(tmp_path / "a.png"), EXPRESSION).told


def test_a_camera_is_followed() -> None:
    live = Live(Predictor(BOTH, Squares()))
    planes = []
    for step in range(6):
        image = squares((20 + 6 * step, 30), size=60, shape=(240, 320))
        image[50 : 50 + 6 * step, 40 + 6 * step : 70 + 6 * step] = 30  # so that valence and arousal change
        drawn, plane, told = live(image)
        assert drawn.shape[2] == 3 and plane is not None and "valence" in told
        planes.append((plane == COLORS[0]).all(axis=2).sum())
    assert planes[-1] > planes[0]  # the way it came
    assert live(squares(shape=(240, 320)))[1:] == (None, "no face found")
    assert "expected uint8 RGB" in live(np.zeros((9, 9, 4), np.uint8))[2]
    assert "valence" in live(image)[2]  # a frame that is none ends nothing


def test_a_model_that_is_not_chosen_is_told(analyst: Analyst, tmp_path: Path) -> None:
    assert "the model is of the type NoneType" in analyst.photo(photo(tmp_path / "a.png"), None).told  # type: ignore[arg-type]


def test_models_to_choose_from_take_single_images() -> None:
    assert {EXPRESSION, BOTH} <= set(analysis.choices())
    assert not any(name.startswith(("cnn_gru", "landmarks_s")) for name in analysis.choices())


def test_models_of_clips_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(EXPRESSION, Squares())
    analysis.check_fits(predictor, EXPRESSION)
    monkeypatch.setattr(type(predictor.model), "sequence", True)
    with pytest.raises(AffectZooError, match="videos"):
        analysis.check_fits(predictor, EXPRESSION)


def test_models_of_landmarks_alone_are_refused() -> None:
    with pytest.raises(AffectZooError, match="landmarks alone"):
        analysis.check_fits(Predictor("landmarks_s.rendered", Squares()), "landmarks_s.rendered")

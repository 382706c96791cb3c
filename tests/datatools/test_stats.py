from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import write_afewva, write_ferplus, write_picture
from fakes.affwild import write_affwild

from affectzoo import plots
from affectzoo.cli import main
from affectzoo.datasets.prepared import PLAN
from affectzoo.datatools.stats import figures, quadrants, statistics, statistics_table
from affectzoo.evaluation.source import read
from affectzoo.files.writing import alone_in

HEADER = "path,label,valence,arousal,split,x0,y0,x1,y1,landmarks,subject,clip,frame"
FIVE = "1;1;2;2;3;3;4;4;5;5"
ROWS = (
    f"a.png,happiness,0.5,0.5,train,0,0,10,4,{FIVE},ann,c1,0",
    "b.png,happiness,-0.5,0.25,train,,,,,,ann,c1,1",
    "c.png,neutral,-0.5,-0.25,train,0,0,2,8,,ann,c1,2",
    "d.png,,0.0,0.0,train,,,,,,bob,c2,0",
    "e.png,neutral,,,valid,,,,,,cat,,",
    "f.png,neutral,1,-1,test,1,1,7,7,,dan,c3,4",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "own"
    for i, name in enumerate("abcdef"):
        write_picture(root / f"{name}.png", np.zeros((16, 16 + 4 * (i % 2), 3), np.uint8))
    (root / "faces.csv").write_text("\n".join((HEADER, *ROWS)), encoding="utf-8")
    return root


def test_every_figure_of_a_small_data_set(root: Path) -> None:
    found = statistics(read("table", root))
    assert (found["dataset"], found["faces"], found["left_out"]) == ("table", 6, {})
    assert (list(found["splits"]), found["classes"]) == (
        ["train", "valid", "test", "all"],
        ["happiness", "neutral"],
    )
    train = found["splits"]["train"]
    assert train["faces"] == 4
    assert train["classes"] == {
        "happiness": {"faces": 2, "share": 0.5},
        "neutral": {"faces": 1, "share": 0.25},
    }
    assert train["without_class"] == 1
    assert train["va_faces"] == 4
    valence = np.array([0.5, -0.5, -0.5, 0])
    assert train["valence"] == pytest.approx(
        {"mean": -0.125, "sd": valence.std(ddof=1), "min": -0.5, "max": 0.5}
    )
    assert train["arousal"]["mean"] == pytest.approx(0.125)
    assert train["quadrants"] == {
        "positive, active": 0.5,
        "negative, active": 0.25,
        "negative, calm": 0.25,
        "positive, calm": 0.0,
    }
    assert (train["subjects"], train["faces_per_subject"]) == (2, {"min": 1, "median": 2, "max": 3})
    assert (train["clips"], train["frames_per_clip"]) == (2, {"min": 1, "median": 2, "max": 3})
    assert (train["boxes"], train["box_edge"]) == (2, {"min": 8, "median": 9, "max": 10})
    assert train["landmarks"] == {"5": 1}
    valid, test = found["splits"]["valid"], found["splits"]["test"]
    assert valid.keys() == {"faces", "classes", "without_class", "subjects", "faces_per_subject"}
    assert test["valence"] == {"mean": 1.0, "sd": 0.0, "min": 1.0, "max": 1.0}
    assert found["splits"]["all"]["clips"] == 3
    assert found["pictures"] == {
        "sampled": 6,
        "of": 6,
        "unreadable": 0,
        "width": {"min": 16, "median": 18, "max": 20},
        "height": {"min": 16, "median": 16, "max": 16},
        "sizes": [[16, 16, 3], [20, 16, 3]],
    }
    json.dumps(found)


def test_the_sample_is_as_large_as_asked_and_the_same_each_time(root: Path) -> None:
    index = read("table", root)
    few = statistics(index, sample=3)["pictures"]
    assert (few["sampled"], few["of"], sum(times for *_, times in few["sizes"])) == (3, 6, 3)
    assert few == statistics(index, sample=3)["pictures"]
    (root / "a.png").unlink()
    assert statistics(index)["pictures"]["unreadable"] == 1
    assert statistics(index, sample=0)["pictures"] == {"sampled": 0, "of": 6, "unreadable": 0, "sizes": []}


def test_quadrants_count_zero_as_positive() -> None:
    shares = quadrants(np.array([[0, 0], [-0.1, 0], [0, -0.1], [-0.1, -0.1]]))
    assert list(shares.items()) == [
        ("positive, active", 0.25),
        ("negative, active", 0.25),
        ("negative, calm", 0.25),
        ("positive, calm", 0.25),
    ]


def test_landmarks_that_readers_read_on_demand_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_affwild(tmp_path / "affwild")
    assert main(["data", "stats", "affwild", "--root", str(root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["splits"]["all"]["landmarks"]["68"] > 0
    assert list(found["splits"]) == ["train", "all"]
    assert [str(column.header) for column in statistics_table(found).columns] == ["", "train"]


def test_table_on_screen(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "stats", "table", "--root", str(root)]) == 0
    shown = capsys.readouterr().out
    lines = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in shown.splitlines() if "│" in line}
    assert [cell.strip() for cell in lines["happiness"]] == ["2 (50.0%)", "0 (0.0%)", "0 (0.0%)", "2 (33.3%)"]
    assert lines["valence: range"][1].strip() == ""
    assert lines["frames per clip"][0].strip() == "1 / 2 / 3"
    assert "images: 6 of 6 opened: width 16 / 18 / 20, height 16 / 16 / 16 px" in shown
    assert "written" not in shown


def test_what_was_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_ferplus(tmp_path / "ferplus")
    assert main(["data", "stats", "ferplus", "--root", str(root), "--set", "rule=majority"]) == 0
    assert "excluded: " in capsys.readouterr().out
    assert main(["data", "stats", "ferplus", "--root", str(tmp_path / "nowhere")]) == 1


def test_files_are_json_and_figures_of_what_there_is(
    root: Path, tmp_path: Path, figures_drawn: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["data", "stats", "table", "--root", str(root), "--out", str(out), "--json"]) == 0
    assert json.loads((out / "stats.json").read_text()) == json.loads(capsys.readouterr().out)
    assert {p.name for p in out.iterdir()} == {
        "stats.json",
        "classes.png",
        "valence_arousal.png",
        "sizes.png",
    }
    for path in out.glob("*.png"):
        assert cv2.imread(str(path)).std() > 5
    afewva = read("afewva", write_afewva(tmp_path / "afewva"))
    found = statistics(afewva)
    assert [p.name for p in figures(afewva, found, tmp_path / "va")] == ["valence_arousal.png"]
    assert statistics_table(found).row_count > 10


def test_cells_of_the_circumplex_hold_every_face(tmp_path: Path, figures_drawn: None) -> None:
    tenths = np.stack(np.meshgrid(np.arange(-10, 11) / 10, np.arange(-10, 11) / 10), axis=-1).reshape(-1, 2)
    path = tmp_path / "full.png"
    plots.circumplex_figure({"train": tenths}, {"train": quadrants(tenths)}, path)
    picture = cv2.imread(str(path))
    plots.circumplex_figure({"train": tenths[:1]}, {"train": quadrants(tenths[:1])}, path)
    one = (np.abs(cv2.imread(str(path)).astype(int) - 255).max(axis=2) > 60).mean()
    every = (np.abs(picture.astype(int) - 255).max(axis=2) > 60).mean()
    assert every > one + 0.3  # one face of each level in both directions: every cell is filled


@pytest.mark.parametrize(
    "command",
    [
        ("data", "stats", "table", "--root"),
        ("data", "prepare", "table", "--workers", "1", "--root"),
        ("features", "lbp", "--split", "train", "--data"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_commands_that_write_several_files_do_not_mix_them(
    command: tuple[str, ...], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = f"table={root}" if command[-1] == "--data" else str(root)
    with alone_in(tmp_path / "out"):
        assert main([*command, data, "--out", str(tmp_path / "out")]) == 1
    assert f"{tmp_path / 'out'}: another affectzoo command" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "out").glob("[!.]*")} <= {PLAN}

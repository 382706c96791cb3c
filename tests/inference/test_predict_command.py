"""``affectzoo predict`` on what folders hold: no result is lost, nothing hangs, nothing is hidden."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
from fakes import picture, write_afewva, write_picture
from fakes.commands import Command

import affectzoo
from affectzoo.cli import main
from affectzoo.datamodules import AFEWVA
from affectzoo.datatools.prepare import prepare
from affectzoo.errors import OptionError, OutputError, WeightsError
from affectzoo.faces.detect import SEARCH_SIZE
from affectzoo.inference import inputs
from affectzoo.inference.command import _pieces, _search_size, _Worker
from affectzoo.inference.inputs import Source
from affectzoo.inference.results import FaceResult, columns, write_rows
from affectzoo.inference.unfinished import UnfinishedRun
from affectzoo.labels import LabelSpace
from affectzoo.registry import DEFAULT_MODEL

Screen = pytest.CaptureFixture[str]


def crop(seed: int = 0) -> np.ndarray:
    return picture(np.random.default_rng(seed), 48, 48, 3)


def predict(*arguments: object) -> int:
    return main(["predict", *map(str, arguments), "--detector", "none"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "faces"
    for name in ("a.png", "sub/b.png"):
        write_picture(path / name, crop())
    return path


def odd_names(folder: Path) -> None:
    names = [b"caf\xe9.png", b"take[/b].png", b"[red]x.png", b"\x1b]0;owned\x07.png", b"-x.png", b"=1+1.png"]
    data = (folder / "a.png").read_bytes()
    for name in names:
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_no_name_loses_results(kind: str, folder: Path, capsys: Screen) -> None:
    odd_names(folder)
    os.chdir(folder)
    path = folder.parent / os.fsdecode(b"f\xe9.%s" % kind.encode())
    assert predict(".", "--out", str(path), "--json") == 0
    captured = capsys.readouterr()
    shown = json.loads(captured.out)
    if kind == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    elif kind == "parquet":
        rows = pd.read_parquet(io.BytesIO(path.read_bytes())).to_dict("records")
    else:
        text = path.read_text(encoding="utf-8")
        rows = json.loads(text) if kind == "json" else [json.loads(line) for line in text.splitlines()]
    names = {row["file"] for row in rows}
    quoted = "'" if kind == "csv" else ""
    assert names == {row["file"] for row in shown} - {"-x.png", "=1+1.png"} | {
        f"{quoted}-x.png",
        f"{quoted}=1+1.png",
    }
    assert {r"caf\xe9.png", "take[/b].png", "[red]x.png", r"\x1b]0;owned\x07.png", "a.png"} <= names
    assert len(rows) == len(shown) == 8 and all(row["label"] for row in rows)
    assert not set(captured.out + captured.err) & {"\x1b", "\x07"}


def test_names_are_shown_as_they_are(folder: Path, capsys: Screen) -> None:
    odd_names(folder)
    assert predict(folder) == 0
    shown = capsys.readouterr().out
    for name in ("[red]x.png", "take[/b].png", r"caf\xe9.png", r"\x1b]0;owned\x07.png"):
        assert name in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_the_screen(
    width: int, folder: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("affectzoo.console.WIDTH", width)
    for arguments, wanted in (
        (["predict", str(folder), "--detector", "none"], "prediction"),
        (["models"], "weights"),
        (["models", "--pretrained"], "dlp_cnn_s.ferplus"),
    ):
        assert main(arguments) == 0
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= width and wanted in shown
        head = next(line for line in shown.splitlines() if "┏" in line)
        assert all(len(part) >= 5 for part in head.strip("┏┓").split("┳"))


def test_what_is_no_file_gets_a_row(folder: Path, capsys: Screen) -> None:
    os.mkfifo(folder / "pipe.jpg")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.sock")
        Path("s.sock").rename(folder / "s.jpg")
        assert predict(folder, "--json") == 1
    captured = capsys.readouterr()
    errors = {Path(row["file"]).name: row["error"] for row in json.loads(captured.out)}
    assert errors["a.png"] is None and errors["b.png"] is None
    assert "no regular file" in errors["pipe.jpg"] and "pipe" in errors["pipe.jpg"]
    assert "socket" in errors["s.jpg"] and "nowhere.jpg" in errors["gone.jpg"]
    assert "2 faces in 5 images, 3 unreadable" in captured.err
    assert captured.err.splitlines()[-1].startswith("affectzoo: ")
    for name in ("pipe.jpg", "gone.jpg", "not_there.jpg"):
        assert predict(folder / name, folder / "a.png", "--json") == 1
        captured = capsys.readouterr()
        rows = json.loads(captured.out)
        assert [row["label"] is None for row in rows] == [True, False]
        assert name in captured.err.splitlines()[-1]


def test_names_that_look_like_something_else(folder: Path, capsys: Screen) -> None:
    for name in ("~x.png", "~", "portrait [final].png", "*.png"):
        Path(name).write_bytes((folder / "a.png").read_bytes())
        assert predict(name, "--json") == 0
        assert [row["file"] for row in json.loads(capsys.readouterr().out)] == [name]


def test_folders_given_twice_count_once(folder: Path, capsys: Screen) -> None:
    assert predict(folder, folder, folder / "a.png") == 0
    assert "2 faces in 2 images, 0 unreadable; not read: 3 named twice" in capsys.readouterr().err


def test_litter_and_other_files_are_counted(folder: Path, capsys: Screen) -> None:
    for name in ("@eaDir/1.png", ".ipynb_checkpoints/1.png", "._a.png", "__MACOSX/a.png"):
        write_picture(folder / name, crop())
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    (folder / "notes.txt").write_text("notes")
    (folder / "without_ending").write_bytes((folder / "a.png").read_bytes())
    assert predict(folder, "--json") == 0
    captured = capsys.readouterr()
    assert {Path(row["file"]).name for row in json.loads(captured.out)} == {
        "a.png",
        "b.png",
        "without_ending",
    }
    for part in ("1 HEIC file", "1 other file", "4 hidden or system files"):
        assert part in captured.err
    assert predict(folder / "phone.heic") == 1
    assert "convert it to JPEG" in capsys.readouterr().err


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path, capsys: Screen) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    assert predict(tmp_path) == 1
    assert "holds no images or videos (not read: 1 other file)" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="holds no images"):
        affectzoo.predict(tmp_path, detector="none")


def test_an_empty_name_is_wrong_usage(folder: Path, capsys: Screen) -> None:
    with pytest.raises(SystemExit, match="2"):
        predict("")
    assert "empty" in capsys.readouterr().err
    for empty in ("", ["", "a.png"]):
        with pytest.raises(OptionError, match="input 0 is an empty name"):
            affectzoo.predict(empty, detector="none")


def test_drawings(folder: Path, capsys: Screen) -> None:
    write_picture(folder / "other" / "a.png", crop(3))
    (folder / "broken.png").write_bytes(b"x")
    assert predict(folder, "--render", "out") == 1
    assert sorted(p.name for p in Path("out").iterdir()) == ["a-2.png", "a.png", "b.png", "contact_sheet.jpg"]
    assert predict(folder, "--render", folder) == 1
    assert "folder of their own" in capsys.readouterr().err


def test_names_in_arrays_and_columns(folder: Path) -> None:
    names = [str(folder / "a.png"), str(folder / "sub/b.png")]
    for given in (np.array(names), pd.Series(names), tuple(names), (name for name in names)):
        assert [face.file for face in affectzoo.predict(given, detector="none")] == names


# Results on disk


class Boom(KeyboardInterrupt):
    """Stops a run as Ctrl-C does."""


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for n in range(12):
        write_picture(tmp_path / "many" / f"{n:02}.png", crop(n))
    return tmp_path / "many"


def interrupted(monkeypatch: pytest.MonkeyPatch, after: int, *arguments: object) -> int:
    from affectzoo.inference import inputs

    seen: list[object] = []

    def read(self: inputs.Source) -> np.ndarray:
        seen.append(self)
        if len(seen) > after:
            raise Boom
        return crop(int(Path(self.name).stem))

    with monkeypatch.context() as patch:
        patch.setattr(inputs.Source, "read", read)
        return predict(*arguments, "--batch-size", "2")


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_a_stopped_run_goes_on(
    kind: str, many: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    out = Path(f"f.{kind}")
    assert predict(many, "--out", f"whole.{kind}", "--batch-size", "2") == 0
    out.write_text("older")
    assert interrupted(monkeypatch, 7, many, "--out", out) == 130
    assert "6 inputs are kept" in capsys.readouterr().err
    assert out.read_text() == "older"
    with Path(f"f.{kind}.part").open("ab") as file:
        file.write(b'{"input": "many/05.png", "ro')  # as a kill in the middle of a line leaves it
    assert predict(many, "--out", out) == 1
    assert "--resume" in capsys.readouterr().err
    assert interrupted(monkeypatch, 3, many, "--out", out, "--resume") == 130
    assert predict(many, "--out", out, "--resume", "--batch-size", "2") == 0
    assert out.read_bytes() == Path(f"whole.{kind}").read_bytes()
    assert not Path(f"f.{kind}.part").exists()


def test_only_the_same_run_goes_on(many: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen) -> None:
    assert interrupted(monkeypatch, 7, many, "--out", "f.csv") == 130
    capsys.readouterr()
    assert main(["predict", str(many), "--out", "f.csv", "--resume", "--detector", "haar"]) == 1
    assert "detector was none, is haar" in capsys.readouterr().err
    assert predict(many, "--out", "f.csv", "--resume", "--every", "2") == 1
    assert "every" in capsys.readouterr().err
    text = Path("f.csv.part").read_text().splitlines()
    Path("f.csv.part").write_text("\n".join([*text[:2], "{}", *text[2:]]) + "\n")
    assert predict(many, "--out", "f.csv", "--resume") == 1
    assert "f.csv.part, line 3" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["twice", "lost", "swapped"])
def test_kept_rows_that_are_not_all_there_once_are_damage(change: str, tmp_path: Path) -> None:
    with UnfinishedRun(tmp_path / "f.csv", {}, False) as run:
        for name in ("a.png", "b.png", "c.png"):
            run.add(name, [{"file": name}])
    first, *lines = run.path.read_bytes().splitlines(keepends=True)
    kept = {"twice": [0, 1, 1, 2], "lost": [0, 2], "swapped": [0, 2, 1]}[change]
    run.path.write_bytes(b"".join([first, *(lines[i] for i in kept)]))
    with pytest.raises(OptionError, match=r"f\.csv\.part, line [34]: damaged; delete"):
        UnfinishedRun(tmp_path / "f.csv", {}, True)


@pytest.mark.parametrize("content", [b"half a download", b"\xff\xfe\0", bytes(100), b'{"su?'])
def test_a_file_of_something_else_is_not_cut(content: bytes, tmp_path: Path) -> None:
    part = tmp_path / "f.csv.part"
    part.write_bytes(content)
    for resume in (False, True):
        with pytest.raises(OptionError, match=r"f\.csv\.part"):
            UnfinishedRun(tmp_path / "f.csv", {}, resume)
        assert part.read_bytes() == content
    part.write_bytes(b'{"su')  # a run that ended as it began
    with UnfinishedRun(tmp_path / "f.csv", {}, False) as run:
        assert not run.done


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with UnfinishedRun(tmp_path / "f.csv", {}, False):
        with pytest.raises(OutputError, match="another run"):
            UnfinishedRun(tmp_path / "f.csv", {}, True)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_target_is_found_before_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    monkeypatch.setattr(
        "affectzoo.inference.command.load_model", lambda *_, **__: pytest.fail("work was begun")
    )
    (folder / "file").write_text("x")
    for option in ("--out", "--render"):
        assert predict(folder, option, folder / "file" / "f.csv") == 1
        assert str(folder / "file") in capsys.readouterr().err


def test_a_full_disk_keeps_the_older_file(many: Path, small_disk: None, capsys: Screen) -> None:
    Path("f.csv").write_text("older")
    assert predict(many, "--out", "f.csv", "--batch-size", "1") == 1
    told = capsys.readouterr().err
    assert "f.csv: cannot be written: File too large" in told and "--resume" in told
    assert Path("f.csv").read_text() == "older"
    assert predict(many, "--render", "out") == 1
    assert re.search(r"out/00\.png: cannot be written", capsys.readouterr().err)


def test_files_of_no_rows(tmp_path: Path) -> None:
    for kind in ("csv", "json", "jsonl", "parquet"):
        write_rows([], columns(LabelSpace(("a", "b"))), tmp_path / f"f.{kind}")
    assert json.loads((tmp_path / "f.json").read_text()) == []
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == len(pd.read_csv(tmp_path / "f.csv")) == 0


def test_labels_run_nothing(tmp_path: Path) -> None:
    label = "=cmd|'/c calc'!A0"
    rows = [FaceResult("x", label=label, probabilities={label: 1.0}, error="\x1b[2J").to_row()]
    write_rows(rows, columns(LabelSpace((label, "b"))), tmp_path / "f.csv")
    text = (tmp_path / "f.csv").read_text()
    assert f"'{label}" in text and r"\x1b[2J" in text and "\x1b" not in text


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_in_order(number: int, code: int, many: Path, tmp_path: Path) -> None:
    for n in range(12, 3000):
        (many / f"{n:04}.png").symlink_to("00.png")
    out, part = tmp_path / "f.csv", tmp_path / "f.csv.part"
    given = ("predict", many, "--detector", "none", "--out", out, "--batch-size", "1")
    running = Command(tmp_path, *given)
    running.wait_for(lambda: part.exists() and part.read_bytes().count(b"\n") > 3)
    running.send(number)
    assert running.end(60) == code and "--resume" in running.shown() and "Traceback" not in running.shown()
    assert not out.exists() and part.read_bytes().count(b"\n") > 3


# Object storage, prepared folders, clusters


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """AFEW-VA's faces in shards, some of them with boxes."""
    prepare("afewva", write_afewva(tmp_path / "data"), tmp_path / "out", form="shards", chunk=3, workers=0)
    return tmp_path / "out"


def told(*inputs: object, capsys: Screen, status: int = 0) -> list[dict[str, Any]]:
    assert main(["predict", *map(str, inputs), "--json"]) == status
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_images_behind_addresses(folder: Path, capsys: Screen) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/faces/broken.png", b"x")
    memory.pipe("/faces/film.mp4", b"x")
    memory.put(f"{folder}/", "/faces/", recursive=True)
    near = [*told(folder / "a.png", folder / "sub", capsys=capsys)]
    far = told("memory://faces/", capsys=capsys, status=1)
    names = ["memory:///faces/a.png", "memory:///faces/broken.png", "memory:///faces/sub/b.png"]
    assert [row["file"] for row in far] == names and far[1]["error"].startswith("unreadable: ")
    assert [row["score"] for row in far[::2]] == [row["score"] for row in near]
    assert main(["predict", "memory://faces", "--detector", "none", "--out", "f.csv"]) == 1
    assert "2 faces in 3 images, 1 unreadable; not read: 1 remote video file" in capsys.readouterr().err
    assert len(told("memory://faces/*.png", capsys=capsys, status=1)) == 2
    for none in ("memory://faces/no.png", "memory://empty", "nosuch://bucket/x"):
        (row,) = told(none, capsys=capsys, status=1)
        assert row["file"] == none and row["error"].startswith("unreadable: ")


def test_faces_of_prepared_folders_are_known(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    monkeypatch.setenv("AFFECTZOO_HOME", str(prepared.parent / "home"))
    near = told(prepared, capsys=capsys)
    far = told(prepared.as_uri(), capsys=capsys)
    index = AFEWVA(str(prepared)).read()
    assert [row["file"] for row in near] == [f"{prepared}/{path}" for path in index.table["path"]]
    assert [(row["x0"], row["y1"]) for row in near] == [(box[0], box[3]) for box in index.table["box"]]
    assert [{**row, "file": ""} for row in far] == [{**row, "file": ""} for row in near]
    (prepared / "shards" / "00001.tar").unlink()
    assert len(told(prepared, capsys=capsys, status=1)) == len(near)
    rows = told(prepared.as_uri(), capsys=capsys)  # the local copy has it
    assert rows == far
    monkeypatch.setenv("AFFECTZOO_HOME", str(prepared.parent / "other"))
    inputs._copy.cache_clear()
    rows = told(prepared.as_uri(), capsys=capsys, status=1)
    assert sum(row["error"] is not None for row in rows) == 3 and len(rows) == len(near)


def test_work_is_parted_by_images_and_videos() -> None:
    sources = [Source(f"{n}", video=n in (3, 4)) for n in range(8)]
    pieces = [[source.name for source in piece] for piece in _pieces(sources, 2)]
    assert pieces == [["0", "1"], ["2"], ["3"], ["4"], ["5", "6"], ["7"]]


def test_a_worker_with_other_weights_is_refused(folder: Path) -> None:
    names = (
        "model",
        "weights",
        "backend",
        "detector_file",
        "search_size",
        "device",
        "min_score",
        "min_face",
        "fps",
        "landmarks",
    )
    options = dict.fromkeys(names) | {"detector": "none", "batch_size": 8, "every": 1, "smooth": False}
    args = argparse.Namespace(**options, balance=0.0, abstain=False)
    fingerprint = affectzoo.Predictor(detector="none").backend.fingerprint
    worker = _Worker(args, fingerprint)
    ((frame, (face,)),) = worker([Source("a", folder / "a.png")])
    assert frame.source.name == "a" and face.label is not None
    with pytest.raises(WeightsError, match="has other weights"):
        _Worker(args, "other")


@pytest.mark.parametrize("option", [("--render", "out"), ("--device", "cuda:1")])
def test_what_is_not_for_clusters(option: tuple[str, str], folder: Path, capsys: Screen) -> None:
    with pytest.raises(SystemExit, match="2"):
        predict(folder, "--engine", "ray", *option)
    assert "--engine ray" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "defaults"), [("predict", (DEFAULT_MODEL, SEARCH_SIZE)), ("serve", (DEFAULT_MODEL,))]
)
def test_help_names_the_defaults(
    command: str, defaults: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"(default: {one})" in shown for one in defaults)


def test_a_default_that_is_named_is_the_same_run() -> None:
    kept = [_search_size(argparse.Namespace(search_size=given)) for given in (None, SEARCH_SIZE, 640)]
    assert kept == [SEARCH_SIZE, SEARCH_SIZE, 640]

"""The data commands on copies with odd names, litter, wrong units and damage that readers cannot see."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import picture, write_own_table, write_picture, write_rafdb

from affectzoo.cli import main
from affectzoo.datamodules import Table
from affectzoo.datasets.prepared import read_prepared
from affectzoo.datatools.check import check
from affectzoo.datatools.checks import _alike
from affectzoo.datatools.prepare import prepare
from affectzoo.errors import AffectZooError, DataError, OptionError, UnreadableImageError
from affectzoo.evaluation.source import data_module, options
from affectzoo.faces.preprocess import Preprocess


def classes(root: Path) -> Path:
    """Two classes, and a name that is not UTF-8."""
    random = np.random.default_rng(0)
    for name in ("anger/1.png", "anger/2.png", "fear/3.png", "fear/4.png"):
        write_picture(root / name, picture(random, 20, 20, 3))
    folder = os.fsencode(root / "anger")
    os.rename(folder + b"/2.png", folder + b"/\xfcber.png")  # noqa: PTH104
    return root


def run(*words: str) -> int:
    try:
        return main(["data", *words])
    except SystemExit as status:
        return int(status.code or 0)


@pytest.mark.parametrize("name", ["plain", "set[/b]", "[red]"])
def test_names_from_outside_are_shown_as_they_are(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = classes(tmp_path / name)
    (root / "fear" / "broken.png").write_bytes(b"x")
    assert run("check", "folder", "--root", str(root)) == 1
    assert f"{name}/fear/broken.png" in capsys.readouterr().out.replace("\n", "")
    assert run("check", "folder", "--root", str(root), "--json") == 1
    assert json.loads(capsys.readouterr().out)["faces"] == {"train": 5}
    assert run("stats", "folder", "--root", str(root), "--out", str(tmp_path / "stats")) == 0
    assert run("stats", "folder", "--root", str(root), "--json") == 0
    assert run("prepare", "folder", "--root", str(root), "--out", str(tmp_path / "out"), "--json") == 0
    prepared = read_prepared(tmp_path / "out", "Folder", {})
    assert (len(prepared), prepared.left_out) == (4, {"unreadable image": 1})
    assert run("check", "folder", "--root", str(tmp_path / "out")) == 0


def test_what_is_not_used_is_noted(tmp_path: Path) -> None:
    root = classes(tmp_path / "data")
    (root / "sadness").mkdir()
    write_picture(root / "@eaDir" / "1.jpg", np.zeros((9, 9, 3), np.uint8))
    notes = {f.message: f.severity for f in check("folder", root).by_kind()["seen and not used"]}
    assert notes == {"class folder without images: sadness": "note", "hidden or system file": "note"}


@pytest.mark.parametrize(
    ("name", "other", "alike"),
    [
        ("suprise", "surprise", True),
        ("anger", "\u200banger", True),
        ("anger", "angar", True),
        ("non-face", "non face", True),
        ("sad", "mad", False),
        ("anger", "danger", True),
        ("class 1", "class 2", False),
        ("-1", "+1", False),
        ("fear", "anger", False),
        ("happily_surprised", "happily_disgusted", False),
    ],
)
def test_classes_of_nearly_the_same_name(name: str, other: str, alike: bool) -> None:
    assert (_alike(name, other) is not None) == alike == (_alike(other, name) is not None)


def test_nearly_equal_classes_are_noted(tmp_path: Path) -> None:
    root = write_own_table(tmp_path)
    lines = (root / "faces.csv").read_text().replace("happiness", "\u200bhappiness", 1)
    (root / "faces.csv").write_text(lines, encoding="utf-8")
    report = check("table", root)
    (note,) = report.by_kind()["classes of nearly the same name"]
    assert "\\u200b" in note.message and note.severity == "note"


@pytest.mark.parametrize(
    ("name", "other", "alike"),
    [
        ("p1", "P1", True),
        ("p1", "p01", True),
        ("p 1", "p1\u200b", True),
        ("p1", "p10", False),
        ("p100", "p1000", False),
        ("1-1", "11", False),
        ("0", "00", True),
    ],
)
def test_subjects_and_clips_of_nearly_the_same_name(
    name: str, other: str, alike: bool, tmp_path: Path
) -> None:
    lines = ["path,label,subject,clip,frame"]
    for i in range(4):
        write_picture(tmp_path / f"{i}.png", np.full((9, 9), 40 * i, np.uint8))
        lines.append(f"{i}.png,fear,{(name, other)[i % 2]},{(name, other)[i % 2]},{i}")
    (tmp_path / "faces.csv").write_text("\n".join(lines), encoding="utf-8")
    found = check("table", tmp_path, pictures=False).by_kind()
    for column in ("subject", "clip"):
        notes = found.get(f"{column}s of nearly the same name", [])
        assert [(note.severity, note.where.rpartition(" ")[2]) for note in notes] == [("note", "3")] * alike


def test_small_and_large_boxes_and_shares_are_faults(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = ["path,label,x0,y0,x1,y1"]
    for i, box in enumerate(("2,2,18,18", "2,2,5,18", "-9,-9,3.5,18", "2,2,6,6", "-99,-99,99,99")):
        write_picture(tmp_path / f"{i}.png", picture(random, 20, 20, 3))
        lines.append(f"{i}.png,fear,{box}")
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    found = check("table", tmp_path).by_kind()
    for kind, lines_at in (("too small for a face", ["3", "4"]), ("many times larger than its image", ["6"])):
        assert [fault.where.rpartition(" ")[2] for fault in found[f"box {kind}"]] == lines_at
    (tmp_path / "faces.csv").write_text("path,label,x0,y0,x1,y1\n0.png,fear,0.1,0.1,0.9,0.9")
    report = check("table", tmp_path)
    assert any("shares" in finding.message for finding in report.faults)


def test_options_are_checked_by_name_and_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_rafdb(tmp_path)
    assert run("check", "rafdb", "--root", str(root), "--set", "pictures=original") == 0
    for wrong in ("pictures=whole", "picture=original", "pictures=[1]", "batch_size=x", "points={", "part="):
        capsys.readouterr()
        assert run("check", "rafdb", "--root", str(root), "--set", wrong) in (1, 2)
        assert wrong.partition("=")[0] in capsys.readouterr().err
    assert data_module("rafdb", root, options(["pictures=original", "batch_size=4"])).batch_size == 4
    with pytest.raises(OptionError, match="root"):
        data_module("rafdb", root, {"root": "elsewhere"})


def test_names_that_no_file_can_have_are_missing_pictures(tmp_path: Path) -> None:
    write_picture(tmp_path / "1.png", np.zeros((9, 9), np.uint8))
    lines = ["path,label", "1.png,fear", f"{'x' * 300}.png,fear", f"{'y' * 5000}/2.png,anger"]
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    assert len(check("table", tmp_path).by_kind()["listed image is missing"]) == 2


def test_a_reader_that_fails_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Table) -> Any:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(Table, "read_index", fail)
    (fault,) = check("table", tmp_path).faults
    assert "unforeseen" in fault.message and fault.where == str(tmp_path)


@pytest.mark.parametrize("form", ["loose", "shards"])
def test_altered_crops_are_found_when_read_and_by_check(tmp_path: Path, form: Any) -> None:
    root = write_own_table(tmp_path / "data")
    out = tmp_path / "out"
    prepare("table", root, out, form=form, chunk=100, workers=0)
    assert not check("table", out).faults
    crop = sorted((out / ("faces" if form == "loose" else "shards")).rglob("*.*"))[0]
    content = bytearray(crop.read_bytes())
    content[512 + 40 if form == "shards" else len(content) // 2] ^= 1
    crop.write_bytes(bytes(content))
    (fault,) = [finding for finding in check("table", out).faults if finding.kind == "cannot be opened"]
    assert crop.name in fault.message
    data = Table(str(out), preprocess=Preprocess(size=16), num_workers=0)
    data.setup("fit")
    with pytest.raises(UnreadableImageError, match=crop.name):
        for part in ("train", "valid"):
            list(data._part(part))


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"format": 1, "module": 3}', ""])
def test_damaged_state_of_a_preparation_is_named(tmp_path: Path, text: str) -> None:
    root, out = write_own_table(tmp_path / "data"), tmp_path / "out"
    prepare("table", root, out, workers=0)
    whole = (out / "prepared.json").read_text()
    (out / "prepared.json").write_text(text)
    with pytest.raises(DataError, match=r"prepared\.json"):
        Table(str(out)).read()
    (out / "prepared.json").write_text(whole.replace("happiness", "joy"))
    with pytest.raises(DataError, match=r"prepared\.json.*labels"):
        Table(str(out)).read()
    (out / "prepared.json").unlink()
    (out / "prepared.plan.json").write_text(text)
    with pytest.raises(AffectZooError, match=r"prepared"):
        prepare("table", root, out, workers=0)

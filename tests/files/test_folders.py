from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

import affectzoo
from affectzoo.errors import DataError, OptionError
from affectzoo.files.folders import filenames, look, obstacle, subfolders, unused, user_path, walk

LITTER = (".DS_Store", "._1.jpg", "Thumbs.db", "desktop.ini", "Desktop.INI")


def test_litter_is_passed_over_and_counted(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", *LITTER):
        (tmp_path / name).write_bytes(b"x")
    for name in ("@eaDir", "__MACOSX", ".ipynb_checkpoints", "anger"):
        (tmp_path / name).mkdir()
    with unused() as seen:
        listing = look(tmp_path)
    assert (listing.files, listing.folders) == (("a.jpg", "b.jpg"), ("anger",))
    assert listing.litter == seen["hidden or system file"] == len(LITTER) + 3
    assert filenames(tmp_path) == listing.files
    assert subfolders(tmp_path) == [tmp_path / "anger"]
    assert filenames(tmp_path / "nowhere") == ()


def test_special_files_are_told_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path must be short
        try:
            server.bind("socket.jpg")
        finally:
            os.chdir(here)
        with unused() as seen:
            listing = look(tmp_path)
    assert listing.files == ()
    told = {path.name: reason for path, reason in listing.special}
    assert told["pipe.jpg"] == "a pipe"
    assert told["socket.jpg"] == "a socket"
    assert "nowhere.jpg" in told["gone.jpg"]
    assert "loop.jpg" in told
    assert seen.total() == 4


def test_links_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "1.jpg").write_bytes(b"x")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "z").symlink_to(tmp_path / "a")
    found = [listing.path.relative_to(tmp_path).as_posix() for listing in walk(tmp_path)]
    assert found == [".", "a", "a/b"]


def test_names_that_are_not_utf8_can_be_opened(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"x")
    (name,) = look(tmp_path).files
    assert (tmp_path / name).read_bytes() == b"x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    last = list(walk(tmp_path))[-1]
    assert last.special[0][0] == tmp_path / "closed"
    with pytest.raises(DataError, match="closed"):
        look(tmp_path / "closed")


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for name in ("file", "nowhere", "x\0y"):
        with pytest.raises((DataError, ValueError)):
            list(walk(tmp_path / name))
    assert obstacle(tmp_path) is obstacle(tmp_path / "file") is None
    assert obstacle(tmp_path / "nowhere") == "no such file"
    assert obstacle(tmp_path / "x\0y")


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "a/" * 3000, "half \ud800 character"])
def test_what_this_system_cannot_name_is_no_path(name: str) -> None:
    with pytest.raises(OptionError, match="is no possible path"):
        user_path(name)
    with pytest.raises(OptionError, match="is no possible path"):
        affectzoo.load(name)
    with pytest.raises(OptionError, match="is no possible path"):
        affectzoo.create_model("dlp_cnn_s", labels=["a", "b"]).save_pretrained(name)

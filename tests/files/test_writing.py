"""Files are whole or not there; what was there before stays until then."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from affectzoo.errors import AffectZooError, OutputError
from affectzoo.files.writing import alone_in, try_writing, write_bytes, write_json, write_text, writing

pytest.importorskip("resource")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "results" / "faces.csv"
    write_text(path, "old\n")
    return path


def untouched(target: Path) -> bool:
    return target.read_text() == "old\n" and list(target.parent.iterdir()) == [target]


def test_a_file_is_replaced_at_the_end(target: Path) -> None:
    with writing(target) as part:
        assert part.suffix == ".csv" and part.parent == target.parent and part.name.startswith(".")
        part.write_text("new\n")
        assert target.read_text() == "old\n"
    assert target.read_text() == "new\n" and list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), SystemExit(143)])
def test_nothing_is_left_of_a_failure(target: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)), writing(target) as part:
        part.write_text("half")
        raise failure
    assert untouched(target)


def test_a_full_disk_keeps_the_older_file_and_is_named(target: Path, small_disk: None) -> None:
    for write in (
        lambda: write_bytes(target, bytes(20_000)),
        lambda: write_text(target, "x" * 20_000),
        lambda: write_json(target, ["x"] * 9_000),
    ):
        with pytest.raises(OutputError, match=r"faces\.csv: cannot be written: File too large"):
            write()
        assert untouched(target)


def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for target in (tmp_path, tmp_path / "file" / "f.csv", tmp_path / ("n" * 300)):
        with pytest.raises(OutputError, match="cannot be written") as stop:
            try_writing(target)
        assert str(stop.value).startswith(str(target)) and isinstance(stop.value, AffectZooError | OSError)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="rights do not bind root")
def test_a_protected_file_is_not_replaced(target: Path) -> None:
    target.chmod(0o444)
    with pytest.raises(OutputError, match="write-protected"):
        try_writing(target)


def test_trying_leaves_everything_as_it_was(target: Path) -> None:
    try_writing(target)
    assert untouched(target)
    try_writing(target.parent / "new" / "other.csv")
    assert list((target.parent / "new").iterdir()) == []


def test_rights_and_links_stay(target: Path, tmp_path: Path) -> None:
    target.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    write_text(link, "new\n")
    assert link.is_symlink() and target.read_text() == "new\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    mask = os.umask(0o027)
    try:
        write_text(tmp_path / "fresh.csv", "")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "fresh.csv").stat().st_mode) == 0o640


def test_errors_about_other_files_pass(target: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), writing(target):
        Path("elsewhere").read_text()
    with pytest.raises(ConnectionRefusedError), writing(target):
        raise ConnectionRefusedError(111, "refused")
    assert untouched(target)


def test_devices_are_written_directly() -> None:
    write_text(Path(os.devnull), "x" * 100)
    assert not Path(os.devnull).is_file()


def test_one_command_at_a_time_writes_its_files_into_a_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path / "out"), pytest.raises(OutputError, match="another affectzoo command"):
        with alone_in(tmp_path / "out"):
            pass
    with alone_in(tmp_path / "out"):
        pass
    with pytest.raises(OutputError, match="cannot be written"), alone_in(Path("/dev/null/out")):
        pass


def test_text_that_no_encoding_holds_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "caf\udce9\r\n")
    assert (tmp_path / "a.txt").read_bytes() == b"caf\\udce9\r\n"
    write_json(tmp_path / "a.json", {"caf\udce9": [float("nan"), 1]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"caf\udce9": [None, 1]}


def test_killed_at_any_moment_the_file_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    script = (
        "import sys; from pathlib import Path; from affectzoo.files.writing import write_json\n"
        "for n in range(10**9): write_json(Path(sys.argv[1]), [n] * 20_000)"
    )
    for delay in (0.05, 0.11, 0.17):
        running = subprocess.Popen([sys.executable, "-c", script, str(target)])
        deadline = time.monotonic() + 30
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(delay)
        running.kill()
        running.wait()
        assert len(set(json.loads(target.read_text()))) == 1
        target.unlink()

"""The command line as a whole; what each command does is tested with the module that does it."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fakes import write_picture

from affectzoo.cli import main
from affectzoo.cli.parser import COMMANDS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict x --batch-size 0", "--batch-size: '0': expected a whole number from 1"),
        ("features hog --limit many", "--limit: 'many': expected a whole number from 1"),
        ("features hog --split dev", "--split: invalid choice: 'dev'"),
        ("calibrate x --data a=b --out c --split dev", "--split: invalid choice: 'dev'"),
        (
            "data prepare ferplus --root x --out y --workers -1",
            "--workers: '-1': expected a whole number from 0",
        ),
        ("publsh x", "invalid choice: 'publsh'"),
    ],
)
def test_usage_errors_say_what_is_expected(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments.split())
    assert message in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for add in COMMANDS:
        assert re.search(rf"^    {add.__name__.removeprefix('add_')}\s+\w", shown, re.MULTILINE)
    assert "cross-validate  fit and test on every fold" in shown


def test_paragraphs_fit_the_terminal_and_examples_stay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for command in ("models", "app", "doctor"):
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        shown = capsys.readouterr().out
        assert all(len(line) < 60 for line in shown.splitlines() if "affectzoo" not in line), command
    with pytest.raises(SystemExit, match="0"):
        main(["compare", "--help"])
    assert "\n  affectzoo compare leaderboard dlp_cnn_s.ferplus hog+svm --metric mean_diagonal\n" in (
        capsys.readouterr().out
    )


def test_an_unknown_command_is_told_all_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["fitt"])
    told = capsys.readouterr().err
    assert "'fitt'" in told and all(f"'{name}'" in told for name in ("fit", "cross-validate", "predict"))


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    script = "from affectzoo.cli import main; import sys; sys.exit(main(['models', '--json']))"
    running = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    told = running.stderr.read().decode()
    running.stderr.close()
    assert running.wait(60) == 1
    assert told == ""


@pytest.mark.parametrize("command", ["serve", "app"])
@pytest.mark.parametrize("port", ["65536", "99999", "-1", "x", "80.5"])
def test_ports_that_are_none(command: str, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--port", port])
    assert stop.value.code == 2 and port in capsys.readouterr().err


def test_closed_streams_are_open_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["recipes"]) == 0
    assert main(["recipes", "--show", "nope"]) == 1


def test_a_current_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["recipes"]) == 1
    assert capsys.readouterr().err.startswith("affectzoo: the current folder: No such file")


def test_commands_to_type_are_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "a b"
    (place / "anger").mkdir(parents=True)
    write_picture(place / "anger" / "0.png", np.zeros((8, 8, 3), np.uint8))
    for given, told in (
        (["leaderboard", str(place)], f"--out '{place}'"),
        (["predict", "x.png", "--model", str(place)], f"--ckpt_path '{place}/checkpoints/last.ckpt'"),
        (["data", "check", "ferplus", "--root", str(place)], f"--root '{place}'"),
        (
            ["data", "prepare", "folder", "--root", str(place), "--out", f"{place}_out"],
            f"--data.root '{place}_out'",
        ),
    ):
        with suppress(SystemExit):
            main(given)
        shown = capsys.readouterr()
        assert told in shown.out + shown.err

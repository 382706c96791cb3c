"""``affectzoo reproduce``: what a record is of, its commands, and measuring it again."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import write_ferplus

from affectzoo.cli import main
from affectzoo.errors import AffectZooError, OptionError
from affectzoo.evaluation.record import read_record
from affectzoo.leaderboard.reproducing import _counterpart, differing, measuring_command

BUNDLED = Path(__file__).parents[2] / "model_cards" / "records"


@pytest.mark.parametrize("path", sorted(BUNDLED.rglob("*.json")), ids=lambda path: path.stem)
def test_every_record_of_a_card(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = read_record(path)
    data = record["protocol"]["data"]["test"]
    main(["reproduce", str(path), "--data", f"{data}=faces here", "--out", "again"])
    told = capsys.readouterr().out
    assert record["system"] in told and record["model"]["sha256"][0] in told
    seed = record["model"]["training"].get("seed")
    assert (f"--seed_everything {seed}" in told) == (seed is not None)
    last = told.splitlines()[-1]
    assert last.startswith("measure   affectzoo ") and ("--out again" in last or "--run_dir again" in last)
    assert "faces here" in last


def test_commands_name_folders_of_this_machine() -> None:
    record: dict[str, Any] = {"protocol": {"data": {"test": "ferplus"}}}
    record["command"] = "affectzoo benchmark --data ferplus=/a --data rafdb=/b --models m --out c"
    told = measuring_command(record, {"ferplus": Path("here")}, Path("out"))
    assert told == "affectzoo benchmark --data ferplus=here --data rafdb=/b --models m --out out".split()
    record["command"] = "affectzoo test --recipe x/y --data.root /a --run_dir c"
    told = measuring_command(record, {"ferplus": Path("here")}, Path("out"))
    assert told == "affectzoo test --recipe x/y --data.root here --run_dir out".split()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "benchmark --data=ferplus=/a --models m --out=c",
            "benchmark --data ferplus=here --models m --out out",
        ),
        (
            "benchmark --data rafdb=/b ferplus=/a --models m",
            "benchmark --data rafdb=/b ferplus=here --models m --out out",
        ),
        ("test --data.root=/a --run_dir=c", "test --data.root here --run_dir out"),
        (
            "test --data x.Y --data.init_args.root /a",
            "test --data x.Y --data.init_args.root here --run_dir out",
        ),
        ("validate --config c.yaml", "validate --config c.yaml --data.root here --run_dir out"),
        ("test --config 'a b; rm'", "test --config 'a b; rm' --data.root here --run_dir out"),
    ],
)
def test_results_go_nowhere_else(command: str, expected: str) -> None:
    record = {"protocol": {"data": {"test": "ferplus"}}, "command": f"affectzoo {command}"}
    told = measuring_command(record, {"ferplus": Path("here")}, Path("out"))
    assert told == shlex.split(f"affectzoo {expected}")


def test_data_that_the_record_is_not_of() -> None:
    record = {"protocol": {"data": {"test": "ferplus"}}, "command": "affectzoo benchmark --data ferplus=/a"}
    with pytest.raises(OptionError, match="rafdb"):
        measuring_command(record, {"rafdb": Path("here")}, Path("out"))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A copy of a card's record."""
    path = next((BUNDLED / "dlp_cnn_s.ferplus").glob("ferplus_valid-*.json"))
    return Path(shutil.copy(path, tmp_path / "record.json"))


@pytest.mark.slow
def test_measures_again_and_compares(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = write_ferplus(tmp_path / "ferplus", per_class=2)
    out = tmp_path / "board"
    given = ["benchmark", "--data", f"ferplus={root}", "--models", "dlp_cnn_s.ferplus", "--split", "valid"]
    assert not main([*given, "--out", str(out)])
    measured = next((out / "records").glob("*.json"))
    again = ["reproduce", str(measured), "--run", "--out"]
    assert not main([*again, str(tmp_path / "again")])
    assert "measured" in capfd.readouterr().out
    assert main([*again, str(tmp_path / "again")]) == 1
    assert "there already" in capfd.readouterr().err
    record = json.loads(measured.read_text())
    record["metrics"]["accuracy"]["value"] += 0.002
    measured.write_text(json.dumps(record))
    assert main([*again, str(tmp_path / "second")]) == 1
    assert "figures differ by more than 0.001: accuracy" in capfd.readouterr().err
    record["model"]["tensors_sha256"] = "0" * 64
    measured.write_text(json.dumps(record))
    assert main([*again, str(tmp_path / "third")]) == 1
    assert "other weights" in capfd.readouterr().err


def test_what_cannot_be_measured(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(kept.read_text())
    others = ("", "rm -rf /", "affectzoo", "affectzoo publish runs/x --repo a/b", "affectzoo benchmark 'open")
    for command in others:
        kept.write_text(json.dumps(record | {"command": command}))
        assert main(["reproduce", str(kept), "--run"]) == 1
        assert "by what command" in capsys.readouterr().err
    kept.write_text(json.dumps(record | {"command": "affectzoo benchmark --nonsense"}))
    assert main(["reproduce", str(kept), "--run", "--out", str(tmp_path / "x")]) == 1
    assert "status 2" in capsys.readouterr().err


def test_one_of_several_systems() -> None:
    first, second = ({"system": name, "protocol": {"title": "faces"}} for name in ("first", "second"))
    assert _counterpart(second, [first, second], Path("out")) is second
    with pytest.raises(AffectZooError, match="expected one"):
        _counterpart(second, [first, first], Path("out"))


def test_records_with_less_in_them(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(kept.read_text())
    del record["versions"]
    kept.write_text(json.dumps(record))
    assert not main(["reproduce", str(kept)])
    assert "versions  not known" in capsys.readouterr().out
    record["model"]["training"]["recipe"] = ["a list"]
    kept.write_text(json.dumps(record))
    assert main(["reproduce", str(kept)]) == 1
    assert "training.recipe" in capsys.readouterr().err


def test_what_differs() -> None:
    one = {"metrics": {"accuracy": {"value": 0.5}, "f1": {"value": None}, "ccc": {"value": 0.1}}}
    other = {"metrics": {"accuracy": {"value": 0.5009}, "f1": {"value": None}, "ccc": {"value": None}}}
    assert differing(one, one) == [] and len(differing(one, other)) == 1

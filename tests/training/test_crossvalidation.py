"""Cross-validation: folds as runs of their own, resumed, summed up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from fakes import write_afewva
from fakes.commands import Command, fork_commands
from fakes.records import make_value_record

import affectzoo
from affectzoo import weights
from affectzoo.cli import main
from affectzoo.datasets.afewva import afewva_folds
from affectzoo.errors import AffectZooError, DataError
from affectzoo.evaluation.crossvalidation import join_folds
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.record import Identity, predictions, read_records, records_of, write_record
from affectzoo.training import crossvalidation
from affectzoo.training.crossvalidation import cross_validate, summary


def test_mean_and_spread_by_hand() -> None:
    records = [
        {
            "metrics": {"ccc": {"value": ccc, "low": 0.0, "high": 1.0}},
            "clips": {"clips": 2, "rule": None, "metrics": {"ccc": {"value": ccc / 2}}},
        }
        for ccc in (0.1, 0.2, 0.6)
    ]
    table = summary(records)
    assert list(table.columns) == ["mean", "sd", "fold_0", "fold_1", "fold_2"]
    assert list(table.index) == ["ccc", "clip_ccc"]
    assert table.loc["ccc", "mean"] == pytest.approx(0.3)
    assert table.loc["ccc", "sd"] == pytest.approx(0.0700**0.5)  # sample variance (0.04 + 0.01 + 0.09) / 2
    assert table.loc["clip_ccc", "mean"] == pytest.approx(0.15)


def test_folds_of_data_that_changed_are_not_joined() -> None:
    tables = [pd.DataFrame({"id": ids}) for ids in (["a", "b"], ["c"], ["d", "b"])]
    with pytest.raises(DataError, match="face b was tested in folds 0 and 2"):
        join_folds([], tables, name="n", spec="s", command="")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipes" / "arch" / "data.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("model: {}\n")
    return path


class Commands:
    """Stands in for fit and test, and notes how they were called."""

    def __init__(self, fails_at: str | None = None) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.fails_at = fails_at

    def __call__(self, *arguments: str) -> None:
        run = Path(arguments[arguments.index("--run_dir") + 1])
        if self.fails_at == f"{arguments[0]} {run.name}":
            raise AffectZooError("failed")
        self.calls.append((arguments[0], run.name, *arguments[1:]))
        if arguments[0] == "fit":
            run.mkdir()
            model = affectzoo.create_model("dlp_cnn_s", task="va")
            weights.write(run / "model.safetensors", model.network_state(), model.describe())
        else:
            identity = Identity.read(run / "model.safetensors")
            fold = int(run.name[-1])
            options = {"stage": "test", "clip_rule": "probabilities", "scale": 1.0}
            record = make_value_record("x", [fold / 10], options=options, labels=None)
            record["protocol"]["truth"] = str(fold) * 64
            record["model"] |= {"sha256": [identity.file], "tensors_sha256": identity.tensors}
            truth = np.random.default_rng(fold).uniform(-1, 1, 8)
            told = {"valence": truth * (1 - fold / 10), "arousal": truth}
            table = {"id": [f"x/{fold}{i}" for i in range(8)], "subject": "a", "clip": None, "frame": None}
            table |= {
                f"{kind}{n}": v if kind == "" else truth for n, v in told.items() for kind in ("", "true_")
            }
            write_record(run, record, {".csv": pd.DataFrame(table)})

    def did(self) -> list[str]:
        return [f"{call[0]} {call[1]}" for call in self.calls]


def test_goes_on_where_it_stopped(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, options = tmp_path / "cv", ["--model.weights", "start/{fold}"]
    first = Commands(fails_at="test fold_1")
    monkeypatch.setattr(crossvalidation, "_affectzoo", first)
    with pytest.raises(AffectZooError, match="failed"):
        cross_validate(recipe, options, 3, folder)
    assert first.did() == ["fit fold_0", "test fold_0", "fit fold_1"]
    second = Commands()
    monkeypatch.setattr(crossvalidation, "_affectzoo", second)
    cross_validate(recipe, options, 3, folder)
    assert second.did() == ["test fold_1", "fit fold_2", "test fold_2"]
    (record,) = read_records(folder)
    assert [fold["metrics"]["pcc_valence"] for fold in record["folds"]] == pytest.approx([1, 1, 1])
    errors = [fold["metrics"]["rmse_valence"] for fold in record["folds"]]
    assert record["metrics"]["rmse_valence"]["value"] == pytest.approx(np.mean(errors)) and errors[0] == 0
    assert record["metrics"]["rmse_valence"]["sd"] == pytest.approx(np.std(errors, ddof=1))
    assert record["faces"]["total"] == 24 and len(set(record["model"]["sha256"])) == 3
    assert read_table(predictions(folder, record))["fold"].tolist() == [0] * 8 + [1] * 8 + [2] * 8
    table = pd.read_csv(folder / "cross_validation.csv", index_col=0)
    assert table.loc["ccc", ["fold_0", "fold_1", "fold_2"]].tolist() == pytest.approx([0, 0.1, 0.2])


def test_an_interrupted_fold_is_resumed_from_its_last_epoch(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = tmp_path / "cv" / "fold_0" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    torch.save({"affectzoo": {}, "state_dict": {}, "epoch": 0, "global_step": 3}, last)
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(crossvalidation, "_affectzoo", lambda *arguments: calls.append(arguments))
    with pytest.raises(AffectZooError, match="fold_0"):  # nothing was really run
        cross_validate(recipe, [], 2, tmp_path / "cv")
    assert calls[0][0] == "fit" and calls[0][-2:] == ("--ckpt_path", str(last))
    assert calls[1][0] == "test" and "--ckpt_path" not in calls[1]


def test_a_damaged_checkpoint_is_passed_over(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cv" / "fold_0" / "checkpoints"
    folder.mkdir(parents=True)
    for name, step in (("best", 3), ("last", 6)):
        facts = {"affectzoo": {}, "state_dict": {}, "epoch": 0, "global_step": step}
        torch.save(facts, folder / f"{name}.ckpt")
    last = folder / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-40])
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(crossvalidation, "_affectzoo", lambda *arguments: calls.append(arguments))
    for way in (["--ckpt_path", str(folder / "best.ckpt")], ["--overwrite", "true"]):
        with pytest.raises(AffectZooError, match="fold_0"):  # nothing was really run
            cross_validate(recipe, [], 2, tmp_path / "cv")
        assert list(calls[-2][-2:]) == way
        assert str(last) in capsys.readouterr().err
        (folder / "best.ckpt").unlink(missing_ok=True)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_damaged_plan_is_named(recipe: Path, tmp_path: Path, content: str) -> None:
    plan = tmp_path / "cv" / "plan.json"
    plan.parent.mkdir()
    plan.write_text(content)
    with pytest.raises(AffectZooError, match="plan"):
        cross_validate(recipe, [], 2, tmp_path / "cv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_plans_place_is_named_and_not_waited_for(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "cv").mkdir()
    os.mkfifo(tmp_path / "cv" / "plan.json")
    with pytest.raises(AffectZooError, match=r"plan\.json: damaged"):
        cross_validate(recipe, [], 2, tmp_path / "cv")


@pytest.mark.parametrize(("status", "code"), [(130, 130), (143, 143), (-2, 130), (-15, 143)])
def test_stops_at_an_interrupted_fold(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: int
) -> None:
    ended = """
import os, signal, sys
status = int(sys.argv[1])
if status < 0:
    signal.signal(-status, signal.SIG_DFL)  # which is ignored where the tests run in the background
    os.kill(os.getpid(), -status)
sys.exit(status)
"""
    popen = subprocess.Popen
    started: list[list[str]] = []

    def start(command: list[str]) -> subprocess.Popen[bytes]:
        started.append(command)
        return popen([sys.executable, "-c", ended, str(status)])

    monkeypatch.setattr(crossvalidation.subprocess, "Popen", start)
    with pytest.raises(SystemExit) as stopped:
        cross_validate(recipe, [], 3, tmp_path / "cv")
    assert stopped.value.code == code and len(started) == 1


def test_each_fold_gets_its_number_and_is_tested_with_its_own_weights(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands()
    monkeypatch.setattr(crossvalidation, "_affectzoo", commands)
    cross_validate(recipe, ["--model.weights", "start/{fold}"], 2, tmp_path / "cv")
    fit, test = commands.calls[2], commands.calls[3]
    assert fit[fit.index("--data.fold") + 1] == "1" and fit[fit.index("--data.folds") + 1] == "2"
    assert "start/1" in fit
    given = [test[i + 1] for i, name in enumerate(test) if name == "--model.weights"]
    assert given[-1] == str(tmp_path / "cv" / "fold_1")


def test_folds_of_other_options_are_not_mixed(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossvalidation, "_affectzoo", Commands())
    cross_validate(recipe, [], 2, tmp_path / "cv")
    with pytest.raises(AffectZooError, match=r"with other options and folds.*Choose another --run_dir"):
        cross_validate(recipe, ["--trainer.max_epochs", "1"], 3, tmp_path / "cv")
    recipe.write_text("model: {x: 1}\n")
    with pytest.raises(AffectZooError, match="with other config"):
        cross_validate(recipe, [], 2, tmp_path / "cv")
    with pytest.raises(AffectZooError, match="at least 2"):
        cross_validate(recipe, [], 1, tmp_path / "one")


@pytest.mark.slow
def test_command_line_over_real_folds(tmp_path: Path) -> None:
    root = write_afewva(tmp_path / "data")
    recipe = tmp_path / "recipes" / "dlp_cnn_s" / "afewva.yaml"
    recipe.parent.mkdir(parents=True)
    content = {
        "model": {"class_path": "affectzoo.modules.DLPCNNSmall", "init_args": {"task": "va"}},
        "data": {
            "class_path": "affectzoo.datamodules.AFEWVA",
            "init_args": {"root": str(root), "batch_size": 4, "num_workers": 0},
        },
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
    }
    recipe.write_text(yaml.safe_dump(content))
    running = Command(tmp_path, "cross-validate", "--config", recipe, "--folds", "2", first=fork_commands)
    assert running.end() == 0, running.shown()
    folder = tmp_path / "runs" / "dlp_cnn_s-afewva-folds"
    (record,) = read_records(folder)
    assert f"{record['metrics']['ccc_valence']['value']:.4f}" in running.shown()
    assert record["command"].startswith("affectzoo cross-validate --config")
    assignment = afewva_folds(root, 2)
    for fold in range(2):
        run = folder / f"fold_{fold}"
        (own,) = records_of(run, Identity.read(run / "model.safetensors"))
        table = read_table(predictions(run, own))
        assert set(table["subject"]) == {name for name, of in assignment.items() if of == fold}
        assert record["folds"][fold]["faces"] == own["faces"]["total"] == len(table)
        for name, figure in own["metrics"].items():
            assert record["folds"][fold]["metrics"][name] == figure["value"], "from predictions as written"


def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["cross-validate"])
    assert stopped.value.code == 2 and "--config" in capsys.readouterr().err
    assert main(["cross-validate", "--config", str(tmp_path / "none.yaml")]) == 1
    assert "no such recipe" in capsys.readouterr().err

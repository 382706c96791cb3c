"""Trainings that are killed at any moment lose nothing: started again, they end with their weights.

Longer: AFFECTZOO_KILLS=200 pytest tests/training/test_kill.py
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from fakes import write_afewva, write_ferplus

import affectzoo
from affectzoo.training.checkpoints import FOLDER, readable
from affectzoo.training.runs import CONFIG

KILLS = int(os.environ.get("AFFECTZOO_KILLS", "4"))
RECIPES = Path(__file__).parents[2] / "recipes" / "dlp_cnn_s"
SMALL = ("--data.batch_size=8", "--data.num_workers=1", "--trainer.accelerator=cpu")
QUIET = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")

pytestmark = pytest.mark.slow


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "affectzoo", *arguments]
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def killed(process: subprocess.Popen[bytes], after: float) -> bool:
    """Whether a command and all its processes had to be killed, rather than end well before."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    assert process.returncode == 0
    return False


def fit(folder: Path, root: Path) -> subprocess.Popen[bytes]:
    """Begin, go on, or begin again, as the messages of ``fit`` tell users to."""
    run = folder / "run"
    good = readable(run / FOLDER)
    if good:
        assert good[0].name == "last.ckpt"
        return start(folder, "fit", "--config", str(run / CONFIG), "--ckpt_path", str(good[0]))
    options = ("--trainer.max_epochs=3", f"--data.root={root}", "--overwrite=true", *SMALL, *QUIET)
    return start(folder, "fit", "--config", str(RECIPES / "ferplus.yaml"), "--run_dir", str(run), *options)


def test_a_fit_that_is_killed_ends_with_its_weights(tmp_path: Path) -> None:
    root = write_ferplus(tmp_path / "data")
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    assert not killed(fit(whole, root), 600)
    length = time.monotonic() - began
    draw = random.Random(KILLS)
    kills = 0
    while kills < KILLS:
        if not killed(fit(tmp_path, root), draw.uniform(0.3, 1.0) * length):
            break
        kills += 1
        folder = tmp_path / "run" / FOLDER
        assert set(folder.glob("*.ckpt")) == set(readable(folder))  # none is damaged
    else:
        assert not killed(fit(tmp_path, root), 600)
    model, without = (affectzoo.load(folder / "run") for folder in (tmp_path, whole))
    assert model.meta.training.epochs == without.meta.training.epochs == 3
    assert model.meta.training.train_hash == without.meta.training.train_hash


def test_a_cross_validation_that_is_killed_ends_with_its_table(tmp_path: Path) -> None:
    root = write_afewva(tmp_path / "data")
    recipe = tmp_path / "dlp_cnn_s" / "afewva.yaml"
    recipe.parent.mkdir()
    content = {
        "model": {"class_path": "affectzoo.modules.DLPCNNSmall", "init_args": {"task": "va"}},
        "data": {"class_path": "affectzoo.datamodules.AFEWVA", "init_args": {"root": str(root)}},
        "trainer": {"max_epochs": 1},
    }
    recipe.write_text(yaml.safe_dump(content))
    command = ("cross-validate", "--config", str(recipe), "--folds", "2", "--run_dir", "cv", *SMALL, *QUIET)
    draw = random.Random(KILLS)
    began = time.monotonic()
    for _ in range(KILLS):
        if not killed(start(tmp_path, *command), draw.uniform(5.0, 40.0)):
            break
    else:
        assert not killed(start(tmp_path, *command), 900 + time.monotonic() - began)
    written = json.loads((tmp_path / "cv" / "cross_validation.json").read_text())
    assert [record["fold"] for record in written["records"]] == [0, 1]

"""What a training shows: one line while it runs, then what came of it and what to do next."""

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from rich.progress import Progress

from affectzoo.store import ASSETS
from affectzoo.training import report
from affectzoo.training.checkpoints import BestCheckpoint
from affectzoo.training.command import FIT, _telling, run
from affectzoo.training.progress import OneLineProgress

if TYPE_CHECKING:
    from affectzoo.weights import WeightsMeta

FACES = ASSETS / "demo" / "rendered"


@pytest.mark.slow
def test_a_training_tells_what_came_of_it(tmp_path: Path) -> None:
    for name in ("anger", "happiness"):
        (tmp_path / "faces").mkdir(exist_ok=True)
        (tmp_path / "faces" / name).symlink_to(FACES / name)
    line = "fit --recipe dlp_cnn_s/folder --data.root faces --run_dir runs/my~run --trainer.max_epochs 2"
    more = [
        "--model.labels",
        "[anger, happiness]",
        "--data.num_workers",
        "0",
        "--trainer.precision",
        "bf16-mixed",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "affectzoo", *line.split(), *more],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "60", "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "dlp_cnn_s: 1,333,122 parameters, all of them trained" in done.stdout + done.stderr
    assert "FLOPs" not in done.stdout
    assert re.search(
        r"best epoch: [12] of 2, valid/accuracy [01]\.\d{4} "
        r"\(of \d+ faces alone, which says little\)\n"
        r"weights: runs/my~run/model\.safetensors\n"
        r"next: affectzoo predict photo\.jpg --model 'runs/my~run'\n\Z",
        done.stdout,
    )
    assert "held out for validation" in done.stderr
    for foreign in ("LeafSpec", "TPU", "stopped:", "Warning"):
        assert foreign not in done.stderr


def test_help_begins_with_a_whole_command_and_ends_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(["fit", "--help"])
    told = capsys.readouterr().out
    assert told.startswith("usage: affectzoo fit --recipe ARCH/DATASET --data.root DIR")
    assert "--trainer.max_epochs" in told and FIT.splitlines()[1] in told.splitlines()


@pytest.fixture
def trainer() -> Any:
    """A training of 60 steps, 30 of which are done, the first 10 before it was resumed."""
    metrics = {"valid/accuracy": 0.5, "valid/f1": 0.4, "train/loss": 2.0}
    return SimpleNamespace(
        state=SimpleNamespace(fn="fit"),
        global_step=30,
        current_epoch=2,
        max_epochs=5,
        checkpoint_callbacks=[BestCheckpoint(monitor="valid/accuracy", mode="max")],
        callback_metrics={name: torch.tensor(value) for name, value in metrics.items()},
    )


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (30, "epoch 3 of 5  4/10"),
        (60, "epoch 3 of 5  4/10  0:00:15 left  valid/accuracy 0.500"),
        (80, "epoch 3 of 5  4/10  0:00:15 left  valid/accuracy 0.500"),
        (120, "epoch 3 of 5  4/10  0:00:15 left  valid/accuracy 0.500  train/loss 2.000"),
    ],
)
def test_a_line_has_the_time_left_and_the_figures_that_fit(
    columns: int, shown: str, trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(time, "monotonic", lambda: 110.0)
    bar = OneLineProgress()
    bar._start, bar._steps = (100.0, 10), 60.0
    assert bar.get_metrics(trainer, trainer) == {}
    *drawn, line = bar.configure_columns(trainer)
    assert len(drawn) == (columns >= 80)
    progress = Progress()
    progress.add_task("Epoch 2/4 ", total=10, completed=4)
    (task,) = progress.tasks
    assert str(line(task)) == shown and len(shown) <= columns
    trainer.global_step = 10
    assert bar.left(trainer) is None  # nothing is known before the first step
    trainer.global_step, bar._steps = 30, math.inf
    assert bar.left(trainer) is None  # nor of a training without an end


def test_a_log_file_has_a_line_every_half_minute(
    trainer: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = OneLineProgress()
    bar._start, bar._steps, bar._logged = (100.0, 10), 60.0, 100.0
    for now in (110.0, 140.0, 150.0):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        bar.on_train_epoch_end(trainer, trainer)
    assert capsys.readouterr().err == "epoch 3 of 5  0:01:00 left  valid/accuracy 0.500  train/loss 2.000\n"
    monkeypatch.setattr(time, "monotonic", lambda: 200.0)
    trainer.current_epoch = 5  # the trainer has counted one more after the last
    bar.on_train_epoch_end(trainer, trainer)
    assert capsys.readouterr().err.startswith("epoch 5 of 5  ")
    monkeypatch.setattr(time, "monotonic", lambda: 260.0)
    bar.disable()
    bar.on_train_epoch_end(trainer, trainer)
    assert capsys.readouterr().err == ""


def test_a_validation_within_a_training_has_no_line(trainer: Any) -> None:
    bar = OneLineProgress()
    bar.on_validation_batch_start(trainer, None, None, 0)  # would ask for what this trainer lacks
    assert bar.val_progress_bar_id is None


def test_the_last_epochs_weights_are_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    best = BestCheckpoint(monitor="valid/accuracy", mode="max")
    best.best_model_score = torch.tensor(0.75)
    meta = cast(
        "WeightsMeta", SimpleNamespace(training=SimpleNamespace(epochs=9), sequence=True, landmarks=True)
    )
    path = tmp_path / "runs" / "x" / "model.safetensors"
    told = report._end(path, meta, 9, report.LAST_RULE, best, 5).splitlines()
    assert told[0] == "weights of the last of 9 epochs (highest valid/accuracy of any epoch: 0.7500)"
    assert told[2] == "next: affectzoo predict film.mp4 --landmarks FILE --model runs/x"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert str(path) in report._end(path, meta, 9, report.LAST_RULE, None, 5)


def test_messages_of_the_training_are_kept() -> None:
    def told(message: str) -> bool:
        return _telling(logging.LogRecord("x", logging.INFO, "x", 1, message, None, None))

    assert told("folder: train 30 faces") and not told("TPU available: False, using: 0 TPU cores")


@pytest.mark.parametrize(
    ("stage", "precision", "able", "told"),
    [
        ("fit", "bf16-mixed", False, True),
        ("fit", "bf16-mixed", True, False),
        ("fit", "32-true", False, False),
        ("test", "bf16-mixed", False, False),
    ],
)
def test_bf16_on_a_processor_without_it_is_told(
    stage: str, precision: str, able: bool, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(report, "rank_zero_info", said.append)
    monkeypatch.setattr(report, "has_bf16", lambda: able)
    device = SimpleNamespace(root_device=torch.device("cpu"))
    given = cast(Any, SimpleNamespace(datamodule=None, precision=precision, strategy=device))
    report.RunReport().setup(given, cast(Any, None), stage)
    assert bool(said) == told

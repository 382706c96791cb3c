"""Trainings that are told to stop: exit status, the line that resumes, SLURM's requeue."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import write_afewva, write_ferplus
from fakes.commands import Command, fork_commands

import affectzoo
from affectzoo.training.checkpoints import FOLDER, LAST, read_training, readable

RECIPE = Path(__file__).parents[2] / "recipes" / "dlp_cnn_s" / "ferplus.yaml"
LONG = ("--trainer.max_epochs=4000", "--model.schedule.name=constant", "--data.num_workers=0")
SMALL = ("--data.batch_size=4", "--trainer.accelerator=cpu", "--trainer.limit_val_batches=1")
QUIET = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")
RUN = Path("runs") / "dlp_cnn_s-ferplus"

pytestmark = pytest.mark.slow


@pytest.fixture
def fit(tmp_path: Path) -> list[str]:
    root = write_ferplus(tmp_path / "data", 1)
    given = ["fit", "--config", str(RECIPE), f"--data.root={root.relative_to(tmp_path)}"]
    return [*given, *LONG, *SMALL, *QUIET]


def resume(shown: str) -> list[str]:
    """The command that a stopped training tells."""
    return shlex.split(
        next(line for line in shown.splitlines() if "to resume" in line).partition("affectzoo ")[2]
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_says_how_to_resume_it(
    fit: list[str], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    running = Command(tmp_path, *fit)
    running.wait_for((tmp_path / RUN / FOLDER / LAST).is_file)
    running.send(number)
    assert running.end() == status
    assert "Traceback" not in running.shown() and not list(tmp_path.glob("runs/*/*.safetensors"))
    before = read_training(tmp_path / RUN / FOLDER / LAST)["epoch"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = Command(elsewhere, *resume(running.shown()), f"--trainer.max_epochs={before + 3}")
    assert done.end() == 0, done.shown()
    assert {path.name for path in elsewhere.iterdir()} == {done.log.name}
    assert affectzoo.load(tmp_path / RUN).meta.training.epochs == before + 3


def test_two_processes_stop_together(fit: list[str], tmp_path: Path) -> None:
    two = ("--trainer.devices=2", "--trainer.strategy=ddp")
    command = [sys.executable, "-m", "affectzoo", *fit, *two]
    log = tmp_path / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=file, stderr=file, start_new_session=True)
    try:
        for _ in range(6000):
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.05)
            if (tmp_path / RUN / FOLDER / LAST).is_file():
                break
        process.send_signal(signal.SIGTERM)  # the first process alone, as whoever started it knows no other
        assert process.wait(120) == 143, log.read_text()
        with pytest.raises(ProcessLookupError):  # once the other one is gone, too
            for _ in range(600):
                os.killpg(process.pid, 0)
                time.sleep(0.1)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    shown = log.read_text()
    assert "Traceback" not in shown and shown.count("to resume") == 1
    before = read_training(tmp_path / RUN / FOLDER / LAST)["epoch"]
    one = ("--trainer.devices=1", "--trainer.strategy=auto", f"--trainer.max_epochs={before + 2}")
    done = Command(tmp_path, *resume(shown), *one)
    assert done.end() == 0, done.shown()


def slurm(folder: Path) -> dict[str, str]:
    """A job's environment, with a ``scontrol`` that notes what it was asked for in ``asked.txt``."""
    scontrol = folder / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked.txt\n')
    scontrol.chmod(0o755)
    numbers = dict.fromkeys(("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"), "0")
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "1", "SLURM_NODELIST": "localhost"}
    return {**numbers, **job, "PATH": f"{scontrol.parent}:{os.environ['PATH']}"}


def test_slurm_requeues_a_training_that_goes_on_in_its_folder(fit: list[str], tmp_path: Path) -> None:
    job = slurm(tmp_path)
    running = Command(tmp_path, *fit, **job)
    running.wait_for((tmp_path / RUN / FOLDER / LAST).is_file)
    running.send(signal.SIGUSR1)  # as with #SBATCH --signal=SIGUSR1@90
    running.wait_for((tmp_path / "asked.txt").is_file)
    running.send(signal.SIGTERM)
    assert running.end() == 143 and (tmp_path / "asked.txt").read_text() == "requeue 7\n"
    newest, *others = readable(tmp_path / RUN, tmp_path / RUN / FOLDER)
    assert (tmp_path / RUN / "hpc_ckpt_1.ckpt") in (newest, *others)
    before = read_training(newest)["global_step"]
    again = Command(tmp_path, *fit, **job)
    again.wait_for(lambda: read_training(tmp_path / RUN / FOLDER / LAST)["global_step"] > before)
    again.send(signal.SIGTERM)
    assert again.end() == 143 and f"the checkpoint at {newest}" in again.shown()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [RUN.name]


def test_a_stopped_cross_validation_tests_nothing(tmp_path: Path) -> None:
    root = write_afewva(tmp_path / "data")
    recipe = tmp_path / "recipe.yaml"
    content: dict[str, Any] = {
        "model": {"class_path": "affectzoo.modules.DLPCNNSmall", "init_args": {"task": "va"}},
        "data": {"class_path": "affectzoo.datamodules.AFEWVA", "init_args": {"root": str(root)}},
    }
    recipe.write_text(yaml.safe_dump(content))
    given = ("cross-validate", "--config", recipe, "--folds", "2", "--run_dir", "cv", *LONG, *SMALL, *QUIET)
    last = tmp_path / "cv" / "fold_0" / FOLDER / LAST
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        before = last.stat().st_mtime_ns if last.is_file() else 0
        running = Command(tmp_path, *given, first=fork_commands)
        running.wait_for(lambda was=before: last.is_file() and last.stat().st_mtime_ns > was)
        running.send(number)
        assert running.end() == status and "Traceback" not in running.shown()
        assert {path.name for path in (tmp_path / "cv").iterdir()} == {"plan.json", "fold_0"}
        made = {path.name for path in (tmp_path / "cv" / "fold_0").iterdir()}
        assert not {"model.safetensors", "records"} & made
    assert read_training(last)["epoch"] > 0  # the second one went on with the first one's

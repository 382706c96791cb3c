"""Trainings that are told to stop: exit status, the line that resumes, SLURM's requeue."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import write_ferplus

import affectzoo
from affectzoo.training.checkpoints import FOLDER, LAST

RECIPE = Path(__file__).parents[2] / "recipes" / "dlp_cnn_s" / "ferplus.yaml"
LONG = ("--trainer.max_epochs=400", "--model.schedule.name=constant")
SMALL = ("--data.batch_size=4", "--data.num_workers=0", "--trainer.accelerator=cpu")
QUIET = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")

pytestmark = pytest.mark.slow


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    root = write_ferplus(tmp_path / "data")
    fit = [sys.executable, "-m", "affectzoo", "fit", "--config", str(RECIPE)]
    return [*fit, f"--data.root={root.relative_to(tmp_path)}", *SMALL, *QUIET]


def after_an_epoch(command: list[str], folder: Path, **variables: str) -> subprocess.Popen[str]:
    """A training that has a checkpoint."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **variables},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    last = folder / "runs" / "dlp_cnn_s-ferplus" / FOLDER / LAST
    end = time.monotonic() + 600
    while not last.is_file():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_says_how_to_resume_it(
    command: list[str], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    process = after_an_epoch([*command, *LONG], tmp_path)
    process.send_signal(number)
    shown, _ = process.communicate(timeout=300)
    assert process.returncode == status and "Traceback" not in shown
    resume = next(line for line in shown.splitlines() if "to resume" in line).partition("affectzoo ")[2]
    assert list(tmp_path.glob("runs/*/*.safetensors")) == []
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    epochs = ["--trainer.max_epochs=1000", "--trainer.max_time=00:00:00:01"]
    done = [sys.executable, "-m", "affectzoo", *shlex.split(resume), *epochs]
    assert subprocess.run(done, cwd=elsewhere, check=False).returncode == 0
    assert not list(elsewhere.iterdir())
    assert affectzoo.load(tmp_path / "runs" / "dlp_cnn_s-ferplus").meta.training.epochs >= 1


def test_slurm_requeues_a_training_that_goes_on_in_its_folder(command: list[str], tmp_path: Path) -> None:
    asked = tmp_path / "asked.txt"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    scontrol.chmod(0o755)
    job = {
        "PATH": f"{scontrol.parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": "1",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": "localhost",
    }
    process = after_an_epoch([*command, *LONG], tmp_path, **job)
    process.send_signal(signal.SIGUSR1)  # as with #SBATCH --signal=SIGUSR1@90
    end = time.monotonic() + 300
    while not asked.is_file():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 143 and asked.read_text() == "requeue 7\n"
    run = tmp_path / "runs" / "dlp_cnn_s-ferplus"
    (saved,) = run.glob("hpc_ckpt_*.ckpt")
    again = after_an_epoch([*command, *LONG], tmp_path, **job)
    time.sleep(1)
    again.send_signal(signal.SIGTERM)
    shown, _ = again.communicate(timeout=300)
    assert again.returncode == 143 and str(saved) in shown
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [run.name]

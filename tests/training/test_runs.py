"""A run's folder, its checkpoints and its monitors, without a training."""

from __future__ import annotations

import errno
import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch

from affectzoo.errors import AffectZooError, OptionError, OutputError, UnknownNameError, WeightsError
from affectzoo.training.checkpoints import (
    FOLDER,
    BestCheckpoint,
    DurableCheckpointIO,
    LastCheckpoint,
    read_training,
    readable,
)
from affectzoo.training.faults import readable_fault
from affectzoo.training.monitor import better, check_monitors
from affectzoo.training.runs import RunExistsError, claim, claim_numbered

FACTS = {"affectzoo": {}, "state_dict": {}, "epoch": 0, "global_step": 1}


def save(path: Path, **changed: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**FACTS, **changed}, path)
    return path


# Folders


def test_a_taken_folder_is_refused_and_says_how_to_go_on(tmp_path: Path) -> None:
    run = claim(tmp_path / "run", ["fit"])
    assert run.claimed
    with pytest.raises(RunExistsError, match="without a checkpoint"):
        claim(tmp_path / "run", ["fit"])
    save(run.last)
    with pytest.raises(FileExistsError, match=r"--config .*config\.yaml --ckpt_path .*last\.ckpt"):
        claim(tmp_path / "run", ["fit"])
    (run.folder / "model.safetensors").touch()
    with pytest.raises(RunExistsError, match="finished"):
        claim(tmp_path / "run", ["fit"])


def test_overwriting_keeps_the_old_run_until_the_new_one_has_something(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    claim(folder, ["fit"])
    (folder / "model.safetensors").write_text("old")
    failed = claim(folder, ["fit"], overwrite=True)
    assert not (folder / "model.safetensors").exists()
    failed.tidy()
    assert (folder / "model.safetensors").read_text() == "old" and list(tmp_path.iterdir()) == [folder]
    trained = claim(folder, ["fit"], overwrite=True)
    save(trained.last)
    trained.tidy()
    assert not (folder / "model.safetensors").exists() and list(tmp_path.iterdir()) == [folder]


def test_files_that_are_no_run_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for overwrite in (False, True):
        with pytest.raises(RunExistsError, match=str(tmp_path)):
            claim(tmp_path, ["fit"], overwrite=overwrite)
        with pytest.raises(RunExistsError, match=r"thesis\.tex: is no folder"):
            claim(tmp_path / "thesis.tex", ["fit"], overwrite=overwrite)
    assert (tmp_path / "thesis.tex").exists()


def test_a_failed_fit_leaves_no_folder(tmp_path: Path) -> None:
    run = claim(tmp_path / "run", ["fit"])
    for name in ("csv", FOLDER):  # the latter as a full disk leaves it
        (run.folder / name).mkdir()
    run.tidy()
    assert not list(tmp_path.iterdir())


def _claim_after(start: float, base: Path) -> str:
    time.sleep(max(0.0, start - time.time()))
    return str(claim_numbered(base, ["fit"]).folder)


def test_runs_that_start_together_get_different_folders(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(8) as pool:
        start = time.time() + 0.5
        folders = pool.starmap(_claim_after, [(start, tmp_path / "x")] * 24)
    assert len(set(folders)) == 24


def test_a_requeued_job_goes_on_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    first = claim_numbered(tmp_path / "x", ["fit"])
    assert claim_numbered(tmp_path / "x", ["fit"]).folder == first.folder  # the same job, once more
    assert claim_numbered(tmp_path / "x", ["fit", "--seed_everything", "1"]).folder != first.folder
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert claim_numbered(tmp_path / "x", ["fit"]).folder.name == "x-3"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    (first.folder / "model.safetensors").touch()
    assert claim_numbered(tmp_path / "x", ["fit"]).folder.name == "x-4"


# Checkpoints


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04" + bytes(99), b"\x80\x02."])
def test_other_files_are_refused_and_the_last_good_one_is_offered(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="last") as refused:
        read_training(path)
    assert "\n" not in str(refused.value) and "ckpt_path" not in str(refused.value)
    save(tmp_path / "older.ckpt", global_step=1)
    save(tmp_path / "best.ckpt", global_step=2)
    with pytest.raises(WeightsError, match=r"last.ckpt.*--ckpt_path .*best.ckpt"):
        read_training(path)


def test_a_cut_checkpoint_is_damaged_and_another_dictionary_is_none(tmp_path: Path) -> None:
    path = save(tmp_path / "last.ckpt", state_dict={"x": torch.zeros(1000)})
    assert readable(tmp_path) == [path]
    path.write_bytes(path.read_bytes()[:-100])
    assert readable(tmp_path) == []
    torch.save({"state_dict": {}}, path)
    with pytest.raises(WeightsError, match="affectzoo"):
        read_training(path)


def test_early_checkpoints_have_their_tensors_under_todays_names(tmp_path: Path) -> None:
    early = {"network.trunk.x": torch.zeros(1), "feature_term.centers": torch.ones(1)}
    read = read_training(save(tmp_path / "last.ckpt", state_dict=early, current_model_state=early))
    assert set(read["state_dict"]) == set(read["current_model_state"]) == {"trunk.x", "feature_term.centers"}


def test_what_a_killed_process_could_not_finish_is_no_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    path = save(folder / "last.ckpt")
    save(folder / ".last.0a1b2c3d.ckpt", global_step=9)
    (folder / ".best.0a1b2c3d.ckpt").touch()
    assert readable(folder) == [path]
    requeued = save(tmp_path / "hpc_ckpt_1.ckpt", global_step=2)
    assert readable(folder, tmp_path) == [requeued, path]
    trainer = pl.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path)
    LastCheckpoint().setup(trainer, pl.LightningModule(), "test")
    assert len(list(folder.iterdir())) == 3
    LastCheckpoint().setup(trainer, pl.LightningModule(), "fit")
    assert list(folder.iterdir()) == [path]


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    DurableCheckpointIO().save_checkpoint({**FACTS, "epoch": 4}, path)

    def full(checkpoint: object, file: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"last\.ckpt.*No space"):
        DurableCheckpointIO().save_checkpoint({**FACTS, "epoch": 5}, path)
    assert read_training(path)["epoch"] == 4 and list(path.parent.iterdir()) == [path]


WRITER = """
import sys, torch
from pathlib import Path
from affectzoo.training.checkpoints import DurableCheckpointIO
facts = {"affectzoo": {}, "state_dict": {"x": torch.zeros(4_000_000)}, "global_step": 1}
epoch = 0
while True:
    DurableCheckpointIO().save_checkpoint({**facts, "epoch": epoch}, Path(sys.argv[1]))
    print(epoch, flush=True)
    epoch += 1
"""


@pytest.mark.slow
def test_a_kill_while_writing_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    written = -1
    for _ in range(4):
        written = int(process.stdout.readline())
    time.sleep(0.007)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert read_training(path)["epoch"] >= written


# Monitors


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("valid/loss", "min"),
        ("train/loss", "min"),
        ("valid/rmse_valence", "min"),
        ("valid/clip_mse_arousal", "min"),
        ("valid/accuracy", "max"),
        ("valid/clip_mean_diagonal", "max"),
        ("valid/weighted_f1", "max"),
        ("valid/ccc", "max"),
        ("valid/sagr_arousal", "max"),
    ],
)
def test_the_mode_follows_from_the_metric(monitor: str, mode: str) -> None:
    assert better(monitor) == mode
    assert BestCheckpoint(monitor).mode == mode


@pytest.mark.parametrize("monitor", ["valid/los", "accuracy", "test/accuracy", "", "valid/"])
def test_unknown_metrics_are_refused_with_those_that_are_known(monitor: str) -> None:
    with pytest.raises(UnknownNameError, match="valid/"):
        BestCheckpoint(monitor)


def test_a_mode_against_its_metric_is_refused() -> None:
    check_monitors([SimpleNamespace(), BestCheckpoint("valid/loss", "min")])
    with pytest.raises(OptionError, match="valid/loss"):
        check_monitors([BestCheckpoint("valid/loss", "max")])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_never_wins(value: float) -> None:
    trainer = SimpleNamespace(
        strategy=SimpleNamespace(reduce_boolean_decision=lambda decision, all=True: decision)
    )
    for mode in ("min", "max"):
        monitor = {"min": "valid/loss", "max": "valid/accuracy"}[mode]
        assert not BestCheckpoint(monitor).check_monitor_top_k(trainer, torch.tensor(value))
        assert BestCheckpoint(monitor).check_monitor_top_k(trainer, torch.tensor(0.1))


# Faults


def test_a_loading_workers_traceback_becomes_one_line() -> None:
    text = "Caught {0} in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
    text += "  File x\n    call()\n{0}: {1}\n"
    ours = readable_fault(WeightsError(text.format("affectzoo.errors.UnreadableImageError", "a.png: cut")))
    assert str(ours) == "a.png: cut" and isinstance(ours, AffectZooError)
    other = readable_fault(ZeroDivisionError(text.format("ZeroDivisionError", "by zero")))
    assert isinstance(other, AffectZooError) and str(other).endswith("ZeroDivisionError: by zero")
    killed = readable_fault(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "))
    assert isinstance(killed, AffectZooError) and "num_workers" in str(killed)
    plain = RuntimeError("a fault of ours")
    assert readable_fault(plain) is plain

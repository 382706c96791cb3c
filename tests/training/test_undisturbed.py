"""A resumed training ends where the undisturbed one does, bit for bit on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fakes import write_afewva, write_ferplus

from affectzoo.cli import main
from affectzoo.datamodules.samplers import TrainingSampler
from affectzoo.training.checkpoints import FOLDER, LAST, read_training

LIGHTNING = "lightning.pytorch.callbacks."
STEPS = 3  # of an epoch: FER+'s fake has 24 training faces

FACES: dict[str, Any] = {
    "model": {
        "class_path": "affectzoo.modules.DLPCNNSmall",
        "init_args": {"labels": "ferplus8", "dropout": 0.5, "schedule": {"name": "one_cycle"}},
    },
    "data": {
        "class_path": "affectzoo.datamodules.FERPlus",
        "init_args": {"rule": "probability", "augment": "robust", "imbalance": "weighted"},
    },
}
CLIPS: dict[str, Any] = {
    "model": {
        "class_path": "affectzoo.modules.CNNGRU",
        "init_args": {"task": "va", "backbone": "resnet18", "dropout": 0.5},
    },
    "data": {
        "class_path": "affectzoo.datamodules.AFEWVA",
        "init_args": {"window": 2, "valid_fraction": 0.5},
    },
}


def trained(folder: Path, recipe: Path, *options: str) -> dict[str, Any]:
    """Fit as the recipe says; the run's last checkpoint."""
    assert main(["fit", "--config", str(recipe), "--run_dir", str(folder), *options]) == 0
    return read_training(folder / FOLDER / LAST)


def written(folder: Path, content: dict[str, Any], root: Path, **init: object) -> Path:
    """A recipe of three epochs that keeps a checkpoint of each step and of each validation."""
    content = yaml.safe_load(yaml.safe_dump(content))
    content["model"]["init_args"].update(init)
    content["data"]["init_args"].update(root=str(root), batch_size=8, num_workers=1)
    keep = {"every_n_train_steps": 1, "save_top_k": -1, "filename": "{step}"}
    validated = {"save_top_k": -1, "filename": "validated_{epoch}", "save_on_train_epoch_end": False}
    content["trainer"] = {
        "max_epochs": 3,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "callbacks": [
            {"class_path": LIGHTNING + "EMAWeightAveraging", "init_args": {"decay": 0.8}},
            {"class_path": LIGHTNING + "ModelCheckpoint", "init_args": keep},
            {"class_path": LIGHTNING + "ModelCheckpoint", "init_args": validated},
        ],
    }
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    return recipe


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    for kind in ("state_dict", "current_model_state", "memory"):
        torch.testing.assert_close(one.get(kind, {}), other.get(kind, {}), rtol=0, atol=0)
    assert one["global_step"] == other["global_step"]


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["none", "center", "locality"])
def test_faces(loss: str, tmp_path: Path) -> None:
    settings = {"name": loss, "k": 3, "weight": 0.01, "memory": 24 if loss == "locality" else 0}
    recipe = written(tmp_path, FACES, write_ferplus(tmp_path / "data"), feature_loss=settings)
    whole = trained(tmp_path / "whole", recipe)
    assert whole["global_step"] == 3 * STEPS
    if loss == "locality":
        assert (whole["memory"]["labels"] >= 0).any()
    for step in (STEPS - 1, STEPS, STEPS + 1):  # amid an epoch, at its end, amid the next
        (start,) = (tmp_path / "whole").rglob(f"step={step}.ckpt")
        options = ("--ckpt_path", str(start), "--trainer.limit_val_batches", "0" if step == STEPS else "1.0")
        assert_equal(trained(tmp_path / f"from_{step}", recipe, *options), whole)
    (start,) = (tmp_path / "whole").rglob(
        "validated_epoch=0.ckpt"
    )  # killed before the epoch's end was written
    assert_equal(trained(tmp_path / "from_validation", recipe, "--ckpt_path", str(start)), whole)


@pytest.mark.slow
def test_clips(tmp_path: Path) -> None:
    recipe = written(tmp_path, CLIPS, write_afewva(tmp_path / "data"), preprocess={"size": 32})
    whole = trained(tmp_path / "whole", recipe)
    (start,) = (tmp_path / "whole").rglob("step=1.ckpt")
    assert_equal(trained(tmp_path / "again", recipe, "--ckpt_path", str(start)), whole)
    reload = ("--trainer.reload_dataloaders_every_n_epochs", "1")
    assert_equal(trained(tmp_path / "reloaded", recipe, *reload), whole)


def test_an_epoch_goes_on_where_it_was() -> None:
    whole = TrainingSampler(range(50), seed=3)
    first, second = list(whole), list(whole)
    assert first != second
    resumed = TrainingSampler(range(50), seed=3)
    resumed.resume(1, 20)
    assert list(resumed) == second[20:]
    resumed.set_epoch(0)
    assert list(resumed) == first  # another epoch is whole

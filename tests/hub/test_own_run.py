"""A user's way: fine-tune the bundled weights, measure, publish; and what a checkpoint of the run says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from fakes import write_folder
from huggingface_hub import ModelCard

import affectzoo
from affectzoo import store, weights
from affectzoo.cli import main
from affectzoo.zoo.importing.checkpoint import import_checkpoint

RECIPE = Path(__file__).parents[2] / "recipes" / "dlp_cnn_s" / "folder.yaml"
PUBLISH = ["publish", "runs/mine", "--repo", "lab/mine", "--dry-run", "--out", "mine", "--license"]
TERMS = ["weights=Apache-2.0", "code=Apache-2.0", "images=own", "labels=own"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of one epoch by the README's line."""
    home = tmp_path_factory.mktemp("user")
    write_folder(home / "faces", per_class=12)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        options = ["--trainer.max_epochs", "1", "--data.num_workers", "0", "--data.batch_size", "4"]
        options += ["--trainer.accelerator", "cpu", "--run_dir", "runs/mine"]
        assert main(["fit", "--config", str(RECIPE), "--data.root", "faces", *options]) == 0
    return home


def test_publish_says_how_to_measure_and_then_publishes(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    assert main([*PUBLISH, *TERMS]) == 1
    told = capsys.readouterr().err
    assert "starting weights" not in told, "their terms are carried over"
    command = told.partition("test the run: affectzoo ")[2].partition(" (--data")[0]
    assert main([*command.split(), "--data.test_split", "valid"]) == 0
    assert main([*PUBLISH, *TERMS]) == 0, capsys.readouterr().err
    meta = affectzoo.load("mine").meta
    assert meta is not None
    bundled = store.entries()["dlp_cnn_s.ferplus"].meta.license
    assert all(bundled[subject] in meta.license["starting weights"] for subject in ("weights", "images"))
    assert meta.training.started_from == "dlp_cnn_s.ferplus"
    card = ModelCard.load(home / "mine" / "README.md")
    (result,) = {one.dataset_config for one in card.data.eval_results}
    record = json.loads((home / "mine" / "records" / f"{result}.json").read_text())
    assert str(home) not in json.dumps(record) and record["command"].startswith("affectzoo test --config ")
    assert yaml.safe_load((home / "mine" / "recipe.yaml").read_text())["model"]["init_args"]["new_head"]


def test_a_checkpoint_of_the_run_says_what_it_was_trained_on(home: Path, tmp_path: Path) -> None:
    run = home / "runs" / "mine"
    exported = weights.read_meta(run / weights.FILE_NAME)
    report = import_checkpoint(run / "checkpoints" / "last.ckpt")
    out = report.write(tmp_path / "last.safetensors")
    meta = weights.read_meta(out)
    for name in ("data", "seed", "recipe_hash", "started_from", "train_hash", "valid_hash", "epoch"):
        assert getattr(meta.training, name) == getattr(exported.training, name), name
    assert meta.training.notes["imported_from"] == "last.ckpt"
    assert meta.license == exported.license
    assert (meta.labels, meta.preprocess) == (exported.labels, exported.preprocess)

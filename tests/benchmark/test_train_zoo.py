"""The script that trains the zoo on one GPU, with tiny settings."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from fakes import write_ferplus
from fakes.scripts import load_script


@pytest.fixture(scope="module")
def zoo() -> ModuleType:
    return load_script("train_zoo")


def test_every_training_has_its_recipe_and_a_folder_of_its_own(zoo: ModuleType) -> None:
    names = [training.name for training in zoo.TRAININGS]
    assert len(set(names)) == len(names)
    for training in zoo.TRAININGS:
        assert (zoo.RECIPES / f"{training.recipe}.yaml").is_file(), training.recipe


@pytest.mark.slow
def test_it_trains_measures_and_does_not_train_twice(
    zoo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root = write_ferplus(tmp_path / "ferplus")
    monkeypatch.chdir(tmp_path)
    name, broken = "vggface_s-ferplus-1", "mobilenet_v1-ferplus_distilled-1"

    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["train_zoo.py", "--root", str(root), *options])
        status: int = zoo.main()
        return status

    tiny = ["--scale=0.01", "--trainer.limit_train_batches=1", "--data.num_workers=0"]
    assert run("--only", name, broken, "--faceres=no.safetensors", *tiny) == 1
    told = capfd.readouterr().out
    assert f"{name}: ended" in told and f"{broken}: FAILED, see its log" in told
    assert "no.safetensors" in (tmp_path / "runs" / f"{broken}.log").read_text()
    weights = tmp_path / "runs" / name / "model.safetensors"
    assert weights.is_file() and list((tmp_path / "runs/board/records").glob("ferplus_valid*.json"))
    before = weights.stat().st_mtime_ns
    assert run("--only", name) == 0 and weights.stat().st_mtime_ns == before

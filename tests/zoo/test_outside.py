"""A package of somebody else adds an architecture and a data set, by entry points and by calls."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import picture, write_picture

import affectzoo
from affectzoo import registry, weights
from affectzoo.cli import main
from affectzoo.errors import AffectZooError, OptionError
from affectzoo.registry import ARCHITECTURES, DATASETS

PACKAGE = '''
import torch
from affectzoo.datamodules import Folder
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models import AffectModel


class TinyTrunk(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.feature_dim = width
        self.conv = torch.nn.Conv2d(1, width, 3, stride=4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv(image).relu().mean((2, 3))


class TinyNet(AffectModel):
    """A tiny network of another package."""

    arch = "tiny_net"
    default_preprocess = Preprocess(size=32, color="gray")

    def __init__(self, *, width: int = 4, **common) -> None:
        """Build the network.

        Args:
            width: Channels.
            **common: As for every model.
        """
        super().__init__(trunk=TinyTrunk(width), arguments={"width": width}, **common)


class TinyFaces(Folder):
    """A data set of another package."""
'''

RECIPE = """
model:
  class_path: affectzoo.modules.TinyNet
  init_args:
    labels: [calm, tense]
    width: 6
data:
  class_path: tiny_affect.TinyFaces
  init_args: {root: ROOT, batch_size: 4, num_workers: 0}
trainer: {max_epochs: 1, log_every_n_steps: 1, enable_progress_bar: false}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package: a module, and metadata with entry points."""
    site = tmp_path / "site"
    (site / "tiny_affect-1.0.dist-info").mkdir(parents=True)
    (site / "tiny_affect.py").write_text(PACKAGE)
    (site / "tiny_affect-1.0.dist-info" / "METADATA").write_text("Name: tiny_affect\nVersion: 1.0\n")
    (site / "tiny_affect-1.0.dist-info" / "entry_points.txt").write_text(
        "[affectzoo.architectures]\ntiny_net = tiny_affect:TinyNet\n"
        "[affectzoo.datasets]\ntiny_faces = tiny_affect:TinyFaces\n"
    )
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    for known in (ARCHITECTURES, DATASETS):
        monkeypatch.setattr(known, "_entries", dict(known._entries))
        monkeypatch.setattr(known, "_complete", False)
    yield site
    sys.modules.pop("tiny_affect", None)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Write a folder per part and class."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("valid", 3), ("test", 3)):
        for label in ("calm", "tense"):
            for i in range(count):
                write_picture(tmp_path / "faces" / split / label / f"{i}.png", picture(random, 40, 40))
    return tmp_path / "faces"


def test_an_architecture_of_another_package_trains_loads_predicts_and_is_published(
    package: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "tiny_net" in affectzoo.list_models()
    recipe, run, out = tmp_path / "recipe.yaml", tmp_path / "run", tmp_path / "published"
    recipe.write_text(RECIPE.replace("ROOT", str(faces)))
    assert main(["fit", "--config", str(recipe), "--run_dir", str(run)]) == 0
    model = affectzoo.load(run)
    assert (type(model).__name__, model.arguments) == ("TinyNet", {"width": 6})
    one = faces / "test" / "calm" / "0.png"
    assert affectzoo.predict(one, model=model, detector="none")[0].label in ("calm", "tense")
    assert main(["test", "--config", str(recipe), "--model.weights", str(run)]) == 0
    assert main(["data", "check", "tiny_faces", "--root", str(faces)]) == 0
    assert main(["models"]) == 0
    assert "tiny_net" in capsys.readouterr().out
    terms = ["weights=MIT", "code=MIT", "images=own", "labels=own"]
    asked = ["publish", str(run), "--repo", "me/tiny", "--dry-run", "--out", str(out), "--license", *terms]
    assert main(asked) == 0, capsys.readouterr().err
    assert affectzoo.load(out).arguments == {"width": 6}


def test_a_program_registers_its_own(package: Path) -> None:
    affectzoo.register_architecture("mine", "tiny_affect:TinyNet", "my network")
    affectzoo.register_dataset("my_faces", "tiny_affect:TinyFaces", counts={"train": 6})
    assert registry.architecture("mine").load_class().__name__ == "TinyNet"
    assert registry.data_set("my_faces").counts == {"train": 6}


@pytest.mark.parametrize(
    ("register", "name"),
    [(affectzoo.register_architecture, "alexnet"), (affectzoo.register_dataset, "ferplus")],
    ids=["architecture", "data set"],
)
def test_names_are_taken_once(package: Path, register: Callable[[str, str], None], name: str) -> None:
    with pytest.raises(OptionError, match=name):
        register(name, "tiny_affect:TinyNet")


def test_weights_of_an_architecture_that_is_not_installed_are_refused(package: Path, tmp_path: Path) -> None:
    model = affectzoo.create_model("tiny_net", labels=["calm", "tense"])
    path = tmp_path / "tiny.safetensors"
    weights.write(path, model.network_state(), model.describe())
    del ARCHITECTURES._entries["tiny_net"]
    with pytest.raises(AffectZooError, match="tiny_net"):
        affectzoo.load(path)

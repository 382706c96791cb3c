"""Publish, then from a fresh cache: load, torch.hub, predict and benchmark give what the run gave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import write_afewva, write_ferplus
from fakes.described import described
from fakes.hub import FakeHub, User
from fakes.hurried import hurry

import affectzoo
from affectzoo import weights
from affectzoo.benchmark.runner import Task, benchmark, plain_split
from affectzoo.benchmark.systems import system
from affectzoo.evaluation.protocols import find_protocol
from affectzoo.hub.publishing import build, publish
from affectzoo.models.base import AffectModel
from affectzoo.registry import ARCHITECTURES
from affectzoo.zoo.loading import seal

# The client's own way of sending files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPOSITORY = Path(__file__).parents[2]
TERMS = {"weights": "Apache-2.0", "code": "Apache-2.0", "images": "for research", "labels": "MIT"}
FERPLUS = {"labels": "ferplus8"}
MODELS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "classes": ("dlp_cnn_s", FERPLUS, {}),
    "both": ("resnet18", {**FERPLUS, "task": "multitask", "head_units": (8,), "size": 64}, {}),
    "clips": (
        "cnn_gru",
        {"task": "va", "backbone": "resnet18", "units": 16, "size": 64},
        {"window": 4, "eval_window": 4},
    ),
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    hurry(monkeypatch)
    with FakeHub() as hub:
        hub.tokens["hf_x"] = User("ada", orgs=("lab",), write=True)
        hub.environment(monkeypatch, tmp_path / "first", token="hf_x")
        yield hub


def run(folder: Path, arch: str, options: dict[str, Any], training: dict[str, Any]) -> Path:
    """A run's weights, untrained."""
    given = dict(options)
    if "size" in given:
        default = ARCHITECTURES[arch].load_class().default_preprocess
        given["preprocess"] = replace(default, resize=None, size=given.pop("size"))
    model = affectzoo.create_model(arch, **given)
    path = folder / weights.FILE_NAME
    weights.write(path, model.network_state(), described(model.describe(), **training))
    seal(path)
    return folder


def answers(model: AffectModel) -> list[torch.Tensor]:
    torch.manual_seed(1)
    image = torch.randn(2, 3, model.preprocess.channels, model.preprocess.size, model.preprocess.size)
    points = model.preprocess.size * torch.rand(2, 3, 68, 2)
    frames = (image, points) if model.arch == "cnn_gru" else (image[:, 0], points[:, 0])
    with torch.inference_mode():
        output = model(frames[0], frames[1] if model.landmarks else None)
    return [value for value in output if value is not None]


@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name: str, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arch, options, training = MODELS[name]
    folder = run(tmp_path / "run", arch, options, training)
    if name == "clips":
        root = write_afewva(tmp_path / "data", ("Ann Lee", "Bob", "Cat", "Dan", "Eve"))
        task = plain_split("afewva", "test", root, {"fold": 0, "folds": 5})
    else:
        task = Task(find_protocol("ferplus_valid"), {"ferplus": write_ferplus(tmp_path / "data")})
    (before,) = benchmark([task], [system(f"net={folder}")], tmp_path / "board")
    (record,) = (tmp_path / "board" / "records").iterdir()
    built = build(folder, tmp_path / "built", repo="lab/net", records=[record], license=TERMS)
    address = publish(built.folder, "lab/net", tag="v1")
    assert address.commit == hub.repos["lab/net"].head

    hub.environment(monkeypatch, tmp_path / "second")  # another machine
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path / "second" / "affectzoo"))
    spec = "hf-hub:lab/net@v1"
    local, remote = affectzoo.load(folder), affectzoo.load(spec)
    assert remote.meta is not None and remote.meta.license == TERMS
    assert (remote.labels, remote.preprocess) == (local.labels, local.preprocess)
    for mine, theirs in zip(answers(local), answers(remote), strict=True):
        torch.testing.assert_close(theirs, mine, rtol=0, atol=0)
    from_hub = torch.hub.load(str(REPOSITORY), arch, source="local", weights=spec)
    for mine, theirs in zip(answers(local), answers(from_hub), strict=True):
        torch.testing.assert_close(theirs, mine, rtol=0, atol=0)
    (after,) = benchmark([task], [system(f"net={spec}")], tmp_path / "again")
    for part in ("metrics", "confusion", "per_class", "faces", "labels", "mapping"):
        assert after.get(part) == before.get(part), part
    assert after["model"]["tensors_sha256"] == before["model"]["tensors_sha256"]
    if name != "clips":
        pictures = [np.random.default_rng(i).integers(0, 256, (80, 70, 3), np.uint8) for i in range(3)]
        assert affectzoo.predict(pictures, spec, "none") == affectzoo.predict(pictures, folder, "none")
    hub.stop()  # everything is here now
    assert affectzoo.load(spec).arch == arch

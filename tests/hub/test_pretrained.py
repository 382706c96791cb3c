"""By the Hub's conventions: from_pretrained, save_pretrained, push_to_hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.described import described
from fakes.hub import FakeHub, User
from fakes.records import make_record

import affectzoo
from affectzoo import AffectModel, store, weights
from affectzoo.errors import AffectZooError, OptionError, WeightsError
from affectzoo.evaluation.record import write_record
from affectzoo.models.alexnet import AlexNet
from affectzoo.models.dlp_cnn import DLPCNNSmall
from affectzoo.modules import AffectModule, lightning_module, module_class

# The client's own way of sending files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

LABELS = ["anger", "happiness", "neutral"]
TERMS = {"weights": "Apache-2.0", "code": "Apache-2.0", "images": "own", "labels": "own"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.tokens["hf_x"] = User("ada", orgs=("lab",), write=True)
        hub.environment(monkeypatch, tmp_path / "cache", token="hf_x")
        yield hub


@pytest.fixture
def model() -> AffectModel:
    torch.manual_seed(0)
    return affectzoo.create_model("dlp_cnn_s", labels=LABELS, dropout=0.25)


def assert_same(found: AffectModel, expected: AffectModel) -> None:
    assert (found.arch, found.labels, found.preprocess) == (
        expected.arch,
        expected.labels,
        expected.preprocess,
    )
    assert found.arguments == expected.arguments
    torch.testing.assert_close(found.network_state(), expected.network_state(), rtol=0, atol=0)


def test_a_folder_gives_the_same_model(model: AffectModel, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "mine")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert_same(AffectModel.from_pretrained(folder), model)
    assert_same(affectzoo.load(folder), model)
    assert weights.read_golden(folder / weights.FILE_NAME)
    other = affectzoo.create_model("dlp_cnn_s", labels=LABELS)
    assert_same(AffectModel.from_pretrained(other.save_pretrained(folder)), other)  # replaced


def test_a_model_of_clips_keeps_its_windows(tmp_path: Path) -> None:
    made = affectzoo.create_model("cnn_gru", task="va", backbone="resnet18", units=8, landmarks=False)
    module = lightning_module(made)
    module.trained_window = 12  # as a training with the data's windows leaves it
    found = AffectModel.from_pretrained(module.save_pretrained(tmp_path / "mine"))
    assert found.window == 12 and found.meta is not None and found.meta.sequence


def test_a_repository_gives_the_same_model(hub: FakeHub, model: AffectModel, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "mine")
    commit = hub.create("lab/net", {path.name: path.read_bytes() for path in folder.iterdir()}).head
    assert_same(AffectModel.from_pretrained("lab/net"), model)
    assert_same(DLPCNNSmall.from_pretrained("lab/net", revision=commit), model)
    assert_same(AffectModel.from_pretrained(f"hf-hub:lab/net@{commit}"), model)
    with pytest.raises(AffectZooError, match="lab/none"):
        AffectModel.from_pretrained("lab/none")


def test_paths_go_before_repositories(
    hub: FakeHub, model: AffectModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model.save_pretrained("runs/x")
    assert_same(AffectModel.from_pretrained("runs/x"), model)
    assert not hub.requests()
    for name in ("runs/x", "dlp_cnn_s.ferplus", "hf-hub:lab/net@v1"):
        with pytest.raises(OptionError, match=f"{name}: revision v2"):
            AffectModel.from_pretrained(name, revision="v2")


def test_a_class_takes_its_own_architecture_alone() -> None:
    assert DLPCNNSmall.from_pretrained("dlp_cnn_s.ferplus").arch == "dlp_cnn_s"
    with pytest.raises(WeightsError, match=r"dlp_cnn_s\.ferplus: weights of dlp_cnn_s, not of alexnet"):
        AlexNet.from_pretrained("dlp_cnn_s.ferplus")


def test_modules_come_as_modules() -> None:
    for kind in (AffectModule, module_class("dlp_cnn_s")):
        module = kind.from_pretrained("dlp_cnn_s.ferplus")
        assert isinstance(module, AffectModule) and module.training and module.start is not None


def test_labels_put_a_new_head_on_it() -> None:
    model = AffectModel.from_pretrained("dlp_cnn_s.ferplus", labels=["calm", "tense"])
    assert model.labels is not None and model.labels.names == ("calm", "tense")


def test_what_was_loaded_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    entry = store.entries()["dlp_cnn_s.ferplus"]
    folder = AffectModel.from_pretrained(entry.name).save_pretrained(tmp_path / "same")
    assert weights.read_meta(folder / weights.FILE_NAME) == entry.meta


@pytest.mark.parametrize("labels", [None, ["calm", "tense"]], ids=["same head", "new head"])
def test_what_was_trained_on_claims_nothing_of_its_start(labels: list[str] | None, tmp_path: Path) -> None:
    entry = store.entries()["dlp_cnn_s.ferplus"]
    model = affectzoo.load(entry.name, labels=labels)
    with torch.no_grad():
        next(model.trunk.parameters()).mul_(1.5)
    meta = weights.read_meta(model.save_pretrained(tmp_path / "tuned") / weights.FILE_NAME)
    assert meta.metrics == () and meta.training == weights.Training(started_from=entry.name)
    assert list(meta.license) == ["starting weights"]
    for subject in ("weights", "images", "labels"):
        assert entry.meta.license[subject] in meta.license["starting weights"]


def test_values_that_are_not_finite_leave_the_older_folder(model: AffectModel, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "mine")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with torch.no_grad():
        next(model.trunk.parameters()).fill_(float("nan"))
    with pytest.raises(WeightsError, match="not finite"):
        model.save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_pushed_models_come_back(hub: FakeHub, model: AffectModel, tmp_path: Path) -> None:
    with pytest.raises(AffectZooError, match="nothing was measured"):
        model.push_to_hub("lab/net", license=TERMS)
    assert "lab/net" not in hub.repos
    record = make_record()
    measured = {"sha256": [], "tensors_sha256": weights.fingerprint(model.network_state())}
    write_record(tmp_path / "run", record | {"model": {**record["model"], **measured}}, {})
    address = model.push_to_hub(
        "lab/net", commit_message="First", tag="v1", private=True, records=[tmp_path / "run"], license=TERMS
    )
    repo = hub.repos["lab/net"]
    assert address.endswith(f"lab/net/commit/{repo.head}") and repo.private
    found = AffectModel.from_pretrained("lab/net", revision="v1")
    assert_same(found, model)
    assert found.meta is not None and found.meta.license == TERMS
    face = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    assert affectzoo.predict(face, found, "none") == affectzoo.predict(face, model, "none")


def test_config_says_what_the_file_says(model: AffectModel, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "mine")
    config = json.loads((folder / "config.json").read_text())
    meta = described(weights.read_meta(folder / weights.FILE_NAME), data="rafdb")
    (folder / "config.json").write_text(json.dumps(config | {"meta": meta.to_dict()}))
    with pytest.raises(WeightsError, match=r"config\.json says training"):
        AffectModel.from_pretrained(folder)

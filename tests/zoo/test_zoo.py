"""Listing, building and loading models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import affectzoo
from affectzoo import store, weights
from affectzoo.cli import main
from affectzoo.errors import AffectZooError, LabelError, UnknownNameError, WeightsError
from affectzoo.hub.bundling import LIMIT
from affectzoo.models import DLPCNNSmall
from affectzoo.registry import ARCHITECTURES
from affectzoo.zoo.listing import pretrained

REPOSITORY = Path(__file__).parents[2]
FERPLUS = "dlp_cnn_s.ferplus"


def test_list_models() -> None:
    assert affectzoo.list_models() == sorted(ARCHITECTURES)
    named = [
        f"{arch}.ferplus" for arch in ("alexnet_s", "dlp_cnn_s", "face_resnet", "mobilenet_v1", "vggface_s")
    ]
    named += [f"{arch}.ferplus_distilled" for arch in ("dlp_cnn_s", "mobilenet_v1", "resnet18")]
    assert affectzoo.list_models(task="expression", pretrained=True) == sorted(named)
    assert affectzoo.list_models(task="landmarks", pretrained=True) == ["landmarks_s.rendered"]
    with pytest.raises(UnknownNameError, match="did you mean expression"):
        affectzoo.list_models(task="expresion")


def test_every_listed_weights_loads_as_described() -> None:
    for name in affectzoo.list_models(pretrained=True):
        entry = store.entries()[name]
        model = affectzoo.load(name)
        assert not model.training
        assert model.meta == entry.meta == weights.read_meta(entry.path)
        assert model.preprocess == entry.meta.preprocess
        assert (() if model.labels is None else model.labels.names) == entry.meta.labels
        assert sum(p.numel() for p in model.parameters()) == entry.parameters
        assert entry.path.stat().st_size == entry.size <= LIMIT
        assert {"weights", "images", "labels"} <= set(entry.meta.license)
        assert (REPOSITORY / str(entry.meta.training.recipe)).is_file()


def test_bundled_tensors_are_those_that_were_measured() -> None:
    for name, entry in store.entries().items():
        found = weights.fingerprint(weights.read_tensors(entry.path))
        records = sorted((REPOSITORY / "model_cards" / "records" / name).glob("*.json"))
        assert records
        for path in records:
            assert json.loads(path.read_text())["model"]["tensors_sha256"] == found, path.name


def test_create_model_needs_one_way_to_say_the_classes() -> None:
    with pytest.raises(AffectZooError, match=r"needs labels=\[...\]"):
        affectzoo.create_model("dlp_cnn_s")
    with pytest.raises(AffectZooError, match=r"num_classes=2 and labels=.* give one"):
        affectzoo.create_model("dlp_cnn_s", labels=["a", "b"], num_classes=2)
    with pytest.raises(LabelError, match=r"task va has no classes, but labels were given"):
        affectzoo.create_model("dlp_cnn_s", task="va", num_classes=2)
    model = affectzoo.create_model("dlp_cnn_s", num_classes=3)
    assert model.labels is not None and model.labels.names == ("class_0", "class_1", "class_2")
    with pytest.raises(LabelError, match="twice"):
        affectzoo.create_model("dlp_cnn_s", labels=["a", "a"])


def test_create_model_names_what_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match="did you mean dlp_cnn"):
        affectzoo.create_model("dlpcnn", num_classes=2)
    with pytest.raises(UnknownNameError, match="unknown task of dlp_cnn_s 'vaa'"):
        affectzoo.create_model("dlp_cnn_s", task="vaa", num_classes=2)
    with pytest.raises(AffectZooError, match="dropuot"):
        affectzoo.create_model("dlp_cnn_s", num_classes=2, dropuot=0.1)


def test_new_head_keeps_the_trunk() -> None:
    old, new = affectzoo.load(FERPLUS), affectzoo.load(FERPLUS, labels=["calm", "tense"])
    face = torch.randn(2, 1, 48, 48)
    torch.testing.assert_close(new(face).features, old(face).features)
    scores = new(face).expression
    assert scores is not None and scores.shape == (2, 2)
    assert new.labels.names == ("calm", "tense") and new.meta is None


def test_load_by_architecture_and_weights(tmp_path: Path) -> None:
    face = torch.randn(1, 1, 48, 48)
    expected = affectzoo.load(FERPLUS)(face).features
    copied = tmp_path / "copy.safetensors"
    shutil.copy(store.entries()[FERPLUS].path, copied)
    for loaded in (affectzoo.load("dlp_cnn_s", weights="ferplus"), affectzoo.load(copied)):
        torch.testing.assert_close(loaded(face).features, expected)
    with pytest.raises(WeightsError, match="weights of dlp_cnn_s, not of alexnet"):
        affectzoo.load("alexnet", weights=copied)
    with pytest.raises(WeightsError, match=r"dlp_cnn_s.ferplus"):
        affectzoo.load("dlp_cnn_s")  # the architecture alone names no weights


def test_tampered_bundled_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(store.ASSETS, tmp_path / "assets")
    monkeypatch.setattr("affectzoo.store.entry.ASSETS", tmp_path / "assets")
    file = store.entries()[FERPLUS].path
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(WeightsError, match="not the published weights: sha256"):
        affectzoo.load(FERPLUS)


@pytest.mark.parametrize("width", [60, 80])
def test_narrow_terminals_show_figures_first(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("affectzoo.console.WIDTH", width)
    assert main(["models", "--pretrained"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    for row in pretrained():
        kinds = ("accuracy", "ccc", "ccc_valence", "ccc_arousal", "nme")
        figures = [
            f"{next(metric[kind] for kind in kinds if kind in metric):.4f}" for metric in row["metrics"]
        ]
        assert all(text in shown for text in (row["name"], *figures))


def test_models_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    by_name = {row["name"]: row for row in rows}
    assert set(by_name) == set(ARCHITECTURES)
    model = DLPCNNSmall(labels="ferplus8")
    assert by_name["dlp_cnn_s"]["parameters"] == sum(p.numel() for p in model.parameters())
    assert by_name["dlp_cnn_s"]["weights"] == [FERPLUS, f"{FERPLUS}_distilled"]
    assert by_name["alexnet"]["weights"] == []
    assert main(["models", "--pretrained", "--json"]) == 0
    row = next(row for row in json.loads(capsys.readouterr().out) if row["name"] == FERPLUS)
    assert row["labels"][1] == "happiness"
    assert main(["models", "--pretrained"]) == 0
    shown = capsys.readouterr().out
    assert FERPLUS in shown and f"{row['metrics'][0]['accuracy']:.4f}" in shown
    assert "[2] rendered clips" in shown and "None" not in shown
    assert main(["models", "--task", "nope"]) == 1
    assert "unknown task 'nope'" in capsys.readouterr().err

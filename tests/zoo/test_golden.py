"""Weights that test themselves when they are loaded."""

from __future__ import annotations

import json
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.described import described

import affectzoo
from affectzoo import store, weights
from affectzoo.errors import AffectZooError, WeightsError
from affectzoo.files.fetch import home
from affectzoo.registry import ARCHITECTURES
from affectzoo.zoo import golden
from affectzoo.zoo.loading import seal

SMALL: dict[str, dict[str, Any]] = {
    "cnn_gru": {"backbone": "resnet18", "units": 16, "preprocess": {"size": 64}},
    "dlp_cnn_s": {},
    "resnet18": {"head_units": (8,), "landmarks": True, "preprocess": {"size": 64}},
}


def written(
    path: Path, arch: str = "dlp_cnn_s", training: dict[str, Any] | None = None, **options: Any
) -> Path:
    """A sealed file of a small random network."""
    entry = ARCHITECTURES[arch].load_class()
    given = {**SMALL[arch], **options}
    if "preprocess" in given:
        given["preprocess"] = replace(entry.default_preprocess, resize=None, **given["preprocess"])
    model = affectzoo.create_model(arch, **given)
    meta = described(model.describe(), **training or {})
    weights.write(path, model.network_state(), meta)
    seal(path)
    return path


def redescribed(path: Path, change: Callable[[dict[str, Any]], None], *, keep_digest: bool = False) -> Path:
    """The same tensors under another description, without its digest as in older files unless it is kept."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    meta = json.loads(header["__metadata__"]["affectzoo"])
    if not keep_digest:
        meta.pop("digest", None)
    change(meta)
    header["__metadata__"]["affectzoo"] = json.dumps(meta)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    return path


@pytest.mark.parametrize("arch", SMALL)
@pytest.mark.parametrize("task", ["expression", "va"])
def test_sealed_weights_load_and_keep_their_tensors(tmp_path: Path, arch: str, task: str) -> None:
    window = {"window": 8} if arch == "cnn_gru" else {}
    labels = ["a", "b", "c"] if task == "expression" else None
    path = written(tmp_path / "x.safetensors", arch, window, task=task, labels=labels)
    stored = weights.read_golden(path)
    assert len(stored["golden.picture"]) == (4 if window else 1)
    assert ("golden.landmarks" in stored) == (arch == "resnet18" or arch == "cnn_gru")
    model = affectzoo.load(path)
    assert weights.read_tensors(path).keys() == model.network_state().keys()
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    assert model.device.type == "cpu"


def test_bundled_weights_are_sealed() -> None:
    for entry in store.entries().values():
        assert weights.read_golden(entry.path), entry.name


@pytest.mark.parametrize(
    "change",
    [
        {"margin": 0.1},
        {"mean": [0.45]},
        {"std": [0.22]},
        {"resize": 52},
    ],
    ids=str,
)
def test_another_preprocessing_is_noticed(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(store.entries()["dlp_cnn_s.ferplus"].path.read_bytes())
    redescribed(path, lambda meta: meta["preprocess"].update(change))
    with pytest.raises(
        WeightsError, match=r"x\.safetensors: the self-test failed.* off\. .*AFFECTZOO_SELF_TEST=0"
    ):
        affectzoo.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ["b", "a"]},
        {"labels": ["a", "c"]},
        {"threshold": 0.9},
        {"preprocess": {"size": 48, "color": "gray", "mean": [0.5], "std": [0.25], "margin": 0.001}},
    ],
    ids=lambda change: "-".join(change),
)
def test_an_altered_description_is_noticed(tmp_path: Path, change: dict[str, Any]) -> None:
    path = written(tmp_path / "x.safetensors", labels=["a", "b"])
    redescribed(path, lambda meta: meta.update(change), keep_digest=True)
    with pytest.raises(WeightsError, match=r"x\.safetensors: .*altered"):
        affectzoo.load(path)


def test_what_predictions_do_not_depend_on_may_be_added(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", labels=["a", "b"])
    redescribed(path, lambda meta: meta.update(license={"weights": "MIT"}), keep_digest=True)
    model = affectzoo.load(path)
    assert model.meta is not None
    assert model.meta.license == {"weights": "MIT"}


@pytest.mark.parametrize("name", ["dlp_cnn_s.ferplus", "mobilenet_v1.multitask"])
def test_classes_of_a_bundled_files_copy_keep_their_order(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(store.entries()[name].path.read_bytes())
    assert affectzoo.load(path).labels == affectzoo.load(name).labels
    redescribed(path, lambda meta: meta["labels"].reverse(), keep_digest=True)
    with pytest.raises(WeightsError, match=rf"copy of {name}.*labels"):
        affectzoo.load(path)


def test_an_altered_layer_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", labels=["a", "b", "c"])
    tensors, meta, stored = weights.read_tensors(path), weights.read_meta(path), weights.read_golden(path)
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    tensors[name] = -tensors[name]
    weights.write(path, tensors, meta, golden=stored)
    with pytest.raises(WeightsError, match="self-test failed"):
        affectzoo.load(path)


def test_a_new_head_still_tests_the_trunk(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(store.entries()["dlp_cnn_s.ferplus"].path.read_bytes())
    assert affectzoo.load(path, labels=["a", "b"]).labels.names == ("a", "b")
    redescribed(path, lambda meta: meta["preprocess"].update(margin=0.2))
    with pytest.raises(WeightsError, match="model's features are"):
        affectzoo.load(path, labels=["a", "b"])


def test_passed_once_the_file_is_trusted_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "x.safetensors", labels=["a", "b", "c"])
    calls: list[int] = []
    answers = golden._answers

    def counted(*arguments: Any) -> dict[str, torch.Tensor]:
        calls.append(1)
        return answers(*arguments)

    monkeypatch.setattr(golden, "_answers", counted)
    for _ in range(3):
        affectzoo.load(path)
    assert len(calls) == 1
    path.touch()
    affectzoo.load(path)
    assert len(calls) == 2


def test_the_test_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(store.entries()["dlp_cnn_s.ferplus"].path.read_bytes())
    redescribed(path, lambda meta: meta["preprocess"].update(margin=0.2))
    monkeypatch.setenv("AFFECTZOO_SELF_TEST", "0")
    affectzoo.load(path)


def test_a_home_that_cannot_be_written_does_not_stop_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path / "file"))
    assert home() == tmp_path / "file"
    affectzoo.load(written(tmp_path / "x.safetensors", labels=["a", "b", "c"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"weights": "/etc/passwd"},
            "dlp_cnn_s has no argument weights that a file may set; it may set: dropout",
        ),
        ({"backbone_weights": "imagenet"}, "no argument backbone_weights"),
        ({"trunk": 1}, "no argument trunk"),
        ({"class_path": "os.system"}, "no argument class_path"),
        ({"dropout": {"class_path": "os.system"}}, "argument dropout is .*, which no architecture takes"),
        ({"dropout": 10**9}, "argument dropout is 1000000000, which no architecture takes"),
        ({"dropout": [1] * 1000}, "argument dropout is .*, which no architecture takes"),
    ],
)
def test_a_file_cannot_set_what_is_not_the_networks(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    path = written(tmp_path / "x.safetensors", labels=["a", "b", "c"])
    redescribed(path, lambda meta: meta.update(arguments=arguments))
    with pytest.raises(WeightsError, match=message):
        affectzoo.load(path)


@pytest.mark.parametrize(("arch", "said"), [("cnn_gru", False), ("dlp_cnn_s", True)])
def test_a_model_of_clips_is_not_described_as_one_of_images(tmp_path: Path, arch: str, said: bool) -> None:
    path = written(tmp_path / f"{arch}.safetensors", arch, labels=["a", "b", "c"])
    redescribed(path, lambda meta: meta.update(sequence=said))
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}: .*{arch} reads"):
        affectzoo.load(path)


def test_huge_networks_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", "cnn_gru", labels=["a", "b", "c"])
    redescribed(path, lambda meta: meta["arguments"].update(units=60_000))
    with pytest.raises(WeightsError, match="has shape"):
        affectzoo.load(path)
    redescribed(path, lambda meta: meta["arguments"].update(layers=60_000, units=16))
    with pytest.raises(WeightsError, match="layers"):
        affectzoo.load(path)


def test_a_new_head_does_not_vouch_for_the_old_one(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", labels=["a", "b", "c"])
    tensors, meta, stored = weights.read_tensors(path), weights.read_meta(path), weights.read_golden(path)
    tensors["heads.expression.bias"] += 1
    weights.write(path, tensors, meta, golden=stored)
    assert affectzoo.load(path, labels=["x", "y"]).labels.names == ("x", "y")
    with pytest.raises(WeightsError, match="model's expression are up to"):
        affectzoo.load(path)


def test_a_new_head_is_real_and_the_trunk_the_files(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", labels=["a", "b", "c"])
    model = affectzoo.load(path, labels=["x", "y"])
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    assert model.heads["expression"].weight.std() > 0
    own = affectzoo.load(path).trunk.state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.trunk.state_dict().items())
    with pytest.raises(AffectZooError, match="preprocess, task come with the weights"):
        affectzoo.load(path, task="va", preprocess=None)


@pytest.mark.parametrize(
    "change",
    [
        {"box": torch.tensor([-1e5, -1e5, 1e5, 1e5])},
        {"box": torch.tensor([0.0, float("nan"), 1.0, 1.0])},
        {"box": None},
        {"picture": torch.zeros(100_000, 1, 1, 3, dtype=torch.uint8)},
        {"picture": torch.zeros(1, 8, 8, 3)},
        {"landmarks": torch.zeros(68, 2)},
    ],
    ids=str,
)
def test_a_golden_face_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = written(tmp_path / "x.safetensors", labels=["a", "b", "c"])
    tensors, meta = weights.read_tensors(path), weights.read_meta(path)
    stored = weights.read_golden(path) | {f"golden.{name}": value for name, value in change.items()}
    weights.write(path, tensors, meta, golden={n: v for n, v in stored.items() if v is not None})
    with pytest.raises(WeightsError, match="its golden face is no image"):
        affectzoo.load(path)


@pytest.mark.parametrize("kind", [torch.int32, torch.bool, torch.complex64])
def test_values_that_are_no_floating_numbers_are_refused(tmp_path: Path, kind: torch.dtype) -> None:
    model = affectzoo.create_model("dlp_cnn_s", labels=["a", "b"])
    tensors = {name: value.to(kind) for name, value in model.network_state().items()}
    weights.write(tmp_path / "x.safetensors", tensors, model.describe())
    with pytest.raises(WeightsError, match=r"do not fit dlp_cnn_s: .* holds (int32|bool|complex64)"):
        affectzoo.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("change", [{"size": 1}, {"color": "rgb", "mean": (0.5,) * 3, "std": (0.2,) * 3}])
def test_without_a_golden_face_the_network_must_take_the_faces(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    model = affectzoo.create_model("dlp_cnn_s", labels=["a", "b"])
    meta = replace(model.describe(), preprocess=replace(model.preprocess, **change))
    weights.write(tmp_path / "x.safetensors", model.network_state(), meta)
    with pytest.raises(WeightsError, match=r"x\.safetensors: .*dlp_cnn_s does not take"):
        affectzoo.load(tmp_path / "x.safetensors")


def test_a_file_without_a_golden_face_is_told_to_be_untested(tmp_path: Path) -> None:
    model = affectzoo.create_model("dlp_cnn_s", labels=["a", "b"])
    path = tmp_path / "x.safetensors"
    weights.write(path, model.network_state(), model.describe())
    with pytest.warns(UserWarning, match=r"x\.safetensors: no golden face in the file.*not tested"):
        affectzoo.load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seal(path)
        affectzoo.load(path)

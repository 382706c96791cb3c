from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import affectzoo
from affectzoo import store, weights
from affectzoo.errors import UnknownNameError, WeightsError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files import fetch
from affectzoo.models import DLPCNNSmall
from affectzoo.store import WeightsEntry
from affectzoo.weights import Training, WeightsMeta

TENSORS = {
    "weight": torch.linspace(-1, 1, 12).reshape(3, 4),
    "count": torch.tensor(2**40),
}
META = WeightsMeta(
    "dlp_cnn_s",
    ("neutral", "happiness", "fear"),
    Preprocess(size=48, color="gray", mean=(0.5,), std=(0.25,)),
    arguments={"dropout": 0.3},
    training=Training(data="ferplus", epochs=30, notes={"left_out": {"test": 3}}),
    metrics=({"data": "ferplus", "accuracy": 0.85},),
    license={"weights": "Apache-2.0"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    weights.write(path, TENSORS, META)
    return path


# Round trip


def test_description_comes_back(path: Path) -> None:
    assert weights.read_meta(path) == META


@pytest.mark.parametrize(("half", "tolerance"), [(True, 2**-11), (False, 0)])
def test_tensors_come_back(tmp_path: Path, half: bool, tolerance: float) -> None:
    weights.write(tmp_path / "new" / "x.safetensors", TENSORS, META, half=half)
    found = weights.read_tensors(tmp_path / "new" / "x.safetensors")
    assert found["weight"].dtype == torch.float32
    torch.testing.assert_close(found, TENSORS, rtol=0, atol=tolerance)


def test_half_takes_half_the_bytes(tmp_path: Path) -> None:
    sizes = []
    for half in (True, False):
        weights.write(tmp_path / "x.safetensors", {"x": torch.zeros(10_000)}, META, half=half)
        sizes.append((tmp_path / "x.safetensors").stat().st_size)
    assert sizes[1] - sizes[0] == pytest.approx(20_000, abs=100)


# Damage


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightsEntry]:
    """The only set of weights that the zoo knows, in files of its own."""
    model = DLPCNNSmall(labels=list(META.labels))
    meta = replace(model.describe(), training=Training(data="fake"))
    monkeypatch.setattr("affectzoo.store.entry.ASSETS", tmp_path / "assets")
    file = tmp_path / "assets" / "weights" / "fake.safetensors"
    weights.write(file, model.network_state(), meta)
    facts = {"file": file.name, "sha256": fetch.sha256(file), "size": 2_700_000, "parameters": 1_333_635}
    text = json.dumps(facts | {"meta": meta.to_dict()})
    file.with_name("dlp_cnn_s.fake.json").write_text(text, encoding="utf-8")
    store.entries.cache_clear()
    yield WeightsEntry("dlp_cnn_s.fake", meta=meta, **facts)  # type: ignore[arg-type]
    store.entries.cache_clear()


def test_entries_are_read_from_their_files(entry: WeightsEntry) -> None:
    assert store.entries() == {"dlp_cnn_s.fake": entry}
    assert entry.path.is_file()


def flip(path: Path, place: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["fake", "dlp_cnn_s.fake"])
def test_known_weights_load_by_name(entry: WeightsEntry, name: str) -> None:
    assert DLPCNNSmall(labels=list(META.labels), weights=name).meta == entry.meta


@pytest.mark.parametrize("place", [100, -1], ids=["header", "tensor"])
def test_one_flipped_bit_is_seen(entry: WeightsEntry, place: int) -> None:
    flip(entry.path, place)
    found = fetch.sha256(entry.path)
    with pytest.raises(WeightsError, match=f"sha256 is {found}, expected {entry.sha256}"):
        DLPCNNSmall(labels=list(META.labels), weights="fake")


def test_an_entry_that_says_something_else_is_refused(entry: WeightsEntry) -> None:
    path = entry.path.with_name("dlp_cnn_s.fake.json")
    facts = json.loads(path.read_text())
    facts["meta"]["training"] = {"data": "rafdb"}
    path.write_text(json.dumps(facts))
    store.entries.cache_clear()
    with pytest.raises(WeightsError, match=r"dlp_cnn_s\.fake says training .*rafdb.*fake"):
        affectzoo.load("dlp_cnn_s.fake")


def test_missing_file_of_known_weights(entry: WeightsEntry) -> None:
    entry.path.unlink()
    with pytest.raises(WeightsError, match=r"fake\.safetensors: the weights file is missing"):
        DLPCNNSmall(labels=list(META.labels), weights="fake")


@pytest.mark.parametrize("read", [weights.read_meta, weights.read_tensors])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_truncated_file(path: Path, read: Callable[[Path], object], share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: no complete safetensors file"):
        read(path)


# Descriptions that are none


def write_text(path: Path, text: str | None) -> None:
    """Write a file whose description is this text."""
    save_file(TENSORS, path, metadata={"format": "pt"} if text is None else {"affectzoo": text})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no 'affectzoo' metadata"),
        ("{", "is no JSON "),
        ("[1, 2]", "is no JSON object"),
        ("{}", "lacks arch, labels, preprocess"),
    ],
)
def test_metadata_of_another_kind(path: Path, text: str | None, said: str) -> None:
    write_text(path, text)
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: .*{said}"):
        weights.read_meta(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arhc": "alexnet", "year": 2019}, "unknown fields arhc, year"),
        ({"arch": 3}, "arch is no text"),
        ({"labels": "rafdb7"}, "labels is no list"),
        ({"labels": []}, "task expression with 0 labels"),
        ({"task": "va"}, "task va with 3 labels"),
        ({"task": "mood"}, "unknown task .mood."),
        ({"labels": ["fear", "fear"]}, "names a class twice"),
        ({"preprocess": {}}, "size is required"),
        ({"preprocess": ["size"]}, "preprocess is no mapping"),
        ({"preprocess": {"size": 48, "colour": "gray"}}, "preprocess: fields are .*color"),
        ({"preprocess": {"size": 0}}, "1 <= size"),
        ({"preprocess": {"size": "48"}}, "must be whole numbers"),
        ({"preprocess": {"size": 48, "mean": 0.5}}, "not iterable"),
        ({"preprocess": {"size": 48, "std": [0, 1, 1]}}, "std must be above 0"),
        ({"arguments": ["dropout"]}, "arguments is no mapping"),
        ({"metrics": {"accuracy": 1}}, "metrics is no list"),
    ],
)
def test_wrong_descriptions(path: Path, change: dict[str, Any], said: str) -> None:
    write_text(path, json.dumps(META.to_dict() | change))
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: the model's description .*({said})"):
        weights.read_meta(path)


def older(meta: WeightsMeta) -> dict[str, Any]:
    """A description as format 1 had it: no number, and all facts of the training in one mapping."""
    values = meta.to_dict()
    clips = ("window", "eval_window", "eval_stride", "fresh")
    facts = values["training"] | {name: told for name in clips if (told := values.pop(name))}
    for name in ("format", "sequence"):
        del values[name]
    terms = {"pictures" if name == "images" else name: text for name, text in values.pop("license").items()}
    return values | {"training": facts | facts.pop("notes"), "licence": terms}


CLIPS = replace(
    META,
    arch="cnn_gru",
    sequence=True,
    window=16,
    eval_window=32,
    eval_stride=8,
    fresh=("heads.va",),
    training=Training("afewva", fold=0, folds=5, train_hash="a" * 64, notes={"left_out": {"x": 1}}),
    license={"weights": "MIT", "images": "on request"},
)


@pytest.mark.parametrize("meta", [META, CLIPS], ids=["image", "clips"])
def test_descriptions_of_format_1_are_read(path: Path, meta: WeightsMeta) -> None:
    write_text(path, json.dumps(older(meta)))
    assert weights.read_meta(path) == meta


@pytest.mark.parametrize("made", [3, 1, 0, "2", True, None, 10**30])
def test_descriptions_of_another_format_are_refused(path: Path, made: Any) -> None:
    write_text(path, json.dumps(META.to_dict() | {"format": made}))
    told = "install a newer one" if made in (3, 10**30) else "damaged"
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: .*format .*: .*{told}"):
        weights.read_meta(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        *(
            ({name: wrong}, name)
            for name in ("window", "eval_window")
            for wrong in (-1, 1.5, "8", True, None)
        ),
        ({"sequence": 1}, "sequence"),
        ({"fresh": "heads.va"}, "fresh"),
        ({"fresh": [1]}, "fresh"),
        ({"labels": ["calm", 3]}, "labels"),
        ({"license": {"weights": 1}}, "license"),
        ({"metrics": ["none"]}, "metrics"),
        ({"training": ["ferplus"]}, "training"),
        ({"training": {"seed": -1}}, "seed"),
        ({"training": {"fold": "1"}}, "fold"),
        ({"training": {"folds": 2**70}}, "folds"),
        ({"training": {"train_hash": 5}}, "train_hash"),
        ({"training": {"notes": []}}, "notes"),
        ({"training": {"winodw": 5}}, "winodw"),
    ],
)
def test_facts_of_another_kind(path: Path, change: dict[str, Any], named: str) -> None:
    write_text(path, json.dumps(META.to_dict() | change))
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: .*{named}"):
        weights.read_meta(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        *(({"training": {name: wrong}}, name) for name in ("window", "seed", "fold") for wrong in (-1, "8")),
        ({"training": {"fresh": [1]}}, "fresh"),
        ({"training": {"train_hash": 5}}, "train_hash"),
        ({"training": ["ferplus"]}, "training"),
        ({"licence": "MIT"}, "licence"),
        ({"license": {"weights": "MIT"}, "sequence": 1}, "sequence"),
    ],
)
def test_facts_of_another_kind_in_format_1(path: Path, change: dict[str, Any], named: str) -> None:
    write_text(path, json.dumps(older(META) | change))
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: .*{named}"):
        weights.read_meta(path)


def test_facts_for_people_are_flat_and_without_the_sketch() -> None:
    told = replace(CLIPS, training=replace(CLIPS.training, train_sketch="ab")).facts()
    assert told == {
        "data": "afewva",
        "fold": 0,
        "folds": 5,
        "train_hash": "a" * 64,
        "window": 16,
        "eval_window": 32,
        "eval_stride": 8,
        "fresh": ["heads.va"],
        "left_out": {"x": 1},
    }
    noted = replace(META, training=Training("ferplus", notes={"data": "another"}))
    assert noted.facts() == {"data": "ferplus"}


# Finding files


def test_folder_of_a_run(path: Path) -> None:
    assert store.locate(path.parent) == store.Location(path)


def test_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no model\.safetensors.*last\.ckpt"):
        store.locate(tmp_path)


@pytest.mark.parametrize("name", ["last.ckpt", "model.pth", "model.bin"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(WeightsError, match=f"{name}: only .safetensors files are read"):
        store.locate(tmp_path / name)


def test_unknown_name_lists_near_ones(entry: WeightsEntry) -> None:
    with pytest.raises(UnknownNameError, match=r"'dlp_cnn_s\.fak': did you mean dlp_cnn_s\.fake\?"):
        store.locate("dlp_cnn_s.fak")


def test_architecture_is_no_weights(entry: WeightsEntry) -> None:
    with pytest.raises(WeightsError, match=r"pretrained weights: dlp_cnn_s\.fake\."):
        store.locate("dlp_cnn_s")
    with pytest.raises(WeightsError, match=r"pretrained weights: none yet\."):
        store.locate("alexnet")


def test_tag_belongs_to_one_architecture(entry: WeightsEntry) -> None:
    assert store.locate("fake", "dlp_cnn_s").path == entry.path
    with pytest.raises(UnknownNameError):
        store.locate("fake", "alexnet")


# Writing


def full_disk(tensors: object, path: Path, metadata: object) -> None:
    path.write_bytes(b"half a file")
    raise OSError(28, "No space left on device")


def test_full_disk_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr("safetensors.torch.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        weights.write(path, {"weight": torch.zeros(1)}, META)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_description_that_is_no_json_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        weights.write(
            tmp_path / "x.safetensors", TENSORS, replace(META, training=Training(notes={"loss": object()}))
        )
    assert list(tmp_path.iterdir()) == []


def test_rewriting_replaces(path: Path) -> None:
    weights.write(path, {"other": torch.ones(1)}, replace(META, training=Training()))
    assert weights.read_tensors(path).keys() == {"other"}
    assert weights.read_meta(path).training == Training()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("value", "half"), [(float("nan"), False), (float("inf"), True), (1e5, True)])
def test_values_that_cannot_be_kept_leave_the_old_file(path: Path, value: float, half: bool) -> None:
    before = path.read_bytes()
    with pytest.raises(WeightsError, match="weight hold values that are not finite"):
        weights.write(path, {"weight": torch.tensor([0.0, value])}, META, half=half)
    assert path.read_bytes() == before


# Weights on the Hub


@pytest.fixture
def hub_entry(entry: WeightsEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsEntry:
    """The same weights, but on the Hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    path = entry.path.with_name(f"{entry.name}.json")
    facts = json.loads(path.read_text()) | {"repo_id": "acme/faces", "revision": "0" * 40}
    path.write_text(json.dumps(facts))
    store.entries.cache_clear()
    return store.entries()[path.stem]


def test_hub_weights_need_a_commit(entry: WeightsEntry) -> None:
    with pytest.raises(WeightsError, match="40 hex digits"):
        replace(entry, repo_id="acme/faces", revision="main")


def test_hub_weights_load_from_the_cache_and_are_verified(hub_entry: WeightsEntry, tmp_path: Path) -> None:
    bundled = replace(hub_entry, repo_id=None).path
    cached = tmp_path / "cache" / "models--acme--faces" / "snapshots" / ("0" * 40) / hub_entry.file
    cached.parent.mkdir(parents=True)
    cached.write_bytes(bundled.read_bytes())
    bundled.unlink()
    location = store.locate(hub_entry.name)
    assert location.path == cached
    store.verify(location)
    flip(cached, -1)
    with pytest.raises(WeightsError, match="sha256"):
        store.verify(store.locate(hub_entry.name))


def test_hub_weights_out_of_reach(hub_entry: WeightsEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    with pytest.raises(WeightsError, match=r"acme/faces is not cached and could not be fetched .*no route"):
        store.locate(hub_entry.name)

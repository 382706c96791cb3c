"""VGG-Face's published weights, converted: same outputs, honest descriptions, faults said."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from fakes.pickled import Evil
from fakes.vggface import (
    BLOCKS,
    LAYERS,
    MEAN,
    UNITS,
    published,
    reference,
    state,
    write_mat,
)
from scipy.io import savemat

import affectzoo
from affectzoo import weights
from affectzoo.cli import main
from affectzoo.errors import WeightsError
from affectzoo.models import CNNGRU, VGGFace, cnn_rnn, vgg
from affectzoo.models.fusion import join_landmarks
from affectzoo.store import ASSETS
from affectzoo.zoo.importing import conversion
from affectzoo.zoo.importing.conversion import convert_vggface

NET = published()
PICTURE = np.random.default_rng(1).integers(0, 256, (224, 224, 3), np.uint8)

PUBLISHED, TORCH, TORCH_NESTED, TORCHVISION = range(4)
INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Of the convolutions in torchvision's VGG-16."""

OLDER = ASSETS / "weights" / "alexnet_s.ferplus.safetensors"
"""Weights that stand where others are to be written."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """VGG-Face's form with few channels and units."""
    monkeypatch.setattr(vgg, "LAYOUT_16", BLOCKS)
    monkeypatch.setattr(cnn_rnn, "LAYOUT_16", BLOCKS)
    monkeypatch.setitem(cnn_rnn.FC_UNITS, "vggface", (UNITS, 12))
    monkeypatch.setitem(VGGFace.__init__.__kwdefaults__, "units", (UNITS, 12))


def names(which: int) -> dict[str, str]:
    """What a conversion calls each layer."""
    layers = [*LAYERS, "fc8"]
    if which == TORCHVISION:
        theirs = [*(f"features.{i}" for i in INDICES), "classifier.0", "classifier.6"]
        return dict(zip(layers, theirs, strict=True))
    if which == PUBLISHED:
        return dict(zip(layers, layers, strict=True))
    below = {"conv": "features.", "fc": "fc."} if which == TORCH_NESTED else {"conv": "", "fc": ""}
    return {name: f"{below[name.rstrip('_012345678')]}{name.replace('conv', 'conv_')}" for name in layers}


def save(path: Path, which: int = PUBLISHED, **changes: torch.Tensor | None) -> Path:
    """A state dict's file; changes by the published names, with a double underscore for the dot."""
    tensors = state(NET, names(which))
    for name, tensor in changes.items():
        layer, part = name.split("__")
        key = f"{names(which)[layer]}.{part}"
        del tensors[key]
        if tensor is not None:
            tensors[key] = tensor
    torch.save(tensors, path)
    return path


def first_units(model: Any, picture: np.ndarray[Any, Any] = PICTURE) -> torch.Tensor:
    """A model's first fully connected layer, behind its ReLU, of an image."""
    trunk = model.trunk
    with torch.no_grad():
        pooled = trunk.grid(trunk.features(model.preprocess(picture)[None])).flatten(1)
        joined = join_landmarks(pooled, torch.zeros(1, 68, 2), trunk.landmarks)
        return trunk.fc[:2](joined)


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found.double() - expected).norm() / expected.norm()).item()


# The same outputs


@pytest.mark.parametrize("landmarks", [False, True])
@pytest.mark.parametrize("old", [False, True])
def test_matconvnet(tmp_path: Path, old: bool, landmarks: bool) -> None:
    out = convert_vggface(write_mat(tmp_path / "f.mat", NET, old=old), tmp_path / "o.safetensors", landmarks)
    assert out == tmp_path / "o.safetensors"
    assert off(first_units(affectzoo.load(out)), reference(NET, PICTURE, "rgb")) < 1e-2


@pytest.mark.parametrize(
    ("which", "color"),
    [
        (PUBLISHED, "rgb"),
        (PUBLISHED, "bgr"),
        (TORCH, "auto"),
        (TORCH, "rgb"),
        (TORCH_NESTED, "auto"),
        (TORCHVISION, "rgb"),
        (TORCHVISION, "bgr"),
    ],
)
def test_state_dict(tmp_path: Path, which: int, color: Any) -> None:
    out = convert_vggface(save(tmp_path / "f.pth", which), tmp_path / "o.safetensors", color=color)
    expected = reference(NET, PICTURE, "bgr" if color == "auto" else color)
    assert off(first_units(affectzoo.load(out)), expected) < 1e-2


def test_the_wrong_colour_order_would_be_seen() -> None:
    assert off(reference(NET, PICTURE, "bgr"), reference(NET, PICTURE, "rgb")) > 0.1


@pytest.mark.parametrize("landmarks", [0, 68])
@pytest.mark.parametrize("bgr", [False, True])
@pytest.mark.parametrize("kind", ["mat", "linear", "conv"])
def test_core_is_exact(tmp_path: Path, kind: str, bgr: bool, landmarks: int) -> None:
    if kind == "mat":
        source = conversion.read(write_mat(tmp_path / "f.mat", NET))
    else:
        torch.save(state(NET, names(PUBLISHED), fc6_conv=kind == "conv"), tmp_path / "f.pth")
        source = conversion.read(tmp_path / "f.pth")
    trunk = vgg.VGGTrunk(BLOCKS, (UNITS, 12), landmarks=landmarks)
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    conversion.fill(trunk, source, BLOCKS, bgr=bgr, where="file")
    image = torch.from_numpy(PICTURE - np.array(MEAN, np.float32)).permute(2, 0, 1)[None]
    with torch.no_grad():
        pooled = trunk.grid(trunk.features(image)).flatten(1)
        found = trunk.eval().fc[:2](join_landmarks(pooled, torch.zeros(1, 68, 2), landmarks))
    assert off(found, reference(NET, PICTURE, "bgr" if bgr else "rgb")) < 1e-5
    assert torch.equal(trunk.fc[3].weight, before["fc.3.weight"])
    if landmarks:
        assert torch.equal(trunk.fc[0].weight[:, -136:], before["fc.0.weight"][:, -136:])


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_wrapped_parallel_and_in_other_precisions(tmp_path: Path, dtype: torch.dtype, legacy: bool) -> None:
    plain = state(NET, names(TORCH))
    wrapped = {f"module.{name}": tensor.to(dtype) for name, tensor in plain.items()}
    torch.save(
        {"epoch": 3, "state_dict": wrapped}, tmp_path / "f.pt", _use_new_zipfile_serialization=not legacy
    )
    out = convert_vggface(tmp_path / "f.pt", tmp_path / "o.safetensors")
    assert off(first_units(affectzoo.load(out)), reference(NET, PICTURE, "bgr")) < 1e-2


def test_torchvision_names_are_torchvisions() -> None:
    with torch.device("meta"):
        theirs = torchvision.models.vgg16(num_classes=2622)
    assert [i for i, m in enumerate(theirs.features) if isinstance(m, torch.nn.Conv2d)] == list(INDICES)
    assert theirs.classifier[0].in_features == 25088
    assert theirs.classifier[6].out_features == 2622


# Colors and mean


@pytest.mark.parametrize("which", [PUBLISHED, TORCHVISION])
def test_open_colour_order_is_asked_for(tmp_path: Path, which: int) -> None:
    with pytest.raises(WeightsError, match=r"f\.pth: .* --color rgb where"):
        convert_vggface(save(tmp_path / "f.pth", which), tmp_path / "o.safetensors")
    assert not (tmp_path / "o.safetensors").exists()


def test_a_turned_mean_leaves_the_order_open(tmp_path: Path) -> None:
    turned = np.array(MEAN[::-1], np.float32).reshape(1, 1, 3)
    path = write_mat(tmp_path / "f.mat", NET, mean=turned)
    with pytest.raises(WeightsError, match="does not tell whether it reads RGB or BGR"):
        convert_vggface(path, tmp_path / "o.safetensors")
    model = affectzoo.load(convert_vggface(path, tmp_path / "o.safetensors", color="bgr"))
    assert model.preprocess.mean == pytest.approx([m / 255 for m in MEAN])
    assert off(first_units(model), reference(NET, PICTURE, "bgr")) < 1e-2


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        (np.array([100.0, 90.0, 80.0]), (100, 90, 80)),
        (np.array([120, 100, 90], np.uint8).reshape(1, 1, 3), (120, 100, 90)),
        (np.stack([np.full((4, 5, 3), 130.0), np.full((4, 5, 3), [90, 70, 50])]).mean(0), (110, 100, 90)),
        (None, MEAN),
        (np.zeros((0, 0)), MEAN),
    ],
)
def test_mean_of_a_matconvnet_file(tmp_path: Path, mean: Any, expected: tuple[float, ...]) -> None:
    out = convert_vggface(write_mat(tmp_path / "f.mat", NET, mean=mean), tmp_path / "o.safetensors")
    assert weights.read_meta(out).preprocess.mean == pytest.approx([m / 255 for m in expected])


# What the file says of itself


def test_description(tmp_path: Path) -> None:
    meta = weights.read_meta(
        convert_vggface(write_mat(tmp_path / "vgg_face.mat", NET), tmp_path / "o.safetensors", True, seed=7)
    )
    assert (meta.arch, meta.task, meta.labels, meta.metrics) == ("vggface", "va", (), ())
    assert meta.arguments == {"units": [UNITS, 12], "landmarks": True, "dropout": 0.5}
    assert meta.training.data == "VGG-Face, 2,622 identities"
    assert meta.training.notes["converted_from"] == "vgg_face.mat"
    assert meta.fresh == ("trunk.fc.0, last 136 columns (landmarks)", "trunk.fc.3", "heads.va")
    assert meta.training.seed == 7
    assert "non-commercial research" in meta.license["weights"]
    assert (meta.preprocess.size, meta.preprocess.color, meta.preprocess.margin) == (224, "rgb", 0.1)
    assert meta.preprocess.std == pytest.approx([1 / 255] * 3)


def test_without_landmarks_two_layers_are_fresh(tmp_path: Path) -> None:
    meta = weights.read_meta(
        convert_vggface(write_mat(tmp_path / "f.mat", NET), tmp_path / "o.safetensors", False)
    )
    assert meta.fresh == ("trunk.fc.3", "heads.va")


def test_fresh_layers_are_seeded_and_nothing_else_changes(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "f.mat", NET)
    state_before = torch.get_rng_state()
    files = [
        convert_vggface(path, tmp_path / f"{i}.safetensors", True, seed=seed)
        for i, seed in enumerate((0, 0, 1))
    ]
    assert torch.equal(torch.get_rng_state(), state_before)
    first, again, other = (weights.read_tensors(file) for file in files)
    assert all(torch.equal(first[name], again[name]) for name in first)
    differ = {name for name in first if not torch.equal(first[name], other[name])}
    assert differ == {"trunk.fc.0.weight", "trunk.fc.3.weight", "heads.va.weight"}
    same = first["trunk.fc.0.weight"] == other["trunk.fc.0.weight"]
    assert same[:, :-136].all() and not same[:, -136:].all()
    assert first["trunk.fc.0.weight"][:, -136:].std() > 0.001


# Starting from it


def test_models_start_from_it(tmp_path: Path) -> None:
    plain = str(convert_vggface(write_mat(tmp_path / "f.mat", NET), tmp_path / "p.safetensors"))
    points = str(convert_vggface(tmp_path / "f.mat", tmp_path / "l.safetensors", True))
    expected = reference(NET, PICTURE, "rgb")
    for model in (
        VGGFace(task="va", weights=plain),
        VGGFace(labels="rafdb7", weights=plain, new_head=True),
        VGGFace(task="multitask", labels="rafdb7", landmarks=True, weights=points, new_head=True),
    ):
        assert off(first_units(model.eval()), expected) < 1e-2
    clip = CNNGRU(task="va", backbone="vggface", landmarks=True, weights=points, new_head=True).eval()
    assert clip.preprocess.std == pytest.approx([1 / 255] * 3)
    with torch.no_grad():
        image = clip.preprocess(PICTURE)[None]
        assert off(clip.trunk.frames(image, torch.zeros(1, 68, 2)), expected) < 1e-2
    with pytest.raises(WeightsError, match=r"fc\.0\.weight has shape \(16, 392\), expected \(16, 528\)"):
        CNNGRU(task="va", backbone="vggface", landmarks=True, weights=plain, new_head=True)


# Faults


NAN = torch.from_numpy(NET["conv3_2"][0]).permute(3, 2, 0, 1).clone()
NAN[2, 1, 0, 0] = torch.nan
FC6 = torch.from_numpy(NET["fc6"][0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conv4_3__weight": None}, r"conv4_3\.weight is missing; fetch it again"),
        ({"conv5_1__bias": None}, r"conv5_1\.bias is missing"),
        ({"fc6__weight": None}, r"fc6\.weight is missing"),
        (
            {"conv2_1__weight": torch.zeros(5, 4, 5, 5)},
            r"conv2_1\.weight has shape \(5, 4, 5, 5\), expected \(5, 4, 3, 3\)",
        ),
        ({"conv2_1__bias": torch.zeros(4)}, r"conv2_1\.bias has shape \(4,\), expected \(5,\)"),
        (
            {"fc6__weight": FC6.permute(3, 0, 1, 2)},  # channels last: as many values, another order
            r"fc6\.weight has shape \(16, 7, 7, 8\), expected \(16, 392\) or \(16, 8, 7, 7\)",
        ),
        ({"fc6__weight": torch.zeros(392, 16)}, r"fc6\.weight has shape \(392, 16\)"),
        ({"conv3_2__weight": NAN}, r"conv3_2\.weight holds values from nan to nan"),
        ({"fc6__bias": torch.full((16,), -torch.inf)}, r"fc6\.bias holds values from -inf"),
        ({"fc6__bias": torch.full((16,), 7e4)}, r"fc6\.bias holds values from 70000 to 70000"),
        ({"fc8__bias": torch.zeros(1000)}, r"fc8 has 1,000 outputs, VGG-Face has 2,622"),
        ({"conv1_1__weight": None}, r"holds .*conv1_1\.bias, .*expected one called conv1_1\.weight"),
    ],
)
def test_faults_of_a_state_dict(
    tmp_path: Path, changes: dict[str, torch.Tensor | None], message: str
) -> None:
    out = Path(shutil.copy(OLDER, tmp_path / "o.safetensors"))
    with pytest.raises(WeightsError, match=rf"f\.pth: {message}"):
        convert_vggface(save(tmp_path / "f.pth", **changes), out, color="rgb")
    assert out.read_bytes() == OLDER.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"f.pth", "o.safetensors"}


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "new" / "o.safetensors"
    out.parent.mkdir()
    out.write_text("of something else")
    with pytest.raises(WeightsError, match="did not write it"):
        convert_vggface(save(tmp_path / "f.pth"), out, color="rgb")
    assert out.read_text() == "of something else"
    shutil.copy(OLDER, out)
    convert_vggface(save(tmp_path / "f.pth"), out, color="rgb")
    assert weights.read_meta(out).arch == "vggface"
    assert [path.name for path in out.parent.iterdir()] == ["o.safetensors"]


def test_without_the_identities_layer_is_enough(tmp_path: Path) -> None:
    path = save(tmp_path / "f.pth", fc8__weight=None, fc8__bias=None)
    assert convert_vggface(path, tmp_path / "o.safetensors", color="rgb").is_file()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", ["model", "canary", "pickle"])
def test_nothing_is_unpickled(tmp_path: Path, kind: str, legacy: bool) -> None:
    path, mark = tmp_path / "f.pth", tmp_path / "ran"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Evil(f"touch {mark}"), protocol=2))
    else:
        what = torch.nn.Linear(2, 2) if kind == "model" else {"conv1_1.weight": Evil(f"touch {mark}")}
        torch.save(what, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match=r"f\.pth: refused: .* torch\.save\(model\.state_dict\(\)"):
        convert_vggface(path, tmp_path / "o.safetensors")
    assert not mark.exists()


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.98])
@pytest.mark.parametrize("kind", ["zip", "legacy", "mat"])
def test_truncated(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / ("f.mat" if kind == "mat" else "f.pth")
    if kind == "mat":
        write_mat(path, NET)
    else:
        torch.save(state(NET, names(TORCH)), path, _use_new_zipfile_serialization=kind == "zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match=rf"{path.name}: (no complete|refused|no MatConvNet)"):
        convert_vggface(path, tmp_path / "o.safetensors")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("f.mat", b"<!DOCTYPE html>" * 50, r"no complete MATLAB file \(ValueError: Unknown mat file type"),
        ("f.mat", b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(99), r"MATLAB 7\.3 .*'-struct'"),
        ("f.pth", b"<!DOCTYPE html>" * 50, "refused|no complete"),
        ("f.t7", b"", r"only \.mat .* take the MatConvNet one"),
        ("f.caffemodel", b"", r"only \.mat"),
    ],
)
def test_wrong_kinds_of_files(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError, match=f"{name}: .*({message})|{name}: ({message})"):
        convert_vggface(tmp_path / name, tmp_path / "o.safetensors")


@pytest.mark.parametrize(
    ("content", "message"),
    [([1.0], "holds a list, not a state dict"), ({"epoch": 1}, "holds no tensors by name, only epoch")],
)
def test_no_state_dict(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "f.pth")
    with pytest.raises(WeightsError, match=message):
        convert_vggface(tmp_path / "f.pth", tmp_path / "o.safetensors")


@pytest.mark.parametrize(
    ("layers", "mean", "message"),
    [
        ({}, MEAN, "no MatConvNet network"),
        ({n: NET[n] for n in NET if n != "conv3_3"}, MEAN, r"conv3_3\.weight is missing"),
        (NET | {"conv3_3": (np.zeros((3, 3, 6)), NET["conv3_3"][1])}, MEAN, r"conv3_3\.weight has shape"),
        (NET | {"conv3_3": ("a", "b")}, MEAN, "layer conv3_3 holds <U1 instead of numbers"),
        (published(identities=1000), MEAN, "fc8 has 1,000 outputs"),
        (NET, np.zeros((2, 2)), r"averageImage has shape \(2, 2\), expected \(3,\)"),
        (NET, np.array([np.nan, 1, 2]), r"averageImage is \[nan"),
        (NET, np.array([300, 1, 2]), "expected pixels from 0 to 255"),
    ],
)
def test_faults_of_a_matconvnet_file(tmp_path: Path, layers: Any, mean: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        convert_vggface(
            write_mat(tmp_path / "f.mat", layers, mean=np.array(mean)), tmp_path / "o.safetensors"
        )


def test_a_layer_with_a_number_for_weights(tmp_path: Path) -> None:
    savemat(tmp_path / "f.mat", {"layers": {"name": "conv1_1", "weights": 1.0}})
    with pytest.raises(WeightsError, match="no MatConvNet network"):
        convert_vggface(tmp_path / "f.mat", tmp_path / "o.safetensors")


def test_faults_of_the_call(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.mat: no such file; fetch it from https"):
        convert_vggface(tmp_path / "none.mat", tmp_path / "o.safetensors")
    with pytest.raises(WeightsError, match=r"o\.pth: weights are written as \.safetensors"):
        convert_vggface(write_mat(tmp_path / "f.mat", NET), tmp_path / "o.pth")
    with pytest.raises(WeightsError, match="color is 'bgra', expected auto, rgb or bgr"):
        convert_vggface(tmp_path / "f.mat", tmp_path / "o.safetensors", color="bgra")  # type: ignore[arg-type]


# Command line


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = save(tmp_path / "f.pth"), tmp_path / "o.safetensors"
    command = ["convert", "vggface", str(path), "--out", str(out)]
    assert main(command) == 1
    assert "--color rgb where it comes from" in capsys.readouterr().err
    assert main([*command, "--color", "rgb", "--landmarks"]) == 0
    said = capsys.readouterr().out
    assert "freshly initialized: trunk.fc.0, last 136 columns (landmarks); trunk.fc.3; heads.va" in said
    assert f"--model.weights {out} --model.new_head true" in said
    assert weights.read_meta(out).arguments["landmarks"] is True


def test_command_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["convert", "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert "non-commercial research" in said and "--model.new_head true" in said
    with pytest.raises(SystemExit) as stopped:
        main(["convert", "alexnet", "f.mat", "--out", "o.safetensors"])
    assert stopped.value.code == 2

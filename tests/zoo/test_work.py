"""The bound on the work that weights can ask for: seen before any of it is done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import write_folder

import affectzoo
from affectzoo import weights
from affectzoo.cli import main
from affectzoo.errors import WeightsError
from affectzoo.zoo import work
from affectzoo.zoo.loading import described
from affectzoo.zoo.work import check_work


def load(arch: str, size: int, facts: dict[str, Any] | None = None, **arguments: Any) -> None:
    """Go as far into loading hostile weights as their tensors are not needed."""
    color = "gray" if "dcnn" in arch or "dlp" in arch else "rgb"
    values = {
        "arch": arch,
        "sequence": arch == "cnn_gru",
        "labels": ["a", "b"],
        "preprocess": {"size": size, "color": color},
    }
    meta = weights.WeightsMeta.from_dict(
        {"format": 2, **values, "arguments": arguments, **(facts or {})},
        "hostile.safetensors",
    )
    check_work(described(meta, "hostile.safetensors"), "hostile.safetensors", meta.window or meta.eval_window)


@pytest.mark.parametrize(
    ("arch", "size", "arguments"),
    [
        ("resnet152", 1024, {}),
        ("vgg16", 1024, {}),
        ("timm", 1024, {"backbone": "wide_resnet101_2"}),
        ("cnn_gru", 1024, {"backbone": "vggface"}),
    ],
)
def test_heavy_weights_are_refused_before_they_work(arch: str, size: int, arguments: dict[str, Any]) -> None:
    start = time.process_time()
    with pytest.raises(WeightsError, match=r"hostile.safetensors: refused.*multiplications"):
        load(arch, size, **arguments)
    assert time.process_time() - start < 20


@pytest.mark.parametrize("fact", ["window", "eval_window"])
def test_windows_count(fact: str) -> None:
    for backbone in ("resnet50", "vggface"):
        load("cnn_gru", 224, {fact: 100}, backbone=backbone)
    with pytest.raises(WeightsError, match=r"hostile.safetensors: refused.*windows of 100,000 frames"):
        load("cnn_gru", 224, {fact: 100_000})


def test_faces_that_a_network_cannot_take_are_a_fault_of_the_file() -> None:
    with pytest.raises(WeightsError, match=r"hostile.safetensors: timm does not take a face of 300 x 300"):
        load("timm", 300, backbone="vit_tiny_patch16_224")


def test_the_bound_holds_for_files_and_before_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(work, "MULTIPLICATIONS", 10**6)
    monkeypatch.setattr(work, "PER_VALUE", 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=r"dlp_cnn_s\.ferplus.*refused"):
        affectzoo.load("dlp_cnn_s.ferplus")
    recipe = ["--recipe", "dlp_cnn_s/folder", "--data.root", str(write_folder(tmp_path / "faces"))]
    assert main(["fit", *recipe, "--data.num_workers", "0", "--run_dir", "run"]) == 1
    assert "multiplications" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_counted_is_what_is_done() -> None:
    with torch.device("meta"):
        model = affectzoo.create_model("base_dcnn", num_classes=2)
        count = work._Count(10**12, 2**40)
        with torch.no_grad(), count:
            model.eval()(torch.empty(1, 1, 90, 90))
    convolutions = [m for m in model.trunk.modules() if isinstance(m, torch.nn.Conv2d)]
    assert convolutions
    sizes = {}
    for m in convolutions:
        m.register_forward_hook(lambda m, i, o: sizes.update({m: o[0, 0].numel()}))
    with torch.no_grad():
        model(torch.empty(1, 1, 90, 90, device="meta"))
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    expected = sum(m.weight.numel() * sizes[m] for m in convolutions) + sum(m.weight.numel() for m in linear)
    assert count.bound - count.left == expected

"""HSE FaceRes, converted: same features at any size, batch norm that changes nothing, faults said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import faceres as fake
from fakes.references import prepared

from affectzoo import weights
from affectzoo.cli import main
from affectzoo.errors import DataError, WeightsError
from affectzoo.models import MobileNetV1, mobilenet_v1
from affectzoo.zoo.importing import faceres
from affectzoo.zoo.importing.faceres import convert_faceres

STEM = 4
BLOCKS = ((6, 1), (8, 2), (8, 1), (12, 2))
ARRAYS = fake.published(STEM, BLOCKS)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """FaceRes' form with few channels and blocks."""
    monkeypatch.setattr(mobilenet_v1, "STEM", STEM)
    monkeypatch.setattr(mobilenet_v1, "BLOCKS", BLOCKS)
    monkeypatch.setattr(faceres, "BLOCKS", BLOCKS)


@pytest.fixture(params=[False, True], ids=["files", "tarball"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path, hashes = fake.write(tmp_path, ARRAYS, tarball=request.param)
    monkeypatch.setattr(faceres, "SHA256", hashes)
    return path


def converted(source: Path, **options: Any) -> MobileNetV1:
    out = convert_faceres(source, source.with_name("o.safetensors"), **options)
    return MobileNetV1(labels="ferplus8", weights=str(out), new_head=True).eval()


@pytest.mark.parametrize("shape", [(96, 96), (28, 28), (27, 30), (32, 33)])
@torch.no_grad()
def test_computes_what_the_published_network_does(source: Path, shape: tuple[int, int]) -> None:
    model = converted(source)
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    found = model.trunk(prepared(model, rgb))[0].double().numpy()
    expected = fake.reference(ARRAYS, BLOCKS, rgb)
    assert expected.min() < expected.max() < 6
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_batch_norm_starts_as_the_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    path, hashes = fake.write(tmp_path, ARRAYS)
    monkeypatch.setattr(faceres, "SHA256", hashes)
    random = np.random.default_rng(2)
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), random.integers(0, 256, (96, 96, 3), np.uint8))
    model = converted(path, faces=tmp_path)
    files = sorted(tmp_path.glob("*.png"))
    faces = torch.stack([model.preprocess(cv2.imread(str(file))[..., ::-1]) for file in files])
    trunk = model.trunk
    trunk.dropout.p = 0.0
    torch.testing.assert_close(trunk.train()(faces), trunk.eval()(faces), rtol=1e-3, atol=1e-3)
    meta = weights.read_meta(tmp_path / "o.safetensors")
    assert meta.training.notes["batch_norm"].endswith("6 faces") and meta.fresh == ("heads.va",)
    assert meta.license["weights"] and meta.license["images"]


def test_from_the_command_line(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = source.with_name("o.safetensors")
    main(["convert", "faceres", str(source), "--out", str(out)])
    assert str(out) in capsys.readouterr().out
    assert weights.read_meta(out).arch == "mobilenet_v1"


def test_faults(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "o.safetensors"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        convert_faceres(source, out, faces=tmp_path / "empty")
    with pytest.raises(WeightsError, match="missing"):
        convert_faceres(tmp_path / "missing.tgz", out)
    with pytest.raises(WeightsError, match="README"):
        (tmp_path / "README.tgz").write_text("no archive")
        convert_faceres(tmp_path / "README.tgz", out)
    with pytest.raises(WeightsError, match=r"out\.pth"):
        convert_faceres(source, tmp_path / "out.pth")
    monkeypatch.setitem(faceres.SHA256, "faceres.bin", "0" * 64)
    with pytest.raises(WeightsError, match=r"faceres\.bin"):
        convert_faceres(source, out)
    assert not out.exists()

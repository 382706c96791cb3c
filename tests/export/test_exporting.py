"""Models as exported files: the same answers, whole or not there, described."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
from fakes import write_ferplus, write_picture
from fakes.commands import Command
from fakes.model_tester import randomise

import affectzoo
from affectzoo.cli import main
from affectzoo.errors import AffectZooError, DataError, MissingPackageError, OptionError, OutputError
from affectzoo.export import exporting
from affectzoo.export.exporting import Format, export_model
from affectzoo.export.onnx_model import OnnxModel
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel
from affectzoo.registry import ARCHITECTURES

SMALL: dict[str, dict[str, Any]] = {
    "vggface": {"units": (32, 16), "landmarks": True},
    "vgg16": {"units": (32, 16)},
    "vgg11_bn": {"units": (32, 16)},
    "cnn_m": {"units": 16},
    "resnet50": {"landmarks": True},
    "timm": {"landmarks": True, "head_units": (8,)},
    "cnn_gru": {"backbone": "mobilenet_v1", "units": 6},
    "cnn_lstm": {"backbone": "mobilenet_v1", "units": 6, "landmarks": False},
}
"""Arguments by which architectures are smaller, or take landmarks; others are built as they are."""

IMAGES = 64
"""Pixels of the networks that take any size, which are made for 224."""


def built(arch: str) -> AffectModel:
    """A model with random values, whose face is cut out of the middle."""
    made = ARCHITECTURES[arch].load_class()
    task = "va" if made.sequence else ARCHITECTURES[arch].tasks[-1]
    arguments = SMALL.get(arch, {}) | ({"labels": "rafdb7"} if task == "multitask" else {})
    given = made.preprocess_for(arguments | {"backbone": "mobilenetv3_small_100"})
    size = IMAGES if given.size == 224 and arch not in ("alexnet", "cnn_m") else given.size
    prepared = Preprocess(size, size + 6, given.color, given.mean, given.std)
    return randomise(affectzoo.create_model(arch, task=task, preprocess=prepared, **arguments))


def faces(model: AffectModel, count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shape = (model.preprocess.face_size,) * 2 + ((3,) if model.preprocess.channels == 3 else ())
    return [random.integers(0, 256, shape, dtype=np.uint8) for _ in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_every_architecture_says_the_same(arch: str, tmp_path: Path) -> None:
    model = built(arch)
    done = export_model(model, tmp_path / "model.onnx")
    file = OnnxModel(done.path)
    assert (file.arch, file.landmarks, file.sequence) == (arch, model.landmarks, model.sequence)
    given = faces(model, 5)
    points = None
    if model.landmarks:
        size = model.preprocess.face_size
        points = [np.random.default_rng(i).uniform(0, size, (68, 2)).astype(np.float32) for i in range(5)]
    tracks: list[Any] = ["a", "b", "a", "a", "b"]
    from affectzoo.inference.torch_backend import TorchBackend

    ours = TorchBackend(model).answer(given, tracks, {}, points)
    theirs = file.answer(given, tracks, {}, points)
    for name in ("probabilities", "va", "points"):
        expected, found = getattr(ours, name), getattr(theirs, name)
        assert (expected is None) == (found is None), name
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    states: dict[Any, Any] = {}
    head = "va" if model.dimensions else "points"
    one_by_one = [
        getattr(file.answer([face], [track], states, None if points is None else [points[i]]), head)
        for i, (face, track) in enumerate(zip(given, tracks, strict=True))
    ]
    np.testing.assert_allclose(np.concatenate(one_by_one), getattr(theirs, head), rtol=0, atol=1e-4)
    done.path.unlink()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model's ONNX file."""
    path = tmp_path_factory.mktemp("export") / "face.onnx"
    assert main(["export", "dlp_cnn_s.ferplus", "--out", str(path)]) == 0
    return path


@pytest.mark.slow
def test_the_file_describes_itself(small: Path) -> None:
    model = affectzoo.load("dlp_cnn_s.ferplus")
    file = OnnxModel(small)
    assert file.meta == model.describe()
    texts = file.session.get_modelmeta().custom_metadata_map
    assert json.loads(texts["labels"]) == list(model.labels.names)
    assert (texts["size"], texts["color"]) == ("48", "gray") and "square" in texts["crop"]
    (pixels,) = file.session.get_inputs()
    assert (pixels.name, pixels.type, pixels.shape) == ("pixels", "tensor(uint8)", ["faces", 1, 48, 48])
    assert [(o.name, o.shape) for o in file.session.get_outputs()] == [
        ("logits", ["faces", 8]),
        ("probabilities", ["faces", 8]),
    ]
    content = small.read_bytes()
    for private in (str(Path(affectzoo.__file__).parent), "stack_trace", str(Path.home())):
        assert private.encode() not in content


@pytest.mark.slow
def test_predict_by_name_exports_once(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path / "home"))
    photo = str(Path(affectzoo.__file__).parent / "assets" / "demo" / "astronaut.jpg")
    told = []
    for way in (["--backend", "onnx"], ["--backend", "onnx"], ["--model", str(small)], []):
        assert main(["predict", photo, "--json", *way]) == 0
        told.append(capsys.readouterr())
    assert ["exporting" in one.err for one in told] == [True, False, False, False]
    rows = [json.loads(one.out)[0] for one in told]
    for row in rows:
        assert row == pytest.approx(rows[-1], abs=1e-4)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert affectzoo.predict(photo, backend="onnx")[0].label == rows[-1]["label"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dlp_cnn_s.ferplus", "cnn_gru.rendered"])
def test_torch_export(name: str, tmp_path: Path) -> None:
    done = export_model(name, tmp_path / "model.pt2", "torch")
    told = {"affectzoo.json": ""}
    program = torch.export.load(done.path, extra_files=told).module()
    assert json.loads(json.loads(told["affectzoo.json"])["affectzoo"])["arch"] == name.split(".")[0]
    model = affectzoo.load(name)
    inputs = exporting.Graph(model).example(3)
    with torch.no_grad():
        found = program(**inputs)
        expected = exporting.Graph(model)(**inputs)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_int8(tmp_path: Path, capsys: pytest.CaptureFixture[str], small: Path) -> None:
    root = write_ferplus(tmp_path / "ferplus", 4)
    out = tmp_path / "face8.onnx"
    assert (
        main(["export", "dlp_cnn_s.ferplus", "--out", str(out), "--int8", "--calibrate", f"ferplus={root}"])
        == 0
    )
    assert "on 32 faces of calibration: the same label for" in capsys.readouterr().out
    file = OnnxModel(out)
    assert file.precision == "int8"
    assert out.stat().st_size < small.stat().st_size / 3
    folder = tmp_path / "crops"
    for i, face in enumerate(faces(affectzoo.load("dlp_cnn_s.ferplus"), 20)):
        write_picture(folder / "below" / f"{i}.png", face)
    done = export_model("dlp_cnn_s.ferplus", tmp_path / "other.onnx", calibrate=folder)
    assert done.export.calibration is not None and done.export.calibration["faces"] == 20
    with pytest.raises(DataError, match="no such file"):
        export_model("dlp_cnn_s.ferplus", out, calibrate=tmp_path / "ferplus" / "FER2013Test" / "none")
    assert OnnxModel(out).precision == "int8"


@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_other_answers_leave_no_file(format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(graph: Any, path: Path, *_: Any) -> Any:
        path.write_bytes(b"file")
        return lambda inputs: {"logits": np.zeros((1, 8), np.float32)}

    monkeypatch.setattr(exporting, "_write_torch", wrong)
    monkeypatch.setattr(exporting, "_onnx", lambda graph: None)
    monkeypatch.setattr(exporting, "_save", lambda *_: None)
    monkeypatch.setattr(exporting, "_onnx_runner", lambda path: wrong(None, path))
    path = tmp_path / f"face{exporting.ENDINGS[format]}"
    path.write_bytes(b"older")
    with pytest.raises(AffectZooError, match="from the model's own"):
        export_model("dlp_cnn_s.ferplus", path, format)
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 2.0, 5.0])
def test_killed_exports_leave_no_half_file(after: float, tmp_path: Path) -> None:
    command = Command(tmp_path, "export", "dlp_cnn_s.ferplus", "--out", tmp_path / "face.onnx")
    command.process.join(after)
    if command.running:
        assert command.process.pid is not None
        os.kill(command.process.pid, signal.SIGTERM)
    code = command.end()
    left = {path.name for path in tmp_path.iterdir()} - {"log.txt"}
    assert left == ({"face.onnx"} if code == 0 else set())


def test_what_cannot_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r"end in \.onnx"):
        export_model("dlp_cnn_s.ferplus", tmp_path / "face.pt2")
    with pytest.raises(OptionError, match="int8 files are ONNX"):
        export_model("dlp_cnn_s.ferplus", tmp_path / "face.pt2", "torch", calibrate=tmp_path)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(OutputError, match=r"folder\.onnx"):
        export_model("dlp_cnn_s.ferplus", tmp_path / "folder.onnx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingPackageError, match=r'onnxscript: pip install "affectzoo\[onnx\]"'):
        export_model("dlp_cnn_s.ferplus", tmp_path / "face.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.onnx"]


def test_models_with_landmarks_are_calibrated_with_landmarks(tmp_path: Path) -> None:
    from affectzoo.export.calibration import calibration_faces

    with pytest.raises(DataError, match="NAME=DIR"):
        calibration_faces(tmp_path, built("timm"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--out", "x.onnx", "--int8"], "--calibrate FOLDER or NAME=DIR"),
        (["--out", "x.onnx", "--calibrate", "faces"], "--calibrate is for --int8"),
        ([], "--out"),
    ],
)
def test_usage(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["export", "dlp_cnn_s.ferplus", *options])
    assert told in capsys.readouterr().err


def test_help_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main(["export", "--help"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80 and "affectzoo[onnx]" in shown

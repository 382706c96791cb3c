"""Exported ONNX files: run without torch, and refused where they are none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
from fakes import write_picture
from fakes.onnx_files import LABELS, SIZE, write_onnx

import affectzoo
from affectzoo.cli import main
from affectzoo.errors import MissingPackageError, OptionError, WeightsError
from affectzoo.export.onnx_model import OnnxModel
from affectzoo.faces.detect import Detection
from affectzoo.inference.demo import PHOTOGRAPH


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_onnx(tmp_path / "tiny.onnx")


def gray(level: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), level, np.uint8)


def shares(mean: float) -> list[float]:
    scores = np.exp([2 * mean, mean, 0])
    return [float(share) for share in scores / scores.sum()]


def test_predicts_as_other_models_do(file: Path) -> None:
    found = affectzoo.predict([gray(0), gray(255), gray(51)], file, "none", batch_size=2)
    for face, mean in zip(found, (0, 1, 0.2), strict=True):
        assert tuple(face.probabilities) == LABELS
        assert list(face.probabilities.values()) == pytest.approx(shares(mean), abs=1e-6)
    assert [face.label for face in found] == ["calm"] * 3


def test_torch_is_not_imported(file: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "face.png", gray(40))
    script = f"""
import sys
from affectzoo.cli import main
for inputs in (["{tmp_path / "face.png"}", "--detector", "none", "--out", "{tmp_path / "faces.csv"}"],
               ["{PHOTOGRAPH}", "--render", "{tmp_path / "drawn"}"]):
    assert main(["predict", *inputs, "--model", "{file}"]) == 0
import affectzoo
affectzoo.predict("{PHOTOGRAPH}", model="{file}")
print("LOADED", sorted({{"torch", "lightning", "timm", "pandas", "scipy", "onnx"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"
    assert (tmp_path / "faces.csv").read_text().splitlines()[1].split(",")[9] == "calm"


def test_says_what_it_is(file: Path) -> None:
    model = OnnxModel(file)
    assert (model.arch, model.precision, model.landmarks, model.sequence) == (
        *("dlp_cnn_s", "float32"),
        *(0, False),
    )
    assert model.labels is not None and model.labels.names == LABELS
    assert model.preprocess.size == SIZE and model.preprocess.color == "gray"
    texts = model.session.get_modelmeta().custom_metadata_map
    assert json.loads(texts["labels"]) == list(LABELS)
    assert (texts["size"], texts["color"]) == (str(SIZE), "gray")


def test_tracks_go_on_where_they_were(tmp_path: Path) -> None:
    model = OnnxModel(write_onnx(tmp_path / "gru.onnx", sequence=True))
    faces = [np.full((SIZE, SIZE), level, np.uint8) for level in (51, 102, 51, 255, 0)]
    tracks = ["a", "b", "a", "a", "b"]
    together: dict[object, np.ndarray] = {}
    at_once = model.answer(faces, tracks, together).probabilities
    states: dict[object, np.ndarray] = {}
    one_by_one = [
        model.answer([face], [track], states).probabilities for face, track in zip(faces, tracks, strict=True)
    ]
    assert at_once is not None
    expected = [shares(mean) for mean in (0.2, 0.4, 0.4, 1.4, 0.4)]
    assert at_once == pytest.approx(np.array(expected), abs=1e-6)
    assert np.concatenate([found for found in one_by_one if found is not None]) == pytest.approx(at_once)
    assert together.keys() == states.keys() == {"a", "b"}


def test_landmarks_are_given_in_pixels_of_the_face(tmp_path: Path) -> None:
    model = OnnxModel(write_onnx(tmp_path / "points.onnx", landmarks=True))
    assert model.landmarks == 68
    marks = np.full((68, 2), 11.5, np.float32)  # the middle of the box, in an image twice as large

    class Found:
        name, landmarks = "found", 68

        def __call__(self, image: np.ndarray) -> list[Detection]:
            return [Detection((4, 4, 20, 20), landmarks=marks)]

    (face,) = affectzoo.predict([np.zeros((40, 40, 3), np.uint8)], model, Found())
    assert list(face.probabilities.values()) == pytest.approx(shares((SIZE - 1) / 2), abs=1e-5)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES = {
    "no file": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no model"),
    "truncated": _truncated,
    "foreign": lambda path: write_onnx(path, affectzoo=""),
    "later": lambda path: write_onnx(path, affectzoo_export='{"format": 99}'),
    "no JSON": lambda path: write_onnx(path, affectzoo="{"),
    "other metadata": lambda path: write_onnx(path, affectzoo='{"arch": 3}'),
    "no golden face": lambda path: write_onnx(path, affectzoo_test="{}"),
    "golden face no image": lambda path: write_onnx(
        path, affectzoo_test='{"pixels": "AAAA", "answers": {"probabilities": [[1, 0, 0]]}}'
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_and_foreign_files(
    damage: object, file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert callable(damage)
    damage(file)
    with pytest.raises(WeightsError, match=r"tiny\.onnx"):
        OnnxModel(file)
    write_picture(tmp_path / "face.png", gray(40))
    assert main(["predict", str(tmp_path / "face.png"), "--detector", "none", "--model", str(file)]) == 1
    told = capsys.readouterr().err
    assert str(file) in told and (
        "export" in told or "install" in told or "description" in told or "JSON" in told
    )


def test_altered_answers_are_found(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = OnnxModel(file).session.get_modelmeta().custom_metadata_map
    test = json.loads(texts["affectzoo.test"])
    test["answers"]["probabilities"][0][0] += 0.01
    write_onnx(file, affectzoo_test=json.dumps(test))
    with pytest.raises(WeightsError, match="self-test failed"):
        OnnxModel(file)
    monkeypatch.setenv("AFFECTZOO_SELF_TEST", "0")
    OnnxModel(file)


def test_without_onnx_runtime(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r'onnxruntime: pip install "affectzoo\[onnx\]"'):
        OnnxModel(file)


def test_backends_that_do_not_fit(file: Path) -> None:
    with pytest.raises(WeightsError, match="predict --model"):
        affectzoo.load(file)
    with pytest.raises(OptionError, match="backend onnx only"):
        affectzoo.Predictor(file, backend="torch")
    with pytest.raises(OptionError, match="CPU"):
        affectzoo.Predictor(file, device="cuda")
    affectzoo.Predictor(file, device="cpu")

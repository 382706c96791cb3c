"""Exported files under the protocols of a benchmark."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
from fakes import write_picture
from fakes.onnx_files import LABELS, write_onnx

from affectzoo.benchmark.systems import system
from affectzoo.cli import main
from affectzoo.errors import WeightsError
from affectzoo.files.fetch import sha256


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Faces of which the tiny file gets two in three right; one cannot be read."""
    root = tmp_path / "faces"
    rows = [(f"{i}.png", LABELS[0] if i % 3 else LABELS[2], "test") for i in range(12)]
    for name, _, _ in rows:
        write_picture(root / name, np.full((20, 20), 200, np.uint8))
    (root / "5.png").write_bytes(b"no image")
    with (root / "faces.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return root


def test_an_exported_file_is_a_system(faces: Path, tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "tiny.onnx")
    out = tmp_path / "board"
    asked = ["benchmark", "--data", f"table={faces}", "--split", "test", "--out", str(out)]
    assert main([*asked, "--models", f"tiny={file}"]) == 0
    (path,) = (out / "records").glob("*.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["system"] == "tiny" and record["kind"] == "zoo"
    assert record["model"]["sha256"] == [sha256(file)] and record["model"]["tensors_sha256"] is None
    assert record["faces"]["missing"] == 1
    assert record["metrics"]["accuracy"]["value"] == pytest.approx(7 / 11)
    assert "float32, by ONNX Runtime" in record["remarks"]
    assert record["compute"]["latency_ms"] > 0 and record["compute"]["threads"] >= 1


def test_foreign_files_and_those_of_sequences(tmp_path: Path, faces: Path) -> None:
    (tmp_path / "foreign.onnx").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"foreign\.onnx"):
        system(str(tmp_path / "foreign.onnx"))
    step = system(str(write_onnx(tmp_path / "step.onnx", sequence=True)))
    told = step.misfit(None)  # type: ignore[arg-type]
    assert told is not None and "frames of videos" in told

"""Files that Git LFS left in place of others are told as such, by whatever reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import affectzoo
from affectzoo.datasets.table import read_table
from affectzoo.errors import AffectZooError
from affectzoo.export.onnx_model import OnnxModel
from affectzoo.files.images import read_image
from affectzoo.files.text import read_text
from affectzoo.files.video_frames import VideoFrames
from affectzoo.zoo.checkpoints import read_checkpoint

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"

READ: dict[str, Callable[[Path], object]] = {
    "face.jpg": read_image,
    "face": read_image,
    "film.mp4": VideoFrames,
    "labels.txt": read_text,
    "faces.csv": lambda path: read_table(path.parent),
    "model.safetensors": affectzoo.load,
    "net.safetensors": read_checkpoint,
    "net.pt": read_checkpoint,
    "net.onnx": OnnxModel,
}


@pytest.mark.parametrize("name", READ)
def test_pointers_are_told(name: str, tmp_path: Path) -> None:
    if name.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
    path = tmp_path / name
    path.write_bytes(POINTER)
    with pytest.raises(AffectZooError, match="git lfs pull") as stop:
        READ[name](path)
    assert name in str(stop.value)


def test_a_folder_whose_weights_are_a_pointer(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(POINTER)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(AffectZooError, match="git lfs pull"):
        affectzoo.load(tmp_path)

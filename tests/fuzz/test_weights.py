"""Damaged weights, checkpoints and what lies beside them: loaded and sound, or a ``WeightsError``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.vggface import published, write_mat
from hypothesis import given
from hypothesis import strategies as st

import affectzoo
from affectzoo import weights
from affectzoo.errors import AffectZooError
from affectzoo.files.fetch import sha256
from affectzoo.models import DLPCNNSmall
from affectzoo.store import CONFIG_NAME, FORMAT
from affectzoo.training.checkpoints import read_training
from affectzoo.zoo.checkpoints import read_checkpoint
from affectzoo.zoo.importing import conversion
from affectzoo.zoo.importing.checkpoint import import_checkpoint
from affectzoo.zoo.loading import seal
from fuzz.mutation import Draw, Written, damaged, fuzzed, mutate, no_hang, restored, written_once

FEW = 12
"""Mutants of each kind of file in the default suite."""

FACE = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)


def write_file(root: Path) -> list[Path]:
    torch.manual_seed(0)
    model = DLPCNNSmall(labels=["calm", "tense"])
    weights.write(root / weights.FILE_NAME, model.network_state(), model.describe())
    seal(root / weights.FILE_NAME)
    return [root / weights.FILE_NAME]


def write_published(root: Path) -> list[Path]:
    """Weights beside the ``config.json`` of a published folder."""
    [path] = write_file(root)
    meta = weights.read_meta(path).to_dict()
    config = {"format": FORMAT, "library": "affectzoo", "meta": meta, "sha256": {path.name: sha256(path)}}
    (root / CONFIG_NAME).write_text(json.dumps(config))
    return [root / CONFIG_NAME]


def use_weights(root: Path, path: Path) -> None:
    model = affectzoo.load(root)
    told = affectzoo.predict([FACE], model=model, detector="none")[0]
    shares = list(told.probabilities.values())
    assert told.label in told.probabilities and abs(sum(shares) - 1) < 1e-4
    assert model.meta is not None and model.preprocess.size <= 1024
    json.dumps(model.meta.to_dict(), allow_nan=False)


def write_checkpoints(root: Path) -> list[Path]:
    torch.manual_seed(0)
    model = DLPCNNSmall(labels=["calm", "tense"])
    meta = model.describe().to_dict()
    state = {name: tensor.half() for name, tensor in model.network_state().items()}
    state |= {"heads.expression.weight": torch.zeros(2, 1)}  # small files find more
    content = {"affectzoo": meta, "state_dict": state, "epoch": 3, "global_step": 7}
    content["affectzoo_training"] = {"training": {"data": "some"}, "license": {"weights": "MIT"}}
    torch.save(content, root / "last.ckpt")
    torch.save({"state_dict": {"conv.weight": torch.zeros(3, 3)}}, root / "old.pt")
    torch.save({"conv.weight": torch.zeros(3, 3)}, root / "older.pth", _use_new_zipfile_serialization=False)
    return [root / "last.ckpt", root / "old.pt", root / "older.pth"]


def use_checkpoint(root: Path, path: Path) -> None:
    for read in (read_training, read_checkpoint, lambda path: import_checkpoint(path, None)):
        try:
            read(path)
        except AffectZooError:
            continue


def write_vggface(root: Path) -> list[Path]:
    return [write_mat(root / "vgg.mat", published())]


def use_vggface(root: Path, path: Path) -> None:
    assert conversion.read(path).tensors


TARGETS: dict[str, tuple[Callable[[Path], list[Path]], Callable[[Path, Path], None]]] = {
    "file": (write_file, use_weights),
    "published": (write_published, use_weights),
    "checkpoints": (write_checkpoints, use_checkpoint),
    "matconvnet": (write_vggface, use_vggface),
}


def mutate_header(path: Path, draw: Draw) -> None:
    """Damage a safetensors file where its numbers have a meaning: in the header and the description in it."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + size])
    if draw(st.booleans()) and "affectzoo" in header.get("__metadata__", {}):
        meta = damaged(json.loads(header["__metadata__"]["affectzoo"]), draw)
        header["__metadata__"]["affectzoo"] = json.dumps(meta)
    else:
        header = damaged(header, draw)
    text = json.dumps(header).encode()
    length = draw(st.sampled_from((len(text),) * 9 + (0, 2**40, len(text) - 1)))
    path.write_bytes(length.to_bytes(8, "little") + text + data[8 + size :])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return written_once(tmp_path_factory, lambda name, root: TARGETS[name][0](root))


@pytest.mark.parametrize("name", TARGETS)
@fuzzed(FEW, 1 / 50)
@given(data=st.data())
def test_damaged_weights_are_refused_or_sound(name: str, data: st.DataObject, written: Written) -> None:
    root, paths = written(name)
    path = data.draw(st.sampled_from(paths))
    with restored(root, root), no_hang(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inside = path.suffix == ".safetensors" and data.draw(st.integers(0, 3))
        mutate_header(path, data.draw) if inside else mutate(path, data.draw)
        try:
            TARGETS[name][1](root, path)
        except AffectZooError as error:
            assert str(error).strip()

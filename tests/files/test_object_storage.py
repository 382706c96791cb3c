"""S3, as moto serves it on this machine: training and prediction read there what they read from a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import write_afewva

from affectzoo.cli import main
from affectzoo.datamodules import AFEWVA
from affectzoo.datatools.prepare import prepare
from affectzoo.faces.preprocess import Preprocess

REASON = 'needs a local S3 server: pip install s3fs "moto[server]"'
s3fs = pytest.importorskip("s3fs", reason=REASON)
server = pytest.importorskip("moto.server", reason=REASON)
pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A prepared folder, here in ``out`` and in a bucket."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path / "home"))
    prepare("afewva", write_afewva(tmp_path / "data"), tmp_path / "out", form="shards", chunk=3, workers=0)
    storage = server.ThreadedMotoServer(port=0, verbose=False)
    storage.start()
    host, port = storage.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "stand-in"),
        ("AWS_SECRET_ACCESS_KEY", "stand-in"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # which has other tests' servers
    system = s3fs.S3FileSystem()
    system.makedirs("faces", exist_ok=True)
    system.put(str(tmp_path / "out"), "s3://faces/out", recursive=True)
    yield "s3://faces/out"
    storage.stop()


def batches(root: str, workers: int) -> list[dict[str, Any]]:
    options: dict[str, Any] = {"preprocess": Preprocess(size=16), "landmarks": 68, "augment": "none"}
    torch.manual_seed(0)
    data = AFEWVA(root, batch_size=2, num_workers=workers, **options)
    data.setup("fit")
    return [batch for _ in range(2) for batch in data.train_dataloader()]


@pytest.mark.parametrize("workers", [0, 2])
def test_training_is_served_the_same(bucket: str, workers: int) -> None:
    near, far = batches("out", 0), batches(bucket, workers)
    assert len(near) == len(far) > 2
    for one, other in zip(near, far, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in ("image", "landmarks", "va", "index"))


def test_predictions_are_the_same(bucket: str) -> None:
    for address, file in (("out", "near.csv"), (bucket, "far.csv")):
        assert main(["predict", address, "--out", file]) == 0
    assert Path("far.csv").read_text().replace("s3://faces/", "") == Path("near.csv").read_text()

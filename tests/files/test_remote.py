"""Prepared data behind an address: fetched piece by piece, kept, renewed, and usable without the network."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
import torch
from fakes import write_afewva

from affectzoo.datamodules import AFEWVA, Folder
from affectzoo.datatools.prepare import prepare
from affectzoo.errors import DataError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.remote import local_root


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path / "home"))
    prepare("afewva", write_afewva(tmp_path / "data"), tmp_path / "out", form="shards", chunk=3, workers=0)
    return (tmp_path / "out").as_uri()


def serve(root: str, workers: int = 0) -> AFEWVA:
    options = {"preprocess": Preprocess(size=16), "landmarks": 68, "num_workers": workers, "augment": "none"}
    data = AFEWVA(root, batch_size=4, **options)
    data.setup("test")
    return data


@pytest.mark.parametrize("workers", [0, 2])
def test_faces_are_the_same_as_from_the_folder(address: str, tmp_path: Path, workers: int) -> None:
    near = list(serve(str(tmp_path / "out")).test_dataloader())
    far = list(serve(address, workers).test_dataloader())
    assert len(near) == len(far) > 0
    for one, other in zip(near, far, strict=True):
        for key in ("image", "landmarks", "va", "clip"):
            assert torch.equal(one[key], other[key])


def test_shards_are_fetched_when_first_read_and_then_kept(address: str, tmp_path: Path) -> None:
    data = serve(address)
    assert not list(data.root.rglob("*.tar"))
    first = next(iter(data.test_dataloader()))
    fetched = len(list(data.root.rglob("*.tar")))
    assert 0 < fetched < len(list((tmp_path / "out").rglob("*.tar")))
    list(data.test_dataloader())
    shutil.rmtree(tmp_path / "out")
    with pytest.warns(UserWarning, match="going on with what was fetched before"):
        again = serve(address)
    assert torch.equal(next(iter(again.test_dataloader()))["image"], first["image"])
    assert not [path for path in data.root.rglob(".*")]


def test_a_copy_of_what_was_prepared_anew_is_thrown_away(address: str, tmp_path: Path) -> None:
    list(serve(address).test_dataloader())
    shutil.rmtree(tmp_path / "out")
    prepare("afewva", tmp_path / "data", tmp_path / "out", form="shards", chunk=2, workers=0)
    data = serve(address)
    assert not list(data.root.rglob("*.tar"))
    assert len(list(data.test_dataloader())) > 0


def test_any_file_system_of_fsspec(address: str, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "out"), "/bucket/out", recursive=True)
    faces = sum(len(batch["image"]) for batch in serve("memory://bucket/out").test_dataloader())
    assert faces == len(serve(str(tmp_path / "out")).split_index("test"))


def test_what_cannot_be_fetched(address: str, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nowhere/prepared\.json: cannot be read .* affectzoo data prepare wrote"
    ):
        local_root((tmp_path / "nowhere").as_uri())
    with pytest.raises(DataError, match=r"nosuch://bucket.*cannot be read"):
        local_root("nosuch://bucket/out")
    with pytest.raises(DataError, match="prepared from afewva: choose the data module AFEWVA, not Folder"):
        Folder(address, preprocess=Preprocess(size=16)).setup("test")
    data = serve(address)
    shutil.rmtree(tmp_path / "out" / "shards")
    with pytest.raises(DataError, match=r"00000\.tar: cannot be read"):
        list(data.test_dataloader())


def test_processes_that_begin_together_share_one_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTZOO_HOME", str(tmp_path / "home"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "prepared.json").write_text("{}")
    address = (tmp_path / "out").as_uri()
    copy = local_root(address)
    (copy / "prepared.json").unlink()  # as where another process has just begun
    (copy / "00000.tar").write_bytes(b"fetched by it")
    assert local_root(address) == copy
    assert (copy / "00000.tar").read_bytes() == b"fetched by it"
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(local_root, [address] * 64)) == {copy}
    assert sorted(path.name for path in copy.iterdir()) == ["00000.tar", "address.txt", "prepared.json"]

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import Picture, picture, write_ferplus, write_rafdb

from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What affectzoo keeps between uses is not the user's, in tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFFECTZOO_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def gray48() -> Preprocess:
    return Preprocess(size=48, color="gray")


@pytest.fixture
def ferplus(tmp_path: Path) -> Path:
    return write_ferplus(tmp_path / "ferplus")


@pytest.fixture
def rafdb(tmp_path: Path) -> Path:
    return write_rafdb(tmp_path / "rafdb")


class MemoryIndex:
    """Makes index tables whose pictures lie in memory; label ``None``: no single class."""

    def __call__(
        self, labels: Sequence[str | None], pixels: Picture | None = None, split: str = "train"
    ) -> FaceIndex:
        space = SPACES["fer2013"]
        random = np.random.default_rng(0)
        even = np.full(len(space), 1 / len(space), np.float32)
        rows = [
            {
                "path": f"{i}.png",
                "split": split,
                "label": label,
                "target": even if label is None else one_hot(space, label),
                "pixels": picture(random, 48, 48) if pixels is None else pixels,
                "source": f"line {i}",
            }
            for i, label in enumerate(labels)
        ]
        return FaceIndex.from_rows("memory", Path("nowhere"), space, rows)


@pytest.fixture
def memory_index() -> MemoryIndex:
    return MemoryIndex()

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many processes as cores run already

import gc
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fakes import Picture, picture, write_ferplus, write_picture, write_rafdb
from fakes.commands import Command
from fakes.figures import figures

from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.table import read_table
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES


def pytest_collection() -> None:
    """Modules of a million objects are imported, none of which is garbage: do not search them for it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """They stay: do not search them again and again in what follows."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """At the end they are garbage, which extension modules ask for."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def nothing_runs_on() -> Iterator[None]:
    """What a failed test started ends with it."""
    yield
    Command.kill_all()


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What affectzoo keeps between uses is not the user's, in tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFFECTZOO_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    """What is written need not outlive a power cut, for which each of thousands of files takes 15 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def blank_figures() -> Iterator[None]:
    """Figures stay blank but where ``figures_drawn`` is asked for."""
    with figures(drawn=False):
        yield


@pytest.fixture
def figures_drawn() -> Iterator[None]:
    """Figures are drawn, as users see them."""
    with figures(drawn=True):
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


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may become larger than 2,500 bytes, as if the disk were full then."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TableIndex:
    """Makes index tables of faces by the reader of tables; label ``None``: valence and arousal alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(
        self, labels: Sequence[str | None], pixels: Picture | None = None, split: str = "train", **more: Any
    ) -> FaceIndex:
        """Write and read; ``more`` are columns of the table, such as ``subject``, one value per face."""
        random = np.random.default_rng(0)
        self.root.mkdir(exist_ok=True)
        columns: dict[str, list[Any]] = {name: list(values) for name, values in more.items()}
        columns.setdefault("path", [f"{split}{i}.png" for i in range(len(labels))])
        for path in columns["path"]:
            write_picture(self.root / path, picture(random, 48, 48) if pixels is None else pixels)
        columns["label"] = list(labels)
        columns["split"] = [split] * len(labels)
        for name in ("valence", "arousal"):
            columns.setdefault(name, [0.1 if label is None else None for label in labels])
        pd.DataFrame(columns).to_csv(self.root / "faces.csv", index=False)
        index = read_table(self.root)
        return index if index.labels is None else index.conform(SPACES["fer2013"])


@pytest.fixture
def table_index(tmp_path: Path) -> TableIndex:
    return TableIndex(tmp_path / "table")

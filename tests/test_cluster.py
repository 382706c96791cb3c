"""Work in pieces on Ray's workers: in order, whole, and told where it fails; most of it without Ray."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import picture, write_afewva, write_picture

from affectzoo import cluster
from affectzoo.cli import main
from affectzoo.datamodules import AFEWVA
from affectzoo.datatools.prepare import prepare
from affectzoo.errors import AffectZooError, MissingPackageError
from affectzoo.inference.unfinished import UnfinishedRun


class RayError(Exception):
    """A worker died."""


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class StandInRay:
    """Works at once, and says that the piece begun last is done first; counts what runs at a time."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self) -> None:
        self.most = 0

    def worker(self, work: Callable[[Any], Any]) -> Any:
        return SimpleNamespace(run=SimpleNamespace(remote=lambda piece: (work, piece)))

    def wait(self, running: list[Any]) -> tuple[list[Any], list[Any]]:
        self.most = max(self.most, len(running))
        return running[-1:], running[:-1]

    def get(self, future: Any) -> Any:
        work, piece = future
        try:
            return work(piece)
        except ValueError as error:
            raise RayTaskError(error) from None


def through(work: Callable[[int], Any], pieces: int = 9, workers: int = 2) -> tuple[list[Any], StandInRay]:
    ray = StandInRay()
    some = [ray.worker(work) for _ in range(workers)]
    return list(cluster._through(ray, some, range(pieces), "piece {}".format)), ray


@pytest.mark.parametrize("pieces", [0, 1, 9])
def test_results_come_in_order_whatever_is_done_first(pieces: int) -> None:
    results, ray = through(lambda piece: piece * 10, pieces)
    assert results == [piece * 10 for piece in range(pieces)] and ray.most <= 4


def test_what_a_piece_raises_is_raised() -> None:
    def work(piece: int) -> int:
        raise ValueError(f"at {piece}")

    with pytest.raises(ValueError, match="at 3"):
        through(work)


def test_a_piece_that_kills_its_workers_is_named() -> None:
    def work(piece: int) -> int:
        raise RayError("The actor died\nand more")

    with pytest.raises(AffectZooError, match=r"piece 3: 4 workers died of it.*: The actor died$"):
        through(work)


@pytest.mark.parametrize(
    "command", [("predict", "a.png"), ("data", "prepare", "folder", "--root", "r", "--out", "o")]
)
def test_ray_is_asked_for_before_anything_is_done(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("affectzoo.packages.find_spec", lambda name: None)
    assert main([*command, "--engine", "ray"]) == 1
    assert capsys.readouterr().err == (
        'affectzoo: for --engine ray, install ray: pip install "affectzoo[ray]"\n'
    )
    with pytest.raises(MissingPackageError):
        cluster.check_engine("ray")
    cluster.check_engine("local")


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    ray = pytest.importorskip("ray", reason='needs the extra ray: pip install "affectzoo[ray]"')
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
def test_two_workers_share_the_work(two_workers: None) -> None:
    def work(piece: int) -> tuple[int, int]:
        time.sleep(0.05)
        return piece * piece, os.getpid()

    results = list(cluster.on_ray(lambda: work, range(20), str))
    assert [value for value, _ in results] == [n * n for n in range(20)]
    assert len({process for _, process in results} - {os.getpid()}) == 2


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(
    two_workers: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(piece: int) -> int:
        if piece == 7 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os._exit(9)
        return piece

    assert list(cluster.on_ray(lambda: work, range(12), str)) == list(range(12))
    assert (tmp_path / "killed").exists() and capfd.readouterr().out == ""


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty ready crops, one of them damaged, one that is no file."""
    monkeypatch.chdir(tmp_path)
    for n in range(60):
        write_picture(tmp_path / "faces" / f"{n:02}.png", picture(np.random.default_rng(n), 48, 48, 3))
    (tmp_path / "faces" / "17.png").write_bytes(b"x")
    os.mkfifo(tmp_path / "faces" / "40.png.png")
    return Path("faces")


def predict(*arguments: object) -> int:
    return main(["predict", *map(str, arguments), "--detector", "none", "--batch-size", "8"])


@pytest.mark.slow
def test_rows_are_those_of_the_plain_run(
    two_workers: None, faces: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert predict(faces, "--out", "plain.jsonl") == 1
    plain = capfd.readouterr().err
    assert predict(faces, "--out", "ray.jsonl", "--engine", "ray") == 1
    shown = capfd.readouterr()
    assert Path("ray.jsonl").read_bytes() == Path("plain.jsonl").read_bytes()
    assert shown.out == "" and shown.err == plain.replace("plain.", "ray.")


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_a_killed_worker_loses_nothing(
    two_workers: None, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert predict(faces, "--out", "plain.jsonl") == 1
    killed: list[int] = []

    def stopping(self: UnfinishedRun, name: str, rows: Any, ends: bool = True) -> None:
        if len(self.done) == 20:
            raise KeyboardInterrupt
        keep(self, name, rows, ends)

    def killing(self: UnfinishedRun, name: str, rows: Any, ends: bool = True) -> None:
        keep(self, name, rows, ends)
        if not killed:
            killed.extend(ray_workers())
            os.kill(killed[0], signal.SIGKILL)

    keep = UnfinishedRun.add
    with monkeypatch.context() as patch:
        patch.setattr(UnfinishedRun, "add", stopping)
        assert predict(faces, "--out", "ray.jsonl", "--engine", "ray") == 130
    assert Path("ray.jsonl.part").read_bytes().count(b"\n") == 21
    with monkeypatch.context() as patch:
        patch.setattr(UnfinishedRun, "add", killing)
        assert predict(faces, "--out", "ray.jsonl", "--engine", "ray", "--resume") == 1
    assert killed and Path("ray.jsonl").read_bytes() == Path("plain.jsonl").read_bytes()


def ray_workers() -> list[int]:
    """Processes that hold a model."""
    processes = [path for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [int(p.name) for p in processes if (p / "cmdline").read_bytes().startswith(b"ray::_Worker")]


@pytest.mark.slow
def test_shards_behind_an_address(two_workers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "prepare", "afewva", "--root", str(write_afewva(tmp_path / "data")), *PREPARE]) == 0
    address = (tmp_path / "out").as_uri()
    assert main(["predict", address, "--out", "plain.csv", "--batch-size", "2"]) == 0
    assert main(["predict", address, "--out", "ray.csv", "--batch-size", "2", "--engine", "ray"]) == 0
    assert Path("ray.csv").read_bytes() == Path("plain.csv").read_bytes()
    assert Path("ray.csv").read_text().count("/shards/") > 4


PREPARE = ("--out", "out", "--format", "shards", "--chunk", "3", "--workers", "0")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["loose", "shards"])
def test_what_is_prepared_is_that_of_the_plain_run(two_workers: None, tmp_path: Path, form: Any) -> None:
    root = write_afewva(tmp_path / "data")
    image = root / AFEWVA(str(root)).read().table["path"][1]
    image.write_bytes(image.read_bytes()[:50])
    plain = prepare("afewva", root, tmp_path / "plain", form=form, chunk=3, workers=0)
    assert prepare("afewva", root, tmp_path / "ray", form=form, chunk=3, engine="ray") == plain
    assert plain["left_out"]
    names = {path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*")}
    assert names == {path.relative_to(tmp_path / "ray") for path in (tmp_path / "ray").rglob("*")}
    for name in names:
        if (tmp_path / "ray" / name).is_file():
            assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


@pytest.mark.slow
def test_a_cluster_without_gpus_says_so(two_workers: None) -> None:
    with pytest.raises(AffectZooError, match="has no GPU"):
        list(cluster.on_ray(lambda: str, range(2), str, gpu=True))

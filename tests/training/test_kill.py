"""Commands that are killed at any moment lose nothing: started again, they end as if undisturbed.

Longer: AFFECTZOO_KILLS=20 pytest -m slow tests/training/test_kill.py
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from fakes import picture, write_afewva, write_fer2013_folders, write_ferplus, write_picture
from fakes.commands import LOG, Command, fork_commands
from fakes.hub import FakeHub, User

import affectzoo
from affectzoo.evaluation.record import predictions, read_records
from affectzoo.hub.publishing import build, publish
from affectzoo.training.checkpoints import FOLDER, read_training, readable
from affectzoo.training.runs import CONFIG

KILLS = int(os.environ.get("AFFECTZOO_KILLS", "3"))
RECIPES = Path(__file__).parents[2] / "recipes"
BUNDLED = "dlp_cnn_s.ferplus"
SMALL = ("--data.batch_size=8", "--data.num_workers=1", "--trainer.accelerator=cpu", "--model.dropout=0")
QUIET = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")

pytestmark = pytest.mark.slow


class Work:
    """A command to kill; its class's documentation says what of it stays.

    Attributes:
        first: Called in its process before it.
    """

    first: Any = None

    def __init__(self, data: Path) -> None:
        """Write its data."""
        self.data = data

    def command(self, folder: Path) -> list[object]:
        """What to type in a folder, for the first time or again, as the messages tell users to."""
        raise NotImplementedError

    def kept(self, folder: Path) -> set[Any]:
        """What is there of the work and must be there from now on."""
        raise NotImplementedError

    def result(self, folder: Path) -> tuple[Any, Any]:
        """What the finished work is judged by: what must be equal, and numbers that must be close."""
        raise NotImplementedError


class Fit(Work):
    """Whole epochs."""

    def __init__(self, data: Path) -> None:
        super().__init__(write_ferplus(data))

    def command(self, folder: Path) -> list[object]:
        run = folder / "run"
        good = readable(run / FOLDER)
        if good:
            return ["fit", "--config", run / CONFIG, "--ckpt_path", good[0]]
        new = [
            "--trainer.max_epochs=4",
            "--trainer.precision=32-true",
            f"--data.root={self.data}",
            "--run_dir",
            run,
            "--overwrite=true",
        ]
        return ["fit", "--config", RECIPES / "dlp_cnn_s" / "ferplus.yaml", *new, *SMALL, *QUIET]

    def kept(self, folder: Path) -> set[Any]:
        good = readable(folder / "run" / FOLDER)
        if not good:
            return set()
        assert set(good) == {
            p for p in good[0].parent.glob("[!.]*.ckpt")
        }  # the best, where a kill fell before the last
        return set(range(read_training(good[0])["epoch"] + 1))

    def result(self, folder: Path) -> tuple[Any, Any]:
        run = folder / "run"
        model = affectzoo.load(run)
        logs = [pd.read_csv(path) for path in sorted(run.glob("csv/*/metrics.csv"))]
        losses = pd.concat(logs).dropna(subset="valid/loss").groupby("epoch")["valid/loss"].last()
        assert not [path for path in run.rglob(".*") if path.is_file()]
        weights = {name: tensor.numpy().tobytes() for name, tensor in model.network_state().items()}
        return (model.meta.training, losses.to_dict(), weights), None


class CrossValidate(Work):
    """Folds that were trained, and tested."""

    first = staticmethod(fork_commands)

    def __init__(self, data: Path) -> None:
        super().__init__(write_afewva(data))

    def command(self, folder: Path) -> list[object]:
        recipe = folder / "recipe.yaml"
        content = {
            "model": {"class_path": "affectzoo.modules.DLPCNNSmall", "init_args": {"task": "va"}},
            "data": {"class_path": "affectzoo.datamodules.AFEWVA", "init_args": {"root": str(self.data)}},
            "trainer": {"max_epochs": 2},
        }
        recipe.write_text(yaml.safe_dump(content))
        return ["cross-validate", "--config", recipe, "--folds", "2", "--run_dir", "cv", *SMALL, *QUIET]

    def kept(self, folder: Path) -> set[Any]:
        done = [*folder.glob("cv/fold_*/model.safetensors"), *folder.glob("cv/fold_*/records/[!.]*.json")]
        return {(path, path.stat().st_mtime_ns) for path in done}

    def result(self, folder: Path) -> tuple[Any, Any]:
        (record,) = read_records(folder / "cv")
        table = pd.read_csv(folder / "cv" / "cross_validation.csv", index_col=0)
        figures = {name: figure["value"] for name, figure in record["metrics"].items()}
        return record["faces"]["total"], (figures, table.to_dict())


class Prepare(Work):
    """Faces that were cut, in steps."""

    options: tuple[str, ...] = ("--format", "loose")

    def __init__(self, data: Path) -> None:
        super().__init__(write_fer2013_folders(data, 12))

    def command(self, folder: Path) -> list[object]:
        given = ["--root", self.data, "--out", folder / "out", "--workers", "1", "--chunk", "4"]
        return ["data", "prepare", "fer2013", *given, *self.options]

    def kept(self, folder: Path) -> set[Any]:
        done = folder.glob("out/parts/[!.]*.json")
        return {(path, path.stat().st_mtime_ns) for path in done}

    def result(self, folder: Path) -> tuple[Any, Any]:
        out = folder / "out"
        return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}, None


class PrepareShards(Prepare):
    """The same in tar files."""

    options = ("--format", "shards")


class Predict(Work):
    """Images that were predicted."""

    ending = ".csv"

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        random = np.random.default_rng(0)
        for n in range(300):
            write_picture(data / f"{n:03}.png", picture(random, 48, 48))

    def command(self, folder: Path) -> list[object]:
        options = ["--detector", "none", "--batch-size", "4", "--resume"]
        return ["predict", self.data, *options, "--out", folder / f"f{self.ending}"]

    def kept(self, folder: Path) -> set[Any]:
        part, whole = (folder / f"f{self.ending}{end}" for end in (".part", ""))
        lines = part.read_bytes().count(b"\n") - 1 if part.exists() else 0
        return set(range(300 if whole.exists() else lines))

    def result(self, folder: Path) -> tuple[Any, Any]:
        path = folder / f"f{self.ending}"
        assert {other.name for other in folder.iterdir()} == {path.name, LOG}
        table = pd.read_csv(path) if self.ending == ".csv" else pd.read_parquet(path)
        shares = table.filter(like="p_")
        return table[["file", "label"]].to_dict(), torch.tensor(shares.to_numpy())


class PredictParquet(Predict):
    """The same in a format that is written at the end."""

    ending = ".parquet"


def hurry() -> None:
    """Measure no exact times, draw small figures."""
    from affectzoo.benchmark import cost
    from affectzoo.plots import style

    style.DPI = 30
    cost.WARM_UP, cost.RUNS, cost.WARM_UP_SECONDS, cost.SECONDS = (0, 1), (1, 2), 0.0, 0.0


class Benchmark(Work):
    """Pairs of systems and protocols."""

    first = staticmethod(hurry)

    def __init__(self, data: Path) -> None:
        super().__init__(write_ferplus(data))

    def command(self, folder: Path) -> list[object]:
        given = ["--data", f"ferplus={self.data}", "--protocol", "ferplus_valid", "--out", folder / "board"]
        return ["benchmark", *given, "--models", BUNDLED, "hog+svm", f"{BUNDLED}+svm"]

    def kept(self, folder: Path) -> set[Any]:
        done = folder.glob("board/records/[!.]*.json")
        return {(path, path.stat().st_mtime_ns) for path in done}

    def result(self, folder: Path) -> tuple[Any, Any]:
        board = folder / "board"
        records = {}
        for record in read_records(board):
            own = {"seconds", "compute", "command", "remarks"}  # the last tells of a busy machine
            told = json.dumps({key: value for key, value in record.items() if key not in own}, sort_keys=True)
            records[record["key"]] = told, predictions(board, record).read_bytes()
        assert (board / "leaderboard.md").is_file() and (board / "leaderboard.html").is_file()
        return records, None


class Publish(Work):
    """The published form of before, until the new one is complete."""

    def command(self, folder: Path) -> list[object]:
        if not (folder / "out").exists():
            build(BUNDLED, folder / "out", repo="lab/older")
        return ["publish", BUNDLED, "--repo", "lab/net", "--dry-run", "--out", folder / "out"]

    def kept(self, folder: Path) -> set[Any]:
        affectzoo.load(folder / "out")
        return {"a model"}

    def result(self, folder: Path) -> tuple[Any, Any]:
        out = folder / "out"
        assert {path.name for path in folder.iterdir()} == {"out", LOG}
        return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}, None


WORKS = (Fit, CrossValidate, Prepare, PrepareShards, Predict, PredictParquet, Benchmark, Publish)


@pytest.mark.parametrize("kind", WORKS, ids=lambda kind: kind.__name__)
def test_kills_lose_nothing(kind: type[Work], tmp_path: Path) -> None:
    work = kind(tmp_path / "data")
    folders = (tmp_path / str(number) for number in range(3 * KILLS + 1))  # some end before their kill

    def start(folder: Path) -> Command:
        return Command(folder, *work.command(folder), first=work.first)

    whole = next(folders)
    whole.mkdir()
    began = time.monotonic()
    assert start(whole).end() == 0
    length = time.monotonic() - began
    draw, kills = random.Random(0), 0
    for folder in folders:
        folder.mkdir()
        before: set[Any] = set()
        while kills < KILLS:
            began = time.monotonic()
            if not start(folder).kill(after=draw.uniform(0.05, 1.0) * length):
                length = min(length, time.monotonic() - began)  # the first one had more to wait for
                break
            kills += 1
            kept = work.kept(folder)
            assert before <= kept
            before = kept
        assert start(folder).end() == 0
        (exact, close), (exactly, closely) = work.result(folder), work.result(whole)
        assert exact == exactly
        torch.testing.assert_close(close, closely, rtol=1e-4, atol=1e-5, equal_nan=True)
        if kills == KILLS:
            return
    raise AssertionError(f"{kills} of {KILLS} kills found it running")


def test_an_upload_that_is_killed_is_all_there_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(BUNDLED, tmp_path / "out", repo="lab/net").folder
    wanted = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    with FakeHub() as hub:
        hub.tokens["hf_writer"] = User("ada", orgs=("lab",))
        hub.environment(monkeypatch, tmp_path / "home", "hf_writer")
        publish(folder, "lab/net")
        requests = len(hub.log)
        draw = random.Random(0)
        for kill in range(KILLS):
            repo, count = f"lab/net{kill}", len(hub.log) + draw.randint(1, requests)
            process = multiprocessing.get_context("fork").Process(target=publish, args=(folder, repo))
            process.start()
            while process.is_alive() and len(hub.log) < count:
                time.sleep(0.001)
            process.kill()
            process.join()
            found = set(hub.repos[repo].at("main").files) if repo in hub.repos else set()
            assert found - {".gitattributes"} in (set(), wanted)
            publish(folder, repo)
            assert set(hub.repos[repo].at("main").files) - {".gitattributes"} == wanted

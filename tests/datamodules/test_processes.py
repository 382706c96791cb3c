"""Two processes that train and evaluate together, over gloo on the CPU."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing

from affectzoo.datamodules import FERPlus
from affectzoo.datamodules.samplers import EvaluationSampler, TrainingSampler
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import DataError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.metrics.predictions import Predictions
from affectzoo.processes import from_all_processes, from_first_process
from affectzoo.sample import AffectOutput

METHOD = "fork" if sys.platform == "linux" else "spawn"


class Counted(FERPlus):
    """Counts how often the files are read."""

    times = 0

    def read_index(self) -> FaceIndex:
        self.times += 1
        return super().read_index()


def module(root: Path, **options: Any) -> Counted:
    given = {"preprocess": Preprocess(40, 48, color="gray"), "num_workers": 0, "on_unreadable": "skip"}
    return Counted(str(root), **{**given, **options})


def epochs(data: FERPlus) -> list[list[dict[str, torch.Tensor]]]:
    loader = data.train_dataloader()
    return [[{key: batch[key] for key in ("index", "image", "target")} for batch in loader] for _ in range(2)]


def broken() -> None:
    raise DataError("not to be read")


def process(rank: int, root: Path, out: Path) -> None:
    """What each of the two does; the results go to ``out``."""
    torch.set_num_threads(1)
    torch.manual_seed(0 if rank == 0 else 99)  # as where no seed is given: the first one's is everybody's
    distributed.init_process_group("gloo", f"file://{out}/rendezvous", rank=rank, world_size=2)
    data = module(root, batch_size=4, rule="probability")
    data.setup("fit")
    found: dict[str, Any] = {"times": data.times, "train": epochs(data)}
    valid = [data.on_before_batch_transfer(batch, 0) for batch in data.val_dataloader()]
    found["valid"] = [(batch["index"], batch["mask"]) for batch in valid]
    found["own"] = list(data.unreadable)
    data.gather_unreadable()
    found["all"] = list(data.unreadable)
    found["few"] = [list(EvaluationSampler(count)) for count in (1, 2, 3)]
    found["one face"] = [draw.row for draw in TrainingSampler([7], seed=0)]
    found["small"] = [len(batch["index"]) for batch in module(root, batch_size=64).train_dataloader()]
    predictions = Predictions(2, 0)
    if rank == 0:  # nothing is left for the other
        scores = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        batch = {"index": torch.tensor([4, 2, 2]), "mask": torch.tensor([True, True, True])}
        predictions.update(AffectOutput(scores, scores), batch)
    found["predicted"] = predictions.compute(data._part("valid").truth, everywhere=True)._asdict()
    found["gathered"] = from_all_processes(rank * 10)
    try:
        from_first_process(broken)
    except DataError as error:
        found["error"] = str(error)
    torch.save(found, out / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture
def both(ferplus: Path, tmp_path: Path) -> list[dict[str, Any]]:
    for row in (0, 2, 4, 6, 9):  # all of the first process's first batch, one of the other's second
        path = module(ferplus).index.part("valid").table["path"][row]
        (ferplus / path).write_bytes(b"")
    multiprocessing.start_processes(process, (ferplus, tmp_path), nprocs=2, start_method=METHOD)  # type: ignore[no-untyped-call]
    return [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]


def test_two_processes_do_together_what_one_does(both: list[dict[str, Any]], ferplus: Path) -> None:
    assert [found["times"] for found in both] == [1, 0]
    torch.manual_seed(0)
    alone = epochs(module(ferplus, batch_size=8, rule="probability"))
    for one, first, second in zip(alone, *(found["train"] for found in both), strict=True):
        assert len(one) == len(first) == len(second) == 3
        for batch, *halves in zip(one, first, second, strict=True):
            assert not set(halves[0]["index"].tolist()) & set(halves[1]["index"].tolist())
            for key in ("index", "image", "target"):
                shared = torch.stack([half[key] for half in halves], dim=1).flatten(0, 1)
                assert torch.equal(shared, batch[key]), key
    assert not torch.equal(alone[0][0]["index"], alone[1][0]["index"])

    rows, masks = zip(*(zip(*found["valid"], strict=True) for found in both), strict=True)
    assert [[len(batch) for batch in mine] for mine in rows] == [[4, 4, 4]] * 2
    assert [torch.cat(mine).tolist() for mine in rows] == [list(range(0, 24, 2)), list(range(1, 24, 2))]
    assert [[int(mask.sum()) for mask in mine] for mine in masks] == [[0, 4, 4], [4, 3, 4]]
    assert [len(found["own"]) for found in both] == [4, 1]
    assert all(set(found["all"]) == {*both[0]["own"], *both[1]["own"]} for found in both)

    assert [found["few"] for found in both] == [[[0], [0], [0, 2]], [[0], [1], [1]]]
    assert [found["one face"] for found in both] == [[7], [7]]
    assert [found["small"] for found in both] == [[12], [12]]  # fewer than the batch asks for
    for found in both:
        assert found["predicted"]["row"].tolist() == [2, 4]
        assert found["predicted"]["expression"].tolist() == [[4, 5], [1, 2]]
    assert [found["gathered"] for found in both] == [[0, 10]] * 2
    assert [found["error"] for found in both] == ["not to be read"] * 2


@pytest.mark.parametrize("world", [2, 3, 5])
@pytest.mark.parametrize("count", [1, 4, 23])
def test_every_process_serves_equally_many_and_all_serve_each_sample(
    world: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, evaluated = [], []
    for rank in range(world):
        monkeypatch.setattr("affectzoo.datamodules.samplers.processes", lambda rank=rank: (rank, world))
        trained.append(TrainingSampler(range(count), seed=3))
        evaluated.append(list(EvaluationSampler(count)))
    assert {len(sampler) for sampler in trained} == {max(1, count // world)}
    for _ in range(2):
        served = [list(sampler) for sampler in trained]
        assert {len(rows) for rows in served} == {max(1, count // world)}
        rows = [draw.row for mine in served for draw in mine]
        assert len(set(rows)) == min(count, len(rows))
        assert len({draw.seed for mine in served for draw in mine}) == len(rows)
    assert sorted({row for mine in evaluated for row in mine}) == list(range(count))
    assert all(evaluated) and (count < world or sum(map(len, evaluated)) == count)
    with_epoch = TrainingSampler(range(50), seed=3)
    first = list(with_epoch)
    assert list(with_epoch) != first
    with_epoch.set_epoch(0)
    assert list(with_epoch) == first

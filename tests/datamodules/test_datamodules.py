from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import MemoryIndex
from fakes import write_fer2013_csv, write_fer2013_folders, write_ferplus

from affectzoo.datamodules import FER2013, RAFDB, FaceDataModule, FERPlus
from affectzoo.datamodules.base import hold_out
from affectzoo.datamodules.imbalance import Imbalance, resample, sample_weights
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.votes import VoteRule
from affectzoo.errors import AffectZooError, EmptySplitError, LabelError, UnreadableImageError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES
from affectzoo.sample import Batch

UNEVEN = [0] * 6 + [1] * 3 + [2] * 4 + [-1] * 2


class InMemory(FaceDataModule):
    """Serves a given index table."""

    def __init__(self, index: FaceIndex, **changes: Any) -> None:
        super().__init__("nowhere", **options(**changes))
        self.given = index

    def read_index(self) -> FaceIndex:
        return self.given


def options(**changes: Any) -> dict[str, Any]:
    """Plain ones unless said otherwise: no augmentation, no loading processes."""
    common = {"preprocess": Preprocess(48, color="gray"), "augment": "none", "num_workers": 0}
    return common | changes


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("as_is", {0: 6, 1: 3, 2: 4, -1: 2}),
        ("weighted", {0: 6, 1: 3, 2: 4, -1: 2}),
        ("down", {0: 4, 1: 3, 2: 4, -1: 2}),
        ("up", {0: 6, 1: 6, 2: 6, -1: 2}),
    ],
)
def test_resampled_counts(strategy: Imbalance, expected: dict[int, int]) -> None:
    rows = resample(UNEVEN, strategy, cap=4, seed=0)
    assert Counter(np.array(UNEVEN)[rows].tolist()) == expected
    assert (np.diff(rows) >= 0).all()
    np.testing.assert_array_equal(rows, resample(UNEVEN, strategy, cap=4, seed=0))


def test_down_never_repeats_and_up_repeats_evenly() -> None:
    down, up = (Counter(resample(UNEVEN, kind, 4, 0).tolist()) for kind in ("down", "up"))
    assert set(down.values()) == {1}
    assert [up[row] for row in range(9)] == [1] * 6 + [2] * 3
    assert sorted(up[row] for row in range(9, 13)) == [1, 1, 2, 2]


def test_resampling_draws_by_seed() -> None:
    draws = {tuple(resample([0] * 20, "down", 10, seed).tolist()) for seed in range(5)}
    assert len(draws) == 5


def test_sample_weights_give_each_class_the_same_mass() -> None:
    weights = sample_weights([0, 0, 0, 0, 2, 2, 1])
    np.testing.assert_allclose(weights, [1 / 12] * 4 + [1 / 6] * 2 + [1 / 3])


@pytest.mark.parametrize(
    ("imbalance", "expected"),
    [
        ("as_is", {"anger": 12, "fear": 5, "neutral": 2}),
        ("down", {"anger": 4, "fear": 4, "neutral": 2}),
        ("up", {"anger": 12, "fear": 12, "neutral": 12}),
    ],
)
def test_an_epoch_goes_through_the_resampled_rows(
    memory_index: MemoryIndex, imbalance: Imbalance, expected: dict[str, int]
) -> None:
    index = memory_index(["anger"] * 13 + ["fear"] * 6 + ["neutral"] * 3)
    data = InMemory(index, imbalance=imbalance, cap=4, valid_fraction=0.05, batch_size=1)
    seen = [label for batch in data.train_dataloader() for label in batch["label"].tolist()]
    assert Counter(index.labels.names[label] for label in seen) == expected
    assert seen != sorted(seen)


def test_weighted_sampling_draws_classes_equally(memory_index: MemoryIndex) -> None:
    index = memory_index(["anger"] * 83 + ["fear"] * 13 + ["neutral"] * 5)
    data = InMemory(index, imbalance="weighted", valid_fraction=0.05, batch_size=1)
    torch.manual_seed(0)
    loader = data.train_dataloader()
    labels = data._part("train").labels
    drawn = Counter(int(labels[row]) for _ in range(30) for row in loader.sampler)
    assert sum(drawn.values()) == 30 * len(labels)
    shares = [count / drawn.total() for count in drawn.values()]
    np.testing.assert_allclose(shares, [1 / 3] * 3, atol=0.04)


def test_last_short_batch_is_dropped_in_training_alone(memory_index: MemoryIndex) -> None:
    index = memory_index(["anger"] * 12)
    data = InMemory(index, valid_fraction=0.3, batch_size=3)
    assert [len(batch["label"]) for batch in data.val_dataloader()] == [3, 1]
    assert [len(batch["label"]) for batch in data.train_dataloader()] == [3, 3]
    whole = InMemory(index, valid_fraction=0.3, batch_size=20)
    assert [len(batch["label"]) for batch in whole.train_dataloader()] == [8]


def test_hold_out_is_stratified_and_disjoint(memory_index: MemoryIndex) -> None:
    names = ["anger"] * 40 + ["fear"] * 20 + ["neutral"] * 4 + ["sadness"]
    index = memory_index(names)
    split = hold_out(index, 0.2, seed=3)
    valid = split.part("valid").table
    assert Counter(valid["label"]) == {"anger": 8, "fear": 4, "neutral": 1}
    assert not set(valid["path"]) & set(split.part("train").table["path"])
    assert len(split) == len(index) == index.split_counts()["train"]
    assert hold_out(index, 0.2, seed=3).table["split"].equals(split.table["split"])
    assert not hold_out(index, 0.2, seed=4).table["split"].equals(split.table["split"])


def test_hold_out_leaves_each_class_a_face(memory_index: MemoryIndex) -> None:
    split = hold_out(memory_index(["anger", "anger", "fear"]), 0.9, seed=0)
    assert Counter(split.part("train").table["label"]) == {"anger": 1, "fear": 1}


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_hold_out_refuses_other_shares(memory_index: MemoryIndex, fraction: float) -> None:
    with pytest.raises(AffectZooError, match=f"valid_fraction is {fraction}, expected"):
        hold_out(memory_index(["anger"] * 4), fraction, seed=0)


def test_rafdb_holds_out_of_train_and_counts_what_is_left(rafdb: Path) -> None:
    data = RAFDB(str(rafdb), valid_fraction=0.34, **options(preprocess=Preprocess(48)))
    data.setup("fit")
    paths = {
        split: {path for batch in loader for path in batch["path"]}
        for split, loader in (
            ("train", data.train_dataloader()),
            ("valid", data.val_dataloader()),
            ("test", data.test_dataloader()),
        )
    }
    assert {split: len(found) for split, found in paths.items()} == {
        "train": 14,
        "valid": 7,
        "test": 21,
    }
    assert len(set.union(*paths.values())) == 42
    assert all("train_" in path for path in paths["train"] | paths["valid"])
    assert data.train_class_counts().tolist() == [2] * 7


def test_own_validation_part_is_used_and_evaluation_keeps_the_order(ferplus: Path) -> None:
    data = FERPlus(str(ferplus), batch_size=5, **options())
    paths = [path for batch in data.val_dataloader() for path in batch["path"]]
    assert paths == data.index.part("valid").table["path"].tolist()
    assert data.train_class_counts().tolist() == [3] * 8
    on_valid = FERPlus(str(ferplus), test_split="valid", **options())
    assert all("Valid/" in p for batch in on_valid.test_dataloader() for p in batch["path"])


def test_augmentation_is_for_training_alone(ferplus: Path) -> None:
    preprocess = Preprocess(40, 48, color="gray")
    data = FERPlus(str(ferplus), **options(augment="modern", preprocess=preprocess))
    plain = FERPlus(str(ferplus), **options(preprocess=preprocess))
    for split, same in (("train", False), ("valid", True), ("test", True)):
        one, other = (module._part(split)[0]["image"] for module in (data, plain))
        assert torch.equal(one, other) == same


def test_reading_needs_the_models_preprocessing(ferplus: Path) -> None:
    with pytest.raises(AffectZooError, match=r"FERPlus needs preprocess=model\.preprocess"):
        FERPlus(str(ferplus)).setup("fit")


def test_stages_need_only_their_own_parts(tmp_path: Path) -> None:
    data = FERPlus(str(write_ferplus(tmp_path, parts=["train", "valid"])), **options())
    data.setup("fit")
    assert len(data.val_dataloader().dataset) == 24  # type: ignore[arg-type]
    with pytest.raises(EmptySplitError, match=r"the test part of .*found: train 24, valid 24"):
        data.setup("test")


def test_fit_without_training_faces(tmp_path: Path) -> None:
    data = FERPlus(str(write_ferplus(tmp_path, parts=["test"])), **options())
    with pytest.raises(EmptySplitError, match=r"the train part of .*found: test 24"):
        data.setup("fit")


@pytest.mark.parametrize("write", [write_fer2013_csv, write_fer2013_folders])
def test_fer2013_serves_every_form(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    data = FER2013(str(write(tmp_path)), batch_size=21, **options())
    (batch,) = data.test_dataloader()
    assert tuple(batch["image"].shape) == (21, 1, 48, 48)
    assert batch["label"].bincount().tolist() == [3] * 7


@pytest.mark.parametrize(
    ("rule", "targets"),
    [
        ("majority", {(1.0, 0.0)}),
        ("crossentropy", {(0.7, 0.3)}),
        ("probability", {(1.0, 0.0), (0.0, 1.0)}),
        ("multi_target", {(1.0, 1.0)}),
    ],
)
def test_ferplus_targets(ferplus: Path, rule: VoteRule, targets: set[tuple[float, float]]) -> None:
    data = FERPlus(str(ferplus), rule=rule, **options())
    torch.manual_seed(0)
    train, valid = data._part("train"), data._part("valid")
    drawn = torch.stack([train[0]["target"] for _ in range(300)])
    seen = Counter(tuple(round(v, 4) for v in row[:2]) for row in drawn.tolist())
    assert set(seen) == targets
    rest = 0.001 if rule == "multi_target" else 0.0
    np.testing.assert_allclose(drawn[:, 2:], rest)
    if rule == "probability":
        assert 0.6 < seen[1.0, 0.0] / 300 < 0.8
    assert valid[0]["target"].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def damage(data: FERPlus, split: str, *rows: int) -> list[str]:
    """Empty some pictures of a part; returns their paths."""
    paths = data.index.part(split).table["path"][list(rows)].tolist()
    for path in paths:
        (data.index.root / path).write_bytes(b"")
    return paths


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_picture_stops_and_is_named(ferplus: Path, workers: int) -> None:
    data = FERPlus(str(ferplus), **options(num_workers=workers))
    (path,) = damage(data, "valid", 3)
    with pytest.raises(UnreadableImageError) as error:
        list(data.val_dataloader())
    listed = ferplus / "FER2013Valid" / "label.csv"
    expected = f"{ferplus / path}: the file is empty (listed in {listed}, line 4; --data.on_unr"
    assert expected in str(error.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_pictures_are_skipped_and_named_once(ferplus: Path, workers: int) -> None:
    data = FERPlus(str(ferplus), on_unreadable="skip", batch_size=6, **options(num_workers=workers))
    paths = damage(data, "valid", 3, 4, 20)
    loader = data.val_dataloader()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            batches: list[Batch] = [data.on_before_batch_transfer(batch, 0) for batch in loader]
    assert [len(batch["index"]) for batch in batches] == [6 - 2, 6, 6, 6 - 1]
    assert not {3, 4, 20} & {i for batch in batches for i in batch["index"].tolist()}
    assert not any("unreadable" in batch for batch in batches)
    messages = [str(warning.message) for warning in told if "left out" in str(warning.message)]
    assert len(messages) == len(data.unreadable) == 3
    for number, (message, path) in enumerate(zip(messages, paths, strict=True), start=1):
        assert message.startswith(f"left out ({number} so far): {ferplus / path}: the file is")


def test_data_speaks_the_models_labels_by_name(tmp_path: Path) -> None:
    root = str(write_fer2013_csv(tmp_path))
    theirs = FER2013(root, **options()).index
    ours = FER2013(root, labels=SPACES["rafdb7"], **options())
    assert ours.index.labels is SPACES["rafdb7"]
    assert ours.index.table["label"].tolist() == theirs.table["label"].tolist()
    sample = ours._part("train")[0]
    assert SPACES["rafdb7"].names[sample["label"]] == "anger"
    assert int(sample["target"].argmax()) == SPACES["rafdb7"].index("anger") == 5


def test_class_the_model_lacks_is_an_error(ferplus: Path) -> None:
    data = FERPlus(str(ferplus), labels=SPACES["affectnet7"], **options())
    with pytest.raises(LabelError, match=r"ferplus labels faces with contempt, which affectnet7"):
        data.setup("fit")


def test_drop_unmapped_leaves_faces_out_and_counts_them(ferplus: Path) -> None:
    data = FERPlus(str(ferplus), labels=SPACES["affectnet7"], drop_unmapped=True, **options())
    data.setup("fit")
    assert data.index.split_counts() == {"train": 21, "valid": 21, "test": 21}
    assert data.index.left_out["class not in affectnet7"] == 9
    assert data.train_class_counts().tolist() == [3] * 7
    # fear 0.7, contempt 0.3: what is left is fear alone, in the model's place for it
    table = data.index.part("train").table
    fear = table[table["label"] == "fear"]["target"].iloc[0]
    np.testing.assert_allclose(fear, np.eye(7)[SPACES["affectnet7"].index("fear")])
    happiness = table[table["label"] == "happiness"]["target"].iloc[0]
    np.testing.assert_allclose(happiness, [0, 0.7, 0, 0.3, 0, 0, 0])


def test_merge_moves_faces_and_votes(ferplus: Path) -> None:
    data = FERPlus(str(ferplus), labels=SPACES["affectnet7"], merge={"contempt": "disgust"}, **options())
    assert data.index.split_counts() == {"train": 24, "valid": 24, "test": 24}
    disgust = SPACES["affectnet7"].index("disgust")
    assert data.train_class_counts()[disgust] == 6
    table = data.index.part("train").table
    fear = table[table["label"] == "fear"]["target"].iloc[0]
    np.testing.assert_allclose(fear, [0, 0, 0, 0, 0.7, 0.3, 0])


def test_joined_votes_can_outweigh_the_highest_class(memory_index: MemoryIndex) -> None:
    index = memory_index(["anger"])
    votes = {"anger": 0.4, "disgust": 0.3, "fear": 0.3}
    target = np.array([votes.get(name, 0) for name in index.labels.names], np.float32)
    index.table["target"] = pd.Series([target], dtype=object)
    joined = index.conform(index.labels, merge={"disgust": "fear"})
    assert joined.table["label"].tolist() == ["fear"]
    assert joined.table["target"][0][index.labels.index("fear")] == pytest.approx(0.6)


def test_faces_without_a_class_survive_conforming(memory_index: MemoryIndex) -> None:
    index = memory_index([None, "fear"])
    data = InMemory(index, labels=SPACES["rafdb7"])
    assert data._part("train").labels.tolist() == [-1, SPACES["rafdb7"].index("fear")]


def test_ranks_share_an_uneven_part_without_repeats(
    memory_index: MemoryIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    index = memory_index(["anger"] * 7, split="test")
    rows = []
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        loader = InMemory(index).test_dataloader()
        rows.append([i for batch in loader for i in batch["index"].tolist()])
    assert rows == [[0, 2, 4, 6], [1, 3, 5]]

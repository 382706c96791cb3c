from __future__ import annotations

import os
import pickle
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TableIndex
from fakes import write_afewva, write_fer2013_csv, write_fer2013_folders, write_ferplus

from affectzoo.datamodules import AFEWVA, FER2013, RAFDB, FaceDataModule, FERPlus
from affectzoo.datamodules.dataset import ground_truth
from affectzoo.datamodules.imbalance import Imbalance, resample, sample_weights
from affectzoo.datamodules.rows import FaceRows
from affectzoo.datasets.index import FaceIndex
from affectzoo.datasets.votes import VoteRule
from affectzoo.datatools.prepare import prepare
from affectzoo.errors import (
    AffectZooError,
    DataError,
    EmptySplitError,
    LabelError,
    OptionError,
    UnknownNameError,
    UnreadableImageError,
)
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES, label_space
from affectzoo.sample import Batch

UNEVEN = [0] * 6 + [1] * 3 + [2] * 4 + [-1] * 2


class InMemory(FaceDataModule):
    """Serves a given index table."""

    def __init__(self, index: FaceIndex, **changes: Any) -> None:
        super().__init__(str(index.root), **options(**changes))
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


def test_no_class_is_no_class_of_its_own_for_a_sampler() -> None:
    weights = sample_weights([0, -1, 0, 0, 1, -1])
    np.testing.assert_allclose(weights, [1 / 9, 1 / 6, 1 / 9, 1 / 9, 1 / 3, 1 / 6])
    np.testing.assert_allclose(sample_weights([-1, -1]), [0.5, 0.5])


@pytest.mark.parametrize(
    ("imbalance", "expected"),
    [
        ("as_is", {"anger": 12, "fear": 5, "neutral": 2}),
        ("down", {"anger": 4, "fear": 4, "neutral": 2}),
        ("up", {"anger": 12, "fear": 12, "neutral": 12}),
    ],
)
def test_an_epoch_goes_through_the_resampled_rows(
    table_index: TableIndex, imbalance: Imbalance, expected: dict[str, int]
) -> None:
    index = table_index(["anger"] * 13 + ["fear"] * 6 + ["neutral"] * 3)
    data = InMemory(index, imbalance=imbalance, cap=4, valid_fraction=0.05, batch_size=1)
    seen = [label for batch in data.train_dataloader() for label in batch["label"].tolist()]
    assert Counter(index.labels.names[label] for label in seen) == expected
    assert seen != sorted(seen)


def test_weighted_sampling_draws_classes_equally(table_index: TableIndex) -> None:
    index = table_index(["anger"] * 83 + ["fear"] * 13 + ["neutral"] * 5)
    data = InMemory(index, imbalance="weighted", valid_fraction=0.05, batch_size=1)
    torch.manual_seed(0)
    loader = data.train_dataloader()
    labels = data._part("train").labels
    drawn = Counter(int(labels[draw.row]) for _ in range(30) for draw in loader.sampler)
    assert sum(drawn.values()) == 30 * len(labels)
    shares = [count / drawn.total() for count in drawn.values()]
    np.testing.assert_allclose(shares, [1 / 3] * 3, atol=0.04)


@pytest.mark.parametrize(
    ("labels", "imbalance"),
    [([None] * 8, "weighted"), ([None] * 8, "up"), ([None] * 8, "down"), (["anger"] * 8, "quadrants")],
)
def test_balancing_by_what_no_face_has_is_an_error(
    table_index: TableIndex, labels: list[str | None], imbalance: Imbalance
) -> None:
    data = InMemory(table_index(labels), imbalance=imbalance)
    with pytest.raises(DataError, match=f"imbalance {imbalance}"):
        data.train_dataloader()


def test_last_short_batch_is_dropped_in_training_alone(table_index: TableIndex) -> None:
    index = table_index(["anger"] * 12)
    data = InMemory(index, valid_fraction=0.3, batch_size=3)
    assert [len(batch["label"]) for batch in data.val_dataloader()] == [3, 1]
    assert [len(batch["label"]) for batch in data.train_dataloader()] == [3, 3]
    whole = InMemory(index, valid_fraction=0.3, batch_size=20)
    assert [len(batch["label"]) for batch in whole.train_dataloader()] == [8]


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


def test_predicting_serves_what_testing_does(ferplus: Path) -> None:
    data = FERPlus(str(ferplus), test_split="valid", **options())
    data.setup("predict")
    (tested,), (predicted,) = list(data.test_dataloader()), list(data.predict_dataloader())
    assert torch.equal(tested["image"], predicted["image"]) and predicted["index"].tolist() == list(range(24))


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
    """Empty some images of a part; returns their paths."""
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
def test_unreadable_images_do_not_count_and_are_named_once(ferplus: Path, workers: int) -> None:
    data = FERPlus(str(ferplus), on_unreadable="skip", batch_size=6, **options(num_workers=workers))
    paths = damage(data, "valid", 3, 4, *range(12, 18))  # of a batch all
    loader = data.val_dataloader()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            batches: list[Batch] = [data.on_before_batch_transfer(batch, 0) for batch in loader]
    assert [len(batch["index"]) for batch in batches] == [6] * 4
    assert [int(batch["mask"].sum()) for batch in batches] == [4, 6, 0, 6]
    lost = torch.cat([batch["index"][~batch["mask"]] for batch in batches])
    assert lost.tolist() == [3, 4, *range(12, 18)]
    for batch in batches:
        assert (batch["label"][~batch["mask"]] == -1).all() and batch["image"].isfinite().all()
        assert (
            batch["target"][~batch["mask"]].isnan().all() and batch["target"][batch["mask"]].isfinite().all()
        )
    assert not any("unreadable" in batch for batch in batches)
    messages = [str(warning.message) for warning in told if "excluded" in str(warning.message)]
    assert len(messages) == len(data.unreadable) == 8
    for number, (message, path) in enumerate(zip(messages, paths, strict=True), start=1):
        assert message.startswith(f"excluded ({number} so far): {ferplus / path}: the file is")


@pytest.mark.parametrize("workers", [0, 2])
def test_other_faces_take_the_place_of_unreadable_ones_in_training(ferplus: Path, workers: int) -> None:
    data = FERPlus(str(ferplus), on_unreadable="skip", batch_size=6, **options(num_workers=workers))
    damage(data, "train", *range(20))
    batches: list[Batch] = [batch for _ in range(3) for batch in data.train_dataloader()]
    assert [len(batch["index"]) for batch in batches] == [6] * 12
    seen = Counter(row for batch in batches for row in batch["index"].tolist())
    assert set(seen) == {20, 21, 22, 23} and all(batch["mask"].all() for batch in batches)
    assert min(seen.values()) > 72 / 4 / 3
    table = data.index.part("train").table
    for batch in batches:
        assert batch["path"] == table["path"][batch["index"].tolist()].tolist()
    named = {message for batch in batches for message in batch["unreadable"]}
    assert len(named) == 20


def test_a_training_part_without_one_readable_image_is_an_error(ferplus: Path) -> None:
    data = FERPlus(str(ferplus), on_unreadable="skip", **options())
    damage(data, "train", *range(24))
    with pytest.raises(UnreadableImageError, match="none of 24 faces can be read"):
        next(iter(data.train_dataloader()))


def test_many_unreadable_images_are_counted_not_all_named(
    ferplus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = FERPlus(str(ferplus), on_unreadable="skip", **options())
    damage(data, "valid", *range(23))
    with warnings.catch_warnings(record=True) as told, caplog.at_level("INFO"):
        warnings.simplefilter("always")
        for batch in data.val_dataloader():
            data.on_before_batch_transfer(batch, 0)
        data.teardown("validate")
    assert len([w for w in told if "excluded" in str(w.message)]) == 10
    assert "excluded 23 unreadable images" in caplog.text


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


def test_joined_votes_can_outweigh_the_highest_class(table_index: TableIndex) -> None:
    index = table_index(["anger"])
    votes = {"anger": 0.4, "disgust": 0.3, "fear": 0.3}
    target = np.array([votes.get(name, 0) for name in index.labels.names], np.float32)
    index.table["target"] = pd.Series([target], dtype=object)
    joined = index.conform(index.labels, merge={"disgust": "fear"})
    assert joined.table["label"].tolist() == ["fear"]
    assert joined.table["target"][0][index.labels.index("fear")] == pytest.approx(0.6)


@pytest.mark.parametrize("merge", [None, {"anger": "disgust"}])
def test_faces_with_values_alone_are_kept_whatever_the_order_of_classes(
    table_index: TableIndex, merge: dict[str, str] | None
) -> None:
    index = table_index([None, "fear", "anger", None, None], subject="abcde")
    for space in (index.labels, SPACES["rafdb7"], SPACES["ferplus8"]):
        found = index.conform(space, merge=merge)
        assert found.table["valence"].notna().tolist() == [True, False, False, True, True]
        assert not found.left_out
    few = index.conform(label_space(["fear", "neutral"]), drop_unmapped=True)
    assert few.table["label"].isna().tolist() == [True, False, True, True]
    assert list(few.left_out.values()) == [1]


def test_faces_without_a_class_survive_conforming(table_index: TableIndex) -> None:
    index = table_index([None, "fear"], subject=["a", "b"])
    data = InMemory(index, labels=SPACES["rafdb7"])
    assert data.index.part("train").table["label"].tolist() == [None, "fear"]
    assert ground_truth(data.index).label.tolist() == [-1, SPACES["rafdb7"].index("fear")]


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"num_workers": -1}, "num_workers"),
        ({"cap": 0}, "cap"),
        ({"seed": -1}, "seed"),
        ({"valid_fraction": 1.0}, "valid_fraction"),
        ({"valid_fraction": 0.0}, "valid_fraction"),
        ({"window": -1}, "window"),
        ({"stride": 2}, "stride"),
        ({"window": 4, "stride": 0}, "stride"),
        ({"window": 4, "stride": 5}, "stride"),
        ({"window": 4, "eval_stride": 5}, "eval_stride"),
        ({"window": 4, "eval_window": 0}, "eval_window"),
        ({"window": 4, "imbalance": "up"}, "imbalance"),
        ({"imbalance": "sideways"}, "imbalance"),
        ({"augment": "moderm"}, "augment"),
        ({"on_unreadable": "ignore"}, "on_unreadable"),
        ({"test_split": "dev"}, "test_split"),
    ],
)
def test_options_out_of_range_are_named(option: dict[str, Any], named: str) -> None:
    with pytest.raises((OptionError, UnknownNameError), match=rf"data\.{named}"):
        FERPlus("anywhere", **options(**option))


def test_a_trainer_predicts_the_faces_of_a_data_module(ferplus: Path) -> None:
    from lightning.pytorch import Trainer

    from affectzoo.modules import DLPCNNSmall

    model = DLPCNNSmall(labels="ferplus8")
    data = FERPlus(str(ferplus), on_unreadable="skip", batch_size=10, **options(preprocess=model.preprocess))
    damage(data, "test", 3, *range(10, 20))
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    found = trainer.predict(model, data)
    assert found is not None
    rows = torch.cat([rows for rows, _ in found])
    assert rows.tolist() == [0, 1, 2, *range(4, 10), *range(20, 24)]
    assert torch.cat([output.expression for _, output in found]).shape == (13, 8)
    trainer.test(model, data)
    predicted = model.predicted["test"]
    assert predicted.row.tolist() == rows.tolist()
    torch.testing.assert_close(
        predicted.expression.float(), torch.cat([output.expression for _, output in found])
    )
    damage(data, "test", *range(24))
    with pytest.raises(UnreadableImageError, match="none of 24 faces can be read"):
        trainer.test(model, data)


def test_packed_rows_are_the_index_rows() -> None:
    marks = np.arange(10, dtype=np.float32).reshape(5, 2)
    name = os.fsdecode(b"caf\xe9.png")
    rows: list[dict[str, Any]] = [
        {"path": name, "split": "train", "source": "a.csv, line 2"},
        {"path": "b.tar/1.png", "split": "train", "frame": 3, "box": (0.5, 1, 20, 30), "digest": "ab"},
        {"path": "c.csv", "split": "train", "landmarks": marks, "pixels": np.ones((4, 4), np.uint8)},
    ]
    table = FaceIndex.from_rows("x", Path("root"), None, rows).table
    packed = FaceRows(table)
    assert len(packed) == 3 and packed.landmarks() == 5
    for i, given in enumerate(rows):
        row = packed[i]
        for column in ("path", "frame", "box", "digest", "source"):
            assert row[column] == given.get(column)
        assert row["pixels"] is given.get("pixels")
    assert np.array_equal(packed[2]["landmarks"], marks) and packed[0]["landmarks"] is None
    assert FaceRows(table[:1]).landmarks() == 0
    assert len(pickle.dumps(FaceRows(pd.concat([table[:2]] * 1000)))) < 300_000


def test_a_model_without_landmarks_reads_none_of_a_prepared_folder(tmp_path: Path) -> None:
    prepare("afewva", write_afewva(tmp_path / "data"), tmp_path / "out", workers=0)
    plain, marked = (AFEWVA(str(tmp_path / "out"), landmarks=count) for count in (0, 68))
    assert plain.index.table["landmarks"].isna().all() and marked.index.table["landmarks"].notna().all()
    assert plain.read().table["landmarks"].notna().all()

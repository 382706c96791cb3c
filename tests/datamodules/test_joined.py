"""Several data sets in one training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import write_afewva, write_affectnet_npy, write_ferplus, write_rafdb

from affectzoo.datamodules import AffectNet, FERPlus, Joined
from affectzoo.datasets.ids import ids
from affectzoo.datasets.votes import PLACES, place
from affectzoo.errors import AffectZooError, OptionError, UnknownNameError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import SPACES

LABELS = SPACES["ferplus8"]
PARTS: dict[str, dict[str, Any]] = {"ferplus": {"circumplex": True}, "affectnet": {}}


@pytest.fixture
def both(tmp_path: Path) -> Path:
    write_ferplus(tmp_path / "ferplus")
    write_affectnet_npy(tmp_path / "affectnet")
    return tmp_path


def joined(root: Path, parts: dict[str, dict[str, Any]], **options: Any) -> Joined:
    return Joined(
        str(root), parts=parts, labels=LABELS, preprocess=Preprocess(size=16), num_workers=0, **options
    )


def test_faces_of_all_are_served_with_what_their_set_knows(both: Path) -> None:
    data = joined(both, PARTS, batch_size=4)
    alone = [FERPlus(str(both / "ferplus"), labels=LABELS).index, joined(both, {"affectnet": {}}).index]
    assert len(data.index) == sum(map(len, alone))
    assert data.index.dataset == "ferplus+affectnet"
    assert data.index.labels == LABELS
    data.setup("fit")
    batches = list(data.train_dataloader())
    assert batches
    assert all(np.isfinite(batch["image"].numpy()).all() for batch in batches)


def test_faces_keep_the_ids_of_their_own_set(both: Path) -> None:
    whole = joined(both, PARTS).index
    parts = [
        FERPlus(str(both / "ferplus"), labels=LABELS).index,
        AffectNet(str(both / "affectnet"), labels=LABELS).index,
    ]
    for split in ("train", "valid"):
        assert ids(whole.part(split)) == [name for part in parts for name in ids(part.part(split))]


def test_classes_of_a_set_without_valence_stay_without(both: Path) -> None:
    index = joined(both, {"ferplus": {}, "affectnet": {}}).index
    known = index.table["valence"].notna()
    of_affectnet = index.table["path"].str.startswith("affectnet")
    assert (known == of_affectnet).all()
    assert of_affectnet.any() and not of_affectnet.all()


def test_subjects_and_clips_of_two_sets_are_never_the_same(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_afewva(tmp_path / name)
    one = Joined(str(tmp_path), parts={"afewva": {"folder": "one"}}).index
    assert {str(clip).split("/")[0] for clip in one.table["clip"]} == {"afewva"}


def test_what_is_no_part_is_named(both: Path) -> None:
    with pytest.raises(UnknownNameError, match="ferpluss"):
        Joined(str(both), parts={"ferpluss": {}})
    with pytest.raises(OptionError, match="keep_none"):
        Joined(str(both), parts={"ferplus": {"keep_none": True}})
    with pytest.raises(OptionError, match=r"data\.parts"):
        _ = Joined(str(both), parts={}).index
    with pytest.raises(OptionError, match=r"data\.parts"):
        Joined(str(both), parts={"ferplus": {"rule": "probability"}, "affectnet": {}})
    with pytest.raises(AffectZooError, match="rafdb"):
        _ = joined(both, {"ferplus": {}, "rafdb": {}}).index


def test_a_folder_outside_is_refused(both: Path) -> None:
    write_rafdb(both.parent / f"{both.name}-rafdb")
    with pytest.raises(AffectZooError, match="outside"):
        _ = joined(both, {"ferplus": {}, "rafdb": {"folder": str(both.parent / f"{both.name}-rafdb")}}).index


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([0, 10, 0, 0, 0, 0, 0, 0, 0, 0], PLACES["happiness"]),
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], (0.425, 0.2)),
        ([0, 9, 0, 1, 0, 0, 0, 0, 0, 0], PLACES["happiness"]),  # a single vote is an outlier
        ([0, 5, 0, 0, 0, 0, 0, 0, 5, 0], PLACES["happiness"]),  # unknown is no class
        ([0, 0, 0, 0, 0, 0, 0, 0, 4, 6], None),
    ],
)
def test_votes_are_projected_on_the_circumplex(
    votes: list[int], expected: tuple[float, float] | None
) -> None:
    found = place(votes, LABELS.names)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_ferplus_has_values_only_where_asked(ferplus: Path) -> None:
    assert FERPlus(str(ferplus)).index.table["valence"].isna().all()
    table = FERPlus(str(ferplus), circumplex=True).index.table
    happy = table[table["label"] == "happiness"]
    assert len(happy) and (happy["valence"] > 0).all()
    assert np.abs(table[["valence", "arousal"]].astype(float)).max().max() <= 1

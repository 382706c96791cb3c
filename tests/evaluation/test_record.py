"""Records: what is read back, what is refused, and whose results they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes.records import make_record
from fakes.shown import show, whole_records

import affectzoo
from affectzoo import weights
from affectzoo.errors import AffectZooError
from affectzoo.evaluation.record import (
    Identity,
    claim,
    misfit,
    read_record,
    read_records,
    record_key,
    records_of,
    write_record,
)
from affectzoo.hub.publishing.files import is_ours

FILE, TENSORS = "a" * 64, "b" * 64
DEVICE = Path("/dev/zero")


def of_weights(**model: Any) -> dict[str, Any]:
    record = make_record()
    return record | {"model": {**record["model"], "sha256": [], "tensors_sha256": TENSORS, **model}}


# Whose results they are


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["x/1"], "label": ["anger"]})
    path = write_record(tmp_path, make_record(seconds=np.float32(1.5)), {".csv": table})
    assert read_record(path) == read_records(tmp_path)[0]
    assert read_record(path)["seconds"] == 1.5
    assert (tmp_path / "predictions" / f"{path.stem}.csv").is_file()


def test_what_is_not_finite_is_not_known(tmp_path: Path) -> None:
    metrics = {"accuracy": {"value": float("nan"), "low": 1e300, "high": float("inf")}}
    record = read_record(write_record(tmp_path, make_record() | {"metrics": metrics}, {}))
    assert record["metrics"] == {"accuracy": {"value": None, "low": None, "high": None}}


def test_what_never_ends_is_no_record(tmp_path: Path) -> None:
    pipe = tmp_path / "records" / "a.json"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    for read in (lambda: read_record(pipe), lambda: read_records(tmp_path), lambda: read_record(DEVICE)):
        with pytest.raises(AffectZooError, match=r"a pipe|a device"):
            read()
    config = tmp_path / "config.json"
    os.mkfifo(config)
    assert not is_ours(config)


def test_no_record_is_written_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AffectZooError, match="total"):
        write_record(tmp_path, make_record(faces={"total": -1}), {})
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("system", "called"),
    [
        ("/home/ann lee/runs/mine", "mine"),
        ("runs/mine", "mine"),
        ("/data/runs/mine/checkpoints/last.ckpt", "mine"),
        ("/data/runs/mine/fold_{fold}+svm", "mine+svm"),
        ("nets/own.safetensors", "own.safetensors"),
        ("hf-hub:OWNER/NAME@v1", "NAME-v1"),
        ("dlp_cnn_s.ferplus", "dlp_cnn_s.ferplus"),
    ],
)
def test_records_are_named_by_the_run_and_not_by_its_place(system: str, called: str) -> None:
    key = record_key("folder_valid_split", system, ["a" * 64])
    assert key.rpartition("-")[0] == f"folder_valid_split-{called}"
    assert key == record_key("folder_valid_split", called, ["a" * 64])
    assert key != record_key("folder_valid_split", called, ["b" * 64])  # other weights


def test_records_know_their_weights(tmp_path: Path) -> None:
    square = {"size": 48, "color": "gray"}
    mine = Identity(FILE, TENSORS, square, ("anger", "happiness", "neutral"))
    assert misfit(of_weights(), mine) is None, "of a checkpoint with the same tensors"
    assert misfit(of_weights(sha256=[FILE], tensors_sha256=None), mine) is None
    assert misfit(of_weights(preprocess=square, labels=["anger", "happiness", "neutral"]), mine) is None
    others = {
        "other weights": of_weights(tensors_sha256="c" * 64),
        "c" * 12: of_weights(sha256=["c" * 64], tensors_sha256=None),
        "5 models": of_weights(sha256=[FILE] * 5),
        "size": of_weights(preprocess=square | {"size": 96}),
        "another order: neutral": of_weights(labels=["neutral", "happiness", "anger"]),
        "not a model as it is": make_record(kind="features"),
    }
    for told, record in others.items():
        assert told in str(misfit(record, mine))
    write_record(tmp_path, of_weights() | {"key": "mine"}, {})
    write_record(tmp_path, others["other weights"] | {"key": "other"}, {})
    said: list[str] = []
    assert [record["key"] for record in records_of(tmp_path, mine, said.append)] == ["mine"]
    assert len(said) == 1 and "other.json" in said[0]


def test_a_folder_with_weights_shows_no_test_of_others(tmp_path: Path) -> None:
    model = affectzoo.create_model("dlp_cnn_s", labels=["anger", "happiness", "neutral"])
    path = tmp_path / weights.FILE_NAME
    weights.write(path, model.network_state(), model.describe())
    tested = {"options": {"stage": "test"}, "system": "runs/x"}
    own = of_weights(tensors_sha256=Identity.read(path).tensors)
    write_record(tmp_path, own | tested | {"key": "own"}, {})
    write_record(tmp_path, of_weights() | tested | {"key": "other"}, {})
    write_record(tmp_path, make_record(kind="classical", key="hog"), {})
    said: list[str] = []
    assert [record["key"] for record in read_records(tmp_path, said.append)] == ["hog", "own"]
    assert len(said) == 1 and "other.json" in said[0] and "other weights" in said[0]


def test_results_that_do_not_name_their_weights_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "metrics.json").write_text('{"accuracy": 0.9}')
    said: list[str] = []
    assert records_of(tmp_path, Identity(FILE), said.append) == []
    assert len(said) == 1 and "metrics.json" in said[0] and "affectzoo test" in said[0]


def test_weights_name_the_part_that_a_protocol_tests_on() -> None:
    assert claim(make_record())["split"] == "valid"
    assert claim(make_record(protocol={"name": "ferplus"}))["split"] == "test"
    assert claim(make_record(protocol={"name": "rafdb_to_ckplus"}))["split"] is None  # all of it


def test_weights_keep_the_figures_of_a_record() -> None:
    told = claim(make_record(protocol={"name": None, "split": "valid", "note": "rendered faces"}))
    assert told["note"] == "rendered faces" and "note" not in claim(make_record())
    assert told["data"] == "ferplus" and told["split"] == "valid" and told["faces"] == 200
    assert told["accuracy"] == 0.86 and told["recall"]["happiness"] == 0.6 and told["support"]["anger"] == 60


@pytest.mark.parametrize("record", whole_records(), ids=lambda record: record["key"])
def test_whole_records_are_shown(record: dict[str, Any], tmp_path: Path) -> None:
    show(read_record(write_record(tmp_path, record, {})))

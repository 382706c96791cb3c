"""Records: what is read back, what is refused, and whose results they are."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes.records import make_record, make_value_record
from hypothesis import given
from hypothesis import strategies as st

from affectzoo.errors import AffectZooError
from affectzoo.evaluation.evaluate import evaluation_table
from affectzoo.evaluation.record import (
    Identity,
    claim,
    misfit,
    read_record,
    read_records,
    records_of,
    write_record,
)
from affectzoo.hub.cards.results import results_of
from affectzoo.hub.portable import public_key, public_record
from affectzoo.leaderboard.leaderboard import leaderboard
from affectzoo.leaderboard.page import html, markdown
from affectzoo.store import entries

COMMITTED = Path(__file__).parents[2] / "docs" / "leaderboard" / "records"
FILE, TENSORS = "a" * 64, "b" * 64


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


def test_no_record_is_written_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AffectZooError, match="total"):
        write_record(tmp_path, make_record(faces={"total": -1}), {})
    assert not list(tmp_path.rglob("*.json"))


def test_records_know_their_weights(tmp_path: Path) -> None:
    square = {"size": 48, "color": "gray"}
    mine = Identity(FILE, TENSORS, square)
    assert misfit(of_weights(), mine) is None, "of a checkpoint with the same tensors"
    assert misfit(of_weights(sha256=[FILE], tensors_sha256=None), mine) is None
    assert misfit(of_weights(preprocess=square), mine) is None
    others = {
        "other weights": of_weights(tensors_sha256="c" * 64),
        "c" * 12: of_weights(sha256=["c" * 64], tensors_sha256=None),
        "5 models": of_weights(sha256=[FILE] * 5),
        "size": of_weights(preprocess=square | {"size": 96}),
        "not a model as it is": make_record(kind="features"),
    }
    for told, record in others.items():
        assert told in str(misfit(record, mine))
    write_record(tmp_path, of_weights() | {"key": "mine"}, {})
    write_record(tmp_path, others["other weights"] | {"key": "other"}, {})
    said: list[str] = []
    assert [record["key"] for record in records_of(tmp_path, mine, said.append)] == ["mine"]
    assert len(said) == 1 and "other.json" in said[0]


def test_results_that_do_not_name_their_weights_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "metrics.json").write_text('{"accuracy": 0.9}')
    said: list[str] = []
    assert records_of(tmp_path, Identity(FILE), said.append) == []
    assert len(said) == 1 and "metrics.json" in said[0] and "affectzoo test" in said[0]


def test_weights_keep_the_figures_of_a_record() -> None:
    told = claim(make_record(protocol={"name": None, "split": "valid"}))
    assert told["data"] == "ferplus" and told["split"] == "valid" and told["faces"] == 200
    assert told["accuracy"] == 0.86 and told["recall"]["happiness"] == 0.6 and told["support"]["anger"] == 60


# Damaged records

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, 1e308, -1e308, 10**400, 2**63, float("nan"), float("inf")),
    *("", "x", "[/b]", "\ud800", "\x1b[31m", "=1+1", "```", "../../x", "NaN", "é" * 3, "x" * 30_000),
    *([], {}, [[]], [None], {"": None}, {"value": None}, {"value": "1"}, [1, 2, 3], ["a", "a"]),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested JSON."""
    inner = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, part in inner:
        yield (*at, name)
        yield from places(part, (*at, name))


def whole_records() -> list[dict[str, Any]]:
    """One of each kind: classes, values over folds, features, clips."""
    committed = [json.loads(path.read_text()) for path in sorted(COMMITTED.glob("*.json"))]
    kinds = {(r["kind"], r["protocol"]["task"], bool(r.get("fit")), bool(r["mapping"])): r for r in committed
             if "mapping" in r}  # fmt: skip
    metrics = {"accuracy": {"value": 0.5}}
    clips = make_record(clips={"clips": 3, "rule": "vote", "metrics": metrics}, claimed=[{"accuracy": 0.8}])
    probe = {"kind": "swap", "classes": ["anger", "neutral"], "accuracy": 0.5, "would_be": 0.7}
    values = make_value_record("net", [0.1, 0.2], remarks=["x"], options={"window": 0, "stage": "test"})
    return [clips, make_record(probes=[probe], per_gender={"f": {"faces": 3}}), values, *kinds.values()]


WHOLE = whole_records()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A record with one to three damages, as bytes."""
    record = copy.deepcopy(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(places(record))))
        at = record
        for name in path:
            at = at[name]
        damage = draw(st.sampled_from(("replace", "drop", "rename", "nest")))
        if damage == "replace":
            at[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif damage == "nest":
            at[last] = json.loads(
                draw(st.sampled_from(("[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300)))
            )
        elif damage == "rename" and isinstance(at, dict):
            at[draw(st.sampled_from(("x", "per_x", "[/b]", "")))] = at.pop(last)
        else:
            del at[last]
    content = json.dumps(record).encode()
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(content)))
        content = content[:cut] + draw(st.binary(max_size=4)) + content[cut + draw(st.integers(0, 4)) :]
    return content


def show(record: dict[str, Any]) -> None:
    """Everything that is made from a record."""
    page = leaderboard([record, make_record()], (), (), "2026-01-01")
    markdown(page, {})
    html(page, {})
    evaluation_table(record, "title")
    claim(record)
    misfit(record, Identity(FILE, TENSORS, {"size": 48}))
    if record["kind"] == "zoo":
        meta = next(iter(entries().values())).meta
        results_of(meta, [record], "name", None)
        public_record(record, "name", "name", key=public_key(record))


@pytest.mark.fuzz
@given(content=damaged())
def test_damaged_records_are_read_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(content)
    try:
        record = read_record(path)
    except AffectZooError as error:
        assert "damaged.json" in str(error) and len(str(error)) < 3000
        return
    show(record)


@pytest.mark.parametrize("record", WHOLE, ids=lambda record: record["key"])
def test_whole_records_are_shown(record: dict[str, Any], tmp_path: Path) -> None:
    show(read_record(write_record(tmp_path, record, {})))

"""Records of every kind, and everything that is made from one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from affectzoo.evaluation.evaluate import evaluation_table
from affectzoo.evaluation.record import Identity, claim, misfit
from affectzoo.hub.cards.results import results_of
from affectzoo.hub.public_records import public_key, public_record
from affectzoo.leaderboard.page import html, leaderboard, markdown
from fakes.records import make_record, make_value_record

COMMITTED = Path(__file__).parents[2] / "docs" / "leaderboard" / "records"


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


def show(record: dict[str, Any]) -> None:
    """Everything that is made from a record."""
    page = leaderboard([record, make_record()], (), (), "2026-01-01")
    markdown(page, {})
    for board in (None, *page.boards):
        html(page, {}, board)
    evaluation_table(record, "title")
    claim(record)
    misfit(record, Identity("a" * 64, "b" * 64, {"size": 48}))
    if record["kind"] == "zoo":
        results_of([record], "name")
        public_record(record, "name", "name", key=public_key(record))

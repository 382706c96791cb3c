"""One record of several folds: what each fold's test found, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from affectzoo.datasets.ids import split_hash
from affectzoo.errors import DataError
from affectzoo.evaluation.machine import hardware, versions
from affectzoo.evaluation.measurement import Tables, face_facts
from affectzoo.evaluation.record import record_key
from affectzoo.evaluation.scoring import Part, over_folds, score
from affectzoo.metrics.columns import TRUE


def join_folds(
    records: Sequence[Mapping[str, Any]],
    tables: Sequence[pd.DataFrame],
    *,
    name: str,
    spec: str,
    command: str,
) -> tuple[dict[str, Any], Tables]:
    """Join the results of one recipe on every fold.

    Args:
        records: One per fold, of ``affectzoo test``, in the order of the folds.
        tables: Each one's predictions.
        name: What people call the models together.
        spec: What names them, with ``{fold}`` for the number.
        command: Fits and tests them again.

    Returns:
        The record, whose figures are means over folds with their standard deviation, and its tables.

    Raises:
        DataError: A face was tested in two folds: they are not of the same data.
    """
    _check_apart(tables)
    first = records[0]
    parts = [
        _counted(table.assign(fold=fold), record)
        for fold, (table, record) in enumerate(zip(tables, records, strict=True))
    ]
    scored = score(parts)
    data, split = first["protocol"]["data"]["test"], first["protocol"]["split"]
    left_out: dict[str, int] = {}
    for record in records:
        left_out |= record["faces"].get("left_out", {})
    sums = [record["model"]["sha256"][0] for record in records]
    record = {
        **{field: first[field] for field in ("kind", "epoch", "options", "labels") if field in first},
        "key": record_key(f"{data}_{len(records)}fold", name, [record["key"] for record in records]),
        "system": name,
        "spec": spec,
        "model": {**first["model"], "sha256": sums, "tensors_sha256": None},
        "protocol": {
            **first["protocol"],
            "title": f"{data}, {len(records)} folds, {split} split of each",
            "folds": len(records),
            "hash": split_hash(pd.concat([part.table["id"] for part in parts])),
            "truth": split_hash(record["protocol"]["truth"] for record in records),
        },
        "faces": face_facts(parts, left_out),
        **scored,
        "folds": [
            {
                "fold": fold,
                "faces": record["faces"]["total"],
                "sha256": record["model"]["sha256"][0],
                "hash": record["protocol"]["hash"],
                "metrics": metrics,
            }
            for fold, (record, metrics) in enumerate(zip(records, scored["folds"], strict=True))
        ],
        "clips": _clips(records),
        "hardware": hardware(),
        "versions": versions(),
        "seconds": sum(record.get("seconds", 0.0) for record in records),
        "command": command,
    }
    whole = [table.assign(fold=fold) for fold, table in enumerate(tables)]
    return record, {".csv": pd.concat(whole, ignore_index=True)}


def _check_apart(tables: Sequence[pd.DataFrame]) -> None:
    every = pd.concat(tables, keys=range(len(tables)), names=["fold", None])["id"]
    twice = every[every.duplicated(keep=False)]
    if len(twice):
        folds = sorted(set(twice[twice == twice.iloc[0]].index.get_level_values("fold")))
        raise DataError(
            f"face {twice.iloc[0]} was tested in folds {' and '.join(map(str, folds))}: the data changed "
            "between them, and a person may be in training and test: cross-validate anew in another --run_dir"
        )


def _counted(table: pd.DataFrame, record: Mapping[str, Any]) -> Part:
    truth = [name for name in table if str(name).startswith(TRUE)]
    known = table[truth].notna().any(axis=1).to_numpy(bool)
    options = record["options"]
    part = Part(table, record["labels"], "face", options["clip_rule"], options["scale"])
    return part.rows(known)


def _clips(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Figures over clips: their number, and means over folds."""
    every = [record["clips"] for record in records if record.get("clips")]
    if len(every) < len(records):
        return None
    figures = [{name: figure["value"] for name, figure in clips["metrics"].items()} for clips in every]
    total = sum(clips["clips"] for clips in every)
    return {"clips": total, "rule": every[0]["rule"], "metrics": over_folds(figures)}

"""A benchmark's records on disk: ``records/<key>.json``, with ``predictions/<key>.csv`` beside."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectzoo.errors import AffectZooError, DataError

FORMAT = 1

_FIELDS: Mapping[str, Any] = {
    "key": str,
    "system": str,
    "spec": str,
    "kind": str,
    "command": str,
    "protocol.name": str | None,
    "protocol.title": str,
    "protocol.data": dict,
    "protocol.split": str | None,
    "protocol.hash": str,
    "protocol.task": str,
    "protocol.unit": str,
    "faces.total": int,
    "faces.missing": int,
    "metrics": dict,
}
"""What every record has."""
_OF_CLASSES = {"labels": list, "per_class": dict, "confusion": list}
_OF_WEIGHTS = {"model.sha256": list, "model.training": dict}

_TEXTS = ("id", "path", "subject", "clip", "label", "predicted_label")
"""Columns of predictions that are never numbers."""


def write_record(out: Path, record: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
    """Keep a pair's results; the record comes last, so that where it is, all is.

    Args:
        out: The benchmark's folder.
        record: With ``key``; values that are not finite become ``null``.
        tables: By ending, the predictions: ``.csv``, a row per face, and for protocols that count clips
            ``.clips.csv``, a row per clip.
    """
    key = record["key"]
    for ending, table in tables.items():
        _write(out / "predictions" / f"{key}{ending}", table.to_csv(index=False))
    whole = {"format": FORMAT, **record, "predictions": f"predictions/{key}.csv"}
    text = json.dumps(_plain(whole), indent=1, ensure_ascii=False)
    _write(out / "records" / f"{key}.json", text + "\n")


def predictions(out: Path, record: Mapping[str, Any]) -> Path:
    """The file of predictions with a row for each face; records of other machines may come without."""
    return out / "predictions" / f"{record['key']}.csv"


def counted(out: Path, record: Mapping[str, Any]) -> Path:
    """The file of predictions with a row for each face or clip that counts once."""
    path = predictions(out, record)
    return path.with_suffix(".clips.csv") if record["protocol"]["unit"] == "clip" else path


def read_table(path: Path) -> pd.DataFrame:
    """Predictions as ``affectzoo benchmark`` writes them; empty cells are missing.

    Raises:
        DataError: There is no such file, or it is no such table.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file of predictions")
    try:
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(_TEXTS, object),
            keep_default_na=False,
            na_values=[""],
        )
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: no table of predictions ({error})") from None
    if "id" not in table:
        raise DataError(f"{path}: no column id; affectzoo benchmark writes one")
    return table


def read_records(out: Path) -> list[dict[str, Any]]:
    """All records of a benchmark's folder, in order of their keys.

    Raises:
        AffectZooError: One is damaged or of another format, or there is none.
    """
    paths = sorted((out / "records").glob("*.json"))
    if not paths:
        raise AffectZooError(f"{out}: no records here; affectzoo benchmark --out {out} makes some")
    return [read_record(path) for path in paths]


def read_record(path: Path) -> dict[str, Any]:
    """One record.

    Raises:
        AffectZooError: It is damaged or of another format.
    """
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        made = record["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise AffectZooError(f"{path}: no record ({error}); delete it, and it is measured anew") from None
    if made != FORMAT:
        raise AffectZooError(f"{path}: a record of format {made}, this affectzoo reads {FORMAT}; delete it")
    wrong = ", ".join(dict.fromkeys(_faults(record)))
    if wrong:
        raise AffectZooError(f"{path}: a record that lacks, or has damaged: {wrong}; measure it anew")
    return record


def _faults(record: Mapping[str, Any]) -> Iterator[str]:
    """Fields that a record must have and this one lacks, or has as something else."""
    fields = {
        **_FIELDS,
        **(_OF_CLASSES if record.get("confusion") is not None else {}),
        **(_OF_WEIGHTS if record.get("model") is not None else {}),
    }
    for name, kind in fields.items():
        value: Any = record
        for part in name.split("."):
            value = value.get(part, ...) if isinstance(value, Mapping) else ...
        if not isinstance(value, kind):
            yield name
        elif name == "metrics":
            figures = {
                key: at.get("value", ...) if isinstance(at, Mapping) else ... for key, at in value.items()
            }
            yield from (
                f"metrics.{key}" for key, v in figures.items() if not isinstance(v, float | int | None)
            )
        elif name == "labels" and not _fits(value, record):
            yield "labels, per_class and confusion, which do not fit together"
        elif name == "model.sha256" and not (value and all(isinstance(sum_, str) for sum_ in value)):
            yield name


def _fits(labels: list[Any], record: Mapping[str, Any]) -> bool:
    """Whether a record's parts are of the same classes."""
    rows, classes = record["confusion"], record.get("per_class")
    square = isinstance(rows, list) and all(isinstance(row, list) and len(row) == len(labels) for row in rows)
    named = all(isinstance(name, str) for name in labels) and isinstance(classes, Mapping)
    return square and len(rows) == len(labels) and named and set(classes or ()) == set(labels)


def _plain(value: Any) -> Any:
    """JSON-ready: what is not finite becomes ``None``."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

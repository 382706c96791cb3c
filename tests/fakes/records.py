"""Records of a benchmark and published rows, as leaderboards take them; every figure is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affectzoo.leaderboard.papers import PublishedRow

CLASSES = ("anger", "happiness", "neutral")
HASH = "1f3a9c02" + 56 * "0"
OTHER_HASH = "77aa00bb" + 56 * "0"


def published_row(system: str, metrics: Mapping[str, float], **changes: Any) -> PublishedRow:
    """A row that is not comparable with ``ferplus_valid``."""
    fields: dict[str, Any] = {
        "source": "Barsoum et al., 2016, https://arxiv.org/abs/1608.01041",
        "table": "Table 1",
        "protocol": "ferplus_valid",
        "comparable": False,
        "why_not": "Private test part",
        "kind": "network",
        "normalised": {},
        "epoch": "not said",
    }
    return PublishedRow(system=system, metrics=metrics, **(fields | changes))


def figures(**values: float | None) -> dict[str, dict[str, float | None]]:
    """Figures with an interval 0.01 to both sides."""
    return {
        name: {"value": value}
        if value is None
        else {"value": value, "low": round(value - 0.01, 4), "high": round(value + 0.01, 4)}
        for name, value in values.items()
    }


def make_record(
    system: str = "softmax", accuracy: float | None = 0.86, seed: int = 0, **changes: Any
) -> dict:
    """A record of ``ferplus_valid``; a change that is a mapping goes into the field, others replace it."""
    record: dict[str, Any] = {
        "format": 1,
        "key": f"ferplus_valid-{system}-{seed}",
        "system": system,
        "spec": f"runs/{system}_{seed}",
        "kind": "zoo",
        "model": {
            "arch": "dlp_cnn_s",
            "task": "expression",
            "sha256": [f"{system}{seed}".encode().hex().ljust(64, "0")],
            "training": {"data": "ferplus", "seed": seed, "recipe_hash": "abc", "epochs": 10},
            "licence": {"weights": "CC BY 4.0"},
        },
        "claimed": [],
        "protocol": {
            "name": "ferplus_valid",
            "title": "FER+, on the public test part",
            "data": {"train": "ferplus", "test": "ferplus"},
            "split": None,
            "task": "expression",
            "unit": "face",
            "folds": 1,
            "hash": HASH,
            "deviations": [],
            "paper": "Barsoum et al., FER+, ICMI 2016",
            "ours": "The validation part is the test part",
            "metrics": "accuracy",
            "note": None,
        },
        "faces": {
            "total": 200,
            "predicted": 200,
            "missing": 0,
            "subjects": 12,
            "clips": None,
            "left_out": {},
        },
        "labels": list(CLASSES),
        "epoch": {"rule": "last of the schedule", "on_test": False},
        "metrics": figures(accuracy=accuracy, mean_diagonal=0.7, f1=0.69, kappa=0.6, multiclass_kappa=0.61),
        "normalised": {"accuracy": {"value": 0.65, "sd": 0.0125}},
        "per_class": {
            name: {"support": 60 + i, "recall": 0.5 + i / 10, "precision": 0.6, "f1": None, "auc": 0.9}
            for i, name in enumerate(CLASSES)
        },
        "confusion": [[30, 20, 10], [5, 50, 6], [2, 3, 57]],
        "folds": [],
        "probes": [],
        "interval": {"level": 0.95, "resamples": 1000, "units": "subjects"},
        "compute": {
            "parameters": 1_392_904,
            "flops": 123_456_789,
            "latency_ms": 1.9,
            "throughput": 900.0,
            "device": "cpu",
            "threads": 2,
        },
        "hardware": {"cpu": "some processor", "cores": 2, "gpu": None},
        "versions": {"affectzoo": "0.3.0", "torch": "2.15.0", "python": "3.12.1"},
        "seconds": 12.3,
        "command": f"affectzoo benchmark --models {system}=runs/{system}_{seed} --out DIR",
    }
    for name, change in changes.items():
        old = record.get(name)
        record[name] = {**old, **change} if isinstance(old, dict) and isinstance(change, dict) else change
    return record


def make_value_record(system: str, ccc: Sequence[float], **changes: Any) -> dict:
    """A record of ``afewva_5fold`` with a CCC for each fold; their mean is the result."""
    mean = sum(ccc) / len(ccc)
    fields: dict[str, Any] = {
        "protocol": {
            "name": "afewva_5fold",
            "title": "AFEW-VA, five person-independent folds",
            "data": {"train": "afewva", "test": "afewva"},
            "task": "va",
            "folds": len(ccc),
            "hash": "af" + 62 * "0",
            "metrics": "PCC, CCC; RMSE, PCC, ICC",
        },
        "metrics": {"ccc": {"value": mean, "sd": 0.02}, "rmse_valence": {"value": 0.25, "sd": 0.01}},
        "folds": [{"fold": i, "faces": 40, "metrics": {"ccc": value}} for i, value in enumerate(ccc)],
    }
    record = make_record(system, **fields)
    record["metrics"] = fields["metrics"]
    for name in ("normalised", "per_class", "confusion", "labels", "interval"):
        del record[name]
    return record | changes

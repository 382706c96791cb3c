"""From a model's predictions to a record and its tables, as every command writes them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from affectzoo.datasets.ids import data_sets, ids, shared, split_hash, told_apart, truth_hash
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import DataError
from affectzoo.evaluation.machine import hardware, versions
from affectzoo.evaluation.predictions import Answers
from affectzoo.evaluation.record import record_key
from affectzoo.evaluation.schema import Model
from affectzoo.evaluation.scoring import Part, clip_figures, score
from affectzoo.metrics.columns import LABEL, TRUE
from affectzoo.metrics.landmarks import nme
from affectzoo.metrics.names import DIMENSIONS
from affectzoo.tasks.landmarks import LandmarkTask
from affectzoo.tasks.va import VATask
from affectzoo.weights import Training, fingerprint

if TYPE_CHECKING:
    from affectzoo.evaluation.schema import TrainingFacts
    from affectzoo.metrics.predictions import Predicted
    from affectzoo.models.base import AffectModel
    from affectzoo.weights import WeightsMeta

Tables = Mapping[str, pd.DataFrame]
_METRICS = dict.fromkeys(("expression", "multitask"), "accuracy, mean diagonal") | {"landmarks": "NME"}
"""The figures that a task is mainly judged by; those of values are the same."""


@dataclass(frozen=True)
class Context:
    """What a record says of a measurement beside its figures.

    Attributes:
        split: The split that was measured.
        spec: What was typed to name the weights; by default the architecture.
        name: What people call the model; by default ``spec``.
        meta: What the weights say of themselves, where that is known.
        file_sum: The sha256 of the file that the weights are from, where there is one.
        command: Measures it again.
        stage: The command's stage, ``test`` or ``valid``.
        window: Frames per window, 0 for single faces.
        stride: From window to window.
        start: ``time.perf_counter()`` when the measurement began.
        note: What readers should know of the faces, such as ``rendered faces``.
    """

    split: str = "test"
    spec: str | None = None
    name: str | None = None
    meta: WeightsMeta | None = None
    file_sum: str | None = None
    command: str = ""
    stage: str = "test"
    window: int = 0
    stride: int | None = None
    start: float | None = None
    note: str | None = None


def measurement(
    model: AffectModel, predicted: Predicted, index: FaceIndex, context: Context = Context()
) -> tuple[dict[str, Any], Tables]:
    """Results of a model on the faces of one split.

    Args:
        model: What was measured.
        predicted: Its predictions, each face once.
        index: The faces, in the model's classes.
        context: What else the record says.

    Returns:
        The record, see ``affectzoo.evaluation.record``, and tables for ``write_record``.

    Raises:
        DataError: No face has what the model predicts, or two faces have one id.
    """
    answers = model_answers(model, predicted, len(index), range(len(model.labels)) if model.labels else None)
    known = labeled(model, index, context.split)
    left_out = dict(index.left_out)
    if not known.all():
        left_out[f"{context.split}: without a label for {model.task_name}"] = int((~known).sum())
    counted = replace(index.rows(known), left_out=left_out)
    whole = Part.of(index, answers, model.labels)
    part = whole.rows(known)
    facts = model_facts(model, context.meta, context.file_sum)
    trained = Training() if context.meta is None else context.meta.training
    names = ids(counted)
    faces_hash = split_hash(names)
    protocol = {
        "name": None,
        "title": f"{index.dataset}, {context.split} split",
        "data": {"train": trained.data, "test": index.dataset},
        "split": context.split,
        "task": "va" if model.task_name in DIMENSIONS else model.task_name,
        "unit": "face",
        "folds": 1,
        "hash": faces_hash,
        "truth": split_hash([truth_hash(counted, model.task_name == "landmarks")]),
        "metrics": _METRICS.get(model.task_name, "CCC, PCC, RMSE"),
        "note": context.note,
    }
    options: dict[str, Any] = {
        "window": context.window,
        "stride": context.stride,
        "clip_rule": model.clip_rule,
    }
    options["scale"] = index.scale
    spec = context.spec or model.arch
    name = context.name or spec
    told = [facts["tensors_sha256"], facts["preprocess"], protocol["truth"], protocol["task"], options]
    told += [context.note] if context.note else []
    seen = shared(trained.train_sketch, told_apart(counted)) if trained.train_sketch else []
    record = {
        "key": record_key(f"{index.dataset}_{context.split}_split", name, told),
        "system": name,
        "spec": spec,
        "kind": "zoo",
        "model": facts,
        "epoch": epoch_facts(trained, index.dataset, faces_hash, context.split == "test"),
        "protocol": protocol,
        "options": {"stage": context.stage, **options},
        "faces": face_facts([part], left_out),
        "labels": None if model.labels is None else list(model.labels.names),
        **score([part]),
        "clips": clip_figures(part),
        "remarks": [f"{len(seen):,} or more of the faces were trained on"] if seen else [],
        "hardware": hardware(),
        "versions": versions(),
        "seconds": 0.0 if context.start is None else round(time.perf_counter() - context.start, 1),
        "command": context.command,
    }
    return record, {".csv": whole.table}


def labeled(model: AffectModel, index: FaceIndex, split: str, *, soft: bool = False) -> np.ndarray:
    """Which faces have a class or a value that the model predicts, shape (N,).

    Args:
        model: What predicts.
        index: The faces of a split.
        split: Its name, for the error.
        soft: Whether a distribution over the classes is enough, as in training.

    Raises:
        DataError: None has.
    """
    found = np.zeros(len(index), dtype=bool)
    what: list[str] = []
    for task in model.tasks:
        names = list(task.dimensions) if isinstance(task, VATask) else ["label"]
        if isinstance(task, LandmarkTask):
            names = ["landmarks"]
        columns = [*names, "target"] if soft and names == ["label"] else names
        found |= index.table[columns].notna().any(axis=1).to_numpy(bool)
        what += names
    if not found.any():
        raise DataError(
            f"{index.dataset}: none of the {len(index)} faces of the {split} part has what the model "
            f"predicts ({', '.join(what)}). Choose another split, data set or task"
        )
    return found


def model_answers(
    model: AffectModel,
    predicted: Predicted,
    faces: int,
    columns: Sequence[int | None] | None,
    rows: np.ndarray | None = None,
) -> Answers:
    """A model's predictions of every face of an index, NaN where there are none.

    Args:
        model: What predicted.
        predicted: Its predictions, each face once.
        faces: How many there are.
        columns: For each class to report on the model's, ``None`` for one that it lacks; ``None`` for none.
        rows: Each prediction's face; by default ``predicted.row``.
    """
    rows = predicted.row.numpy() if rows is None else rows

    def spread(values: np.ndarray) -> np.ndarray:
        whole = np.full((faces, values.shape[1]), np.nan)
        whole[rows] = values
        return whole

    scores = None
    if columns is not None:
        shared = [i for i, column in enumerate(columns) if column is not None]
        logits = predicted.expression[:, [column for column in columns if column is not None]]
        shares = np.zeros((len(rows), len(columns)))
        shares[:, shared] = logits.softmax(dim=1).numpy()
        scores = spread(shares)
    dimensions = next((task.dimensions for task in model.tasks if isinstance(task, VATask)), ())
    va = spread(predicted.va.numpy()) if dimensions else None
    located = model.task_name == "landmarks"
    errors = spread(nme(predicted.points, predicted.true_points)[:, None].numpy()) if located else None
    return Answers(scores, va, dimensions=dimensions or DIMENSIONS, rule=model.clip_rule, errors=errors)


def model_facts(model: AffectModel, meta: WeightsMeta | None, file_sum: str | None) -> Model:
    """What a record says of a model in memory."""
    return {
        "arch": model.arch,
        "task": model.task_name,
        "labels": [] if model.labels is None else list(model.labels.names),
        "sha256": [] if file_sum is None else [file_sum],
        "tensors_sha256": fingerprint(model.network_state()),
        "preprocess": model.preprocess.to_dict(),
        "training": {} if meta is None else cast("TrainingFacts", meta.facts()),
        "licence": {} if meta is None else dict(meta.license),
    }


def weights_facts(
    meta: WeightsMeta, sums: Sequence[str], tensors: str | None, on_protocol: bool | None = None
) -> Model:
    """The same of weights in files, one for each fold, or one.

    Args:
        meta: What they say of themselves.
        sums: Of the files.
        tensors: Their fingerprint.
        on_protocol: Whether they were trained on a protocol's own training part, where that is known.
    """
    training = meta.facts() | ({} if on_protocol is None else {"on_protocol": on_protocol})
    return {
        "arch": meta.arch,
        "task": meta.task,
        "labels": list(meta.labels),
        "sha256": list(sums),
        "tensors_sha256": tensors,
        "preprocess": meta.preprocess.to_dict(),
        "training": cast("TrainingFacts", training),
        "licence": dict(meta.license),
    }


def epoch_facts(training: Training, dataset: str, faces_hash: str, on_test_part: bool) -> dict[str, Any]:
    """By which rule the epoch of weights was chosen, and whether on the faces that are measured.

    Args:
        training: What the weights say of their training.
        dataset: The data set that is measured.
        faces_hash: Of the faces that are measured.
        on_test_part: Whether these are the test part, which no other choice of the part overlaps.
    """
    rule = training.epoch_rule
    on_test: bool | None = False
    if rule is None:
        on_test = None
    elif not rule.startswith("last") and dataset in data_sets(training.data):
        chosen_on = training.valid_hash
        on_test = (
            True if chosen_on == faces_hash else False if chosen_on is not None and on_test_part else None
        )
    return {"rule": rule, "on_test": on_test}


def face_facts(parts: Sequence[Part], left_out: Mapping[str, int]) -> dict[str, Any]:
    """How many faces there are, how many have a prediction, and how many of those the figures are over."""
    table = pd.concat([part.table for part in parts], ignore_index=True)
    answered = np.concatenate([part.answered for part in parts])
    missing = int((~answered).sum())
    truth = {name: f"{TRUE}{name}" for name in (LABEL, *DIMENSIONS)}
    subjects, clips = (table[name] for name in ("subject", "clip"))
    return {
        "total": len(table),
        "predicted": len(table) - missing,
        "missing": missing,
        "annotated": {
            k: int(table[name].notna()[answered].sum()) for k, name in truth.items() if name in table
        },
        "subjects": int(subjects.nunique()) if subjects.notna().all() else None,
        "clips": int(clips.nunique()) if clips.notna().any() else None,
        "left_out": dict(left_out),
    }

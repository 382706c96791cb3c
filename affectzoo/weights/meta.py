"""What weights mean: the description that a weights file holds, and its checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from affectzoo.errors import AffectZooError, LabelError, UnknownNameError, WeightsError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import TASKS, LabelSpace, label_space

SUBJECTS = ("weights", "code", "starting weights", "pictures", "labels")
"""What a license names terms for."""

_LARGEST = 65_536
"""Bound on whole numbers among an architecture's arguments, and on the length of lists its 4096th part."""

_FACTS: Mapping[str, type] = {
    "data": str,
    "epoch_rule": str,
    "eval_stride": int,
    "eval_window": int,
    "fold": int,
    "folds": int,
    "fresh": list,
    "recipe_hash": str,
    "seed": int,
    "started_from": str,
    "train_hash": str,
    "train_sketch": str,
    "valid_hash": str,
    "window": int,
}
"""Training facts that something goes by, each with its kind; others are only shown."""

_KINDS = {
    "arch": str,
    "labels": list,
    "preprocess": dict,
    "arguments": dict,
    "training": dict,
    "metrics": list,
    "licence": dict,
}


@dataclass(frozen=True)
class WeightsMeta:
    """What a set of weights means.

    Attributes:
        arch: Architecture, a name of the registry.
        arguments: The architecture's own arguments.
        labels: Class names in the order of the scores; none for a model without classes.
        preprocess: How a face becomes the network's input.
        training: What it was trained on and how: data, label rule, recipe, epochs, how the epoch was
            chosen.
        metrics: Measured results, one mapping each, with data set, split and number of faces.
        licence: Terms of ``weights``, ``code``, ``pictures`` and ``labels``, each by name.
    """

    arch: str
    labels: tuple[str, ...]
    preprocess: Preprocess
    arguments: Mapping[str, Any] = field(default_factory=dict)
    task: str = "expression"
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Mapping[str, Any], ...] = ()
    licence: Mapping[str, str] = field(default_factory=dict)

    @property
    def label_space(self) -> LabelSpace | None:
        """The classes as a label space; ``None`` for a model without classes."""
        return label_space(self.labels) if self.labels else None

    @property
    def window(self) -> int:
        """Frames per window in training; 0 for single faces."""
        return self.training.get("window") or 0

    @property
    def eval_window(self) -> int:
        """Frames per window in the training's evaluations; 0 for single faces."""
        return self.training.get("eval_window") or 0

    @property
    def fresh(self) -> tuple[str, ...]:
        """Parts with random values, to be trained before the weights are of use."""
        return tuple(self.training.get("fresh") or ())

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form that ``from_dict`` reads back."""
        plain = asdict(self) | {"preprocess": self.preprocess.to_dict()}
        ready: dict[str, Any] = json.loads(json.dumps(plain))
        return ready

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> WeightsMeta:
        """Read what ``to_dict`` wrote.

        Args:
            values: Parsed JSON.
            where: File, for errors.

        Raises:
            WeightsError: A field is missing, unknown or of the wrong kind.
        """
        known = {f.name for f in fields(cls)}
        missing, extra = {"arch", "labels", "preprocess"} - set(values), set(values) - known
        if missing or extra:
            said = [f"lacks {', '.join(sorted(missing))}"] if missing else []
            said += [f"has unknown fields {', '.join(sorted(extra))}"] if extra else []
            raise WeightsError(f"{where}: the model's description {' and '.join(said)}")
        for name, kind in _KINDS.items():
            if name in values and not isinstance(values[name], kind):
                raise WeightsError(f"{where}: the model's description is wrong: {name} is no {kind.__name__}")
        for name, known_kind in _FACTS.items():
            fact = values.get("training", {}).get(name)
            if fact is not None and (not isinstance(fact, known_kind) or isinstance(fact, bool)):
                told = f"{name} is no {known_kind.__name__}"
                raise WeightsError(f"{where}: the model's description is wrong: {told}")
        try:
            _check_arguments(values.get("arguments", {}))
            return cls(
                **{
                    **values,
                    "labels": _names(values["labels"], values.get("task", "expression")),
                    "preprocess": Preprocess.from_dict(values["preprocess"]),
                    "metrics": tuple(values.get("metrics", ())),
                }
            )
        except (AffectZooError, TypeError, ValueError, OverflowError) as error:
            raise WeightsError(f"{where}: the model's description is wrong: {error}") from None


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse what no architecture takes, before anything is built with it.

    Raises:
        WeightsError: A value that is neither plain nor small.
    """
    for name, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        plain = all(
            isinstance(v, bool | int | float) or (isinstance(v, str) and len(v) <= 64) for v in values
        )
        small = all(isinstance(v, str) or abs(v) <= _LARGEST for v in values) if plain else False
        if not small or len(values) > _LARGEST // 4096:
            raise WeightsError(f"argument {name} is {str(value)[:80]}, which no architecture takes")


def _names(labels: list[str], task: str) -> tuple[str, ...]:
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    if (task in ("expression", "multitask")) != bool(labels):
        raise LabelError(f"task {task} with {len(labels)} labels")
    return label_space([str(name) for name in labels]).names if labels else ()

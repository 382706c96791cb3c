"""What weights mean: the description that a weights file holds, its formats and its checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from affectzoo.errors import AffectZooError, LabelError, OptionError, UnknownNameError, WeightsError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.labels import TASKS, LabelSpace, label_space
from affectzoo.weights.untrusted import other_format

FORMAT = 2
"""Of the description. Files of format 1, which had no number, are read; a higher one is not understood."""

SUBJECTS = ("weights", "code", "starting weights", "images", "labels")
"""What a license names terms for."""

DIGEST = "digest"
"""The key of a description's digest in files, see ``sealed``."""

_FREE = ("training", "metrics", "license")
"""Fields that say where weights come from, not what they predict."""

_LARGEST = 65_536
"""Bound on whole numbers among an architecture's arguments, and on the length of lists its 4096th part."""


@dataclass(frozen=True)
class Training:
    """How weights were trained, as far as it is known.

    Attributes:
        data: Data set, a name of the registry, or another text.
        recipe: The recipe's file.
        recipe_hash: SHA-256 of what the recipe says of the result.
        seed: Of all that was drawn.
        epochs: Epochs trained.
        epoch: The one whose weights these are, from 1.
        epoch_rule: How it was chosen.
        started_from: Name or file of the weights that it started from.
        fold: Fold excluded of training, from 0.
        folds: How many there are.
        train_hash: Of the training faces, see ``affectzoo.datasets.ids``.
        train_sketch: Of the training faces, by which others find out whether they share some.
        valid_hash: Of the faces that may have chosen the epoch.
        notes: What is shown and nothing goes by, JSON-ready.
    """

    data: str | None = None
    recipe: str | None = None
    recipe_hash: str | None = None
    seed: int | None = None
    epochs: int | None = None
    epoch: int | None = None
    epoch_rule: str | None = None
    started_from: str | None = None
    fold: int | None = None
    folds: int | None = None
    train_hash: str | None = None
    train_sketch: str | None = None
    valid_hash: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Start:
    """The weights that a model's values came from, as those that are trained from it tell of them.

    Attributes:
        name: What they are called elsewhere.
        license: Their terms, under ``starting weights``; none where none are known.
    """

    name: str
    license: Mapping[str, str]


@dataclass(frozen=True)
class WeightsMeta:
    """What a set of weights means.

    Attributes:
        arch: Architecture, a name of the registry.
        labels: Class names in the order of the scores; none for a model without classes.
        preprocess: How a face becomes the network's input.
        arguments: The architecture's own arguments.
        task: What it predicts.
        sequence: Whether it reads windows of frames rather than single faces.
        window: Frames per window in training; 0 for single faces, or if not known.
        eval_window: Frames per window in the training's evaluations; 0 for single faces, or if not known.
        eval_stride: Frames from one such window's start to the next's.
        fresh: Parts with random values, to be trained before the weights are of use.
        training: What it was trained on and how.
        metrics: Measured results, one mapping each, with data set, split and number of faces.
        license: Terms by subject, see ``SUBJECTS``.
        prior: Each class's share of the faces by which the class scores were calibrated, in the order of the
            scores; none where they were not.
        balance: The share of these frequencies that is out of the scores already.
        threshold: The least probability of the likeliest class from which on a face is worth an answer, as
            the calibration found it; 0 where it is not known.
    """

    arch: str
    labels: tuple[str, ...]
    preprocess: Preprocess
    arguments: Mapping[str, Any] = field(default_factory=dict)
    task: str = "expression"
    sequence: bool = False
    window: int = 0
    eval_window: int = 0
    eval_stride: int = 0
    fresh: tuple[str, ...] = ()
    training: Training = Training()
    metrics: tuple[Mapping[str, Any], ...] = ()
    license: Mapping[str, str] = field(default_factory=dict)
    prior: tuple[float, ...] = ()
    balance: float = 0.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a share of frequencies that are not known, and what is no share."""
        check_share("threshold", self.threshold)
        if check_share("balance", self.balance) and not self.prior:
            raise OptionError(f"balance is {self.balance:g}, but there is no prior to take it from")

    @property
    def label_space(self) -> LabelSpace | None:
        """The classes as a label space; ``None`` for a model without classes."""
        return label_space(self.labels) if self.labels else None

    @property
    def landmarks(self) -> bool:
        """Whether it takes landmarks with each face."""
        return bool(self.arguments.get("landmarks"))

    def as_start(self, name: str) -> Start:
        """Say what others start from, with all terms: of the weights, their own start and their data."""
        told = [self.license.get(subject) for subject in ("weights", "starting weights")]
        told += [f"{s}: {self.license[s]}" for s in ("images", "labels") if self.license.get(s)]
        terms = "; ".join(dict.fromkeys(text for text in told if text))
        return Start(name, {"starting weights": terms} if terms else {})

    def untrained(self) -> WeightsMeta:
        """The same model without what is known of its training, results and terms."""
        return WeightsMeta(
            self.arch, self.labels, self.preprocess, self.arguments, task=self.task, sequence=self.sequence
        )

    def facts(self) -> dict[str, Any]:
        """What is known of the training by name, notes included, for records, tables and cards.

        The sketch of the training faces is excluded: it is no fact for people.
        """
        told = {name: value for name, value in asdict(self.training).items() if value is not None}
        told |= {name: getattr(self, name) for name in _OF_CLIPS if self.sequence and getattr(self, name)}
        told |= {"fresh": list(self.fresh)} if self.fresh else {}
        told.pop("train_sketch", None)
        notes: dict[str, Any] = told.pop("notes")
        return notes | told

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form that ``from_dict`` reads back."""
        training = {name: value for name, value in asdict(self.training).items() if value is not None}
        plain = asdict(self) | {"preprocess": self.preprocess.to_dict(), "training": training}
        for name in ("balance", "threshold"):
            if not plain[name]:
                del plain[name]  # earlier versions read weights without it
        ready: dict[str, Any] = json.loads(json.dumps({"format": FORMAT, **plain}))
        return ready

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> WeightsMeta:
        """Read what ``to_dict`` wrote, here or in format 1.

        Args:
            values: Parsed JSON.
            where: File, for errors.

        Raises:
            WeightsError: A field is missing, unknown or of the wrong kind, or the format is a later one.
        """
        try:
            told = _current(values)
            _check_fields(cls, told, needed={"arch", "labels", "preprocess"})
            training = told.get("training", {})
            _check_fields(Training, training)
            _check_arguments(told.get("arguments", {}))
            task = told.get("task", "expression")
            return cls(
                **{
                    **told,
                    "labels": _names(told["labels"], task),
                    "preprocess": Preprocess.from_dict(told["preprocess"]),
                    "fresh": tuple(told.get("fresh", ())),
                    "training": Training(**training),
                    "metrics": tuple(told.get("metrics", ())),
                    "prior": _shares(told.get("prior", ()), len(told["labels"])),
                }
            )
        except (AffectZooError, TypeError, ValueError, OverflowError) as error:
            raise WeightsError(f"{where}: the model's description is wrong: {error}") from None


def sealed(meta: WeightsMeta) -> dict[str, Any]:
    """The form of a description for files: JSON-ready, with a digest of all that predictions depend on."""
    told = meta.to_dict()
    return {**told, DIGEST: _digest(told)}


def unsealed(values: Mapping[str, Any], where: str) -> WeightsMeta:
    """Read what ``sealed`` wrote; a file of before has no digest.

    Args:
        values: Parsed JSON.
        where: File, for errors.

    Raises:
        WeightsError: The digest is another one, or see ``WeightsMeta.from_dict``.
    """
    told = dict(values)
    digest = told.pop(DIGEST, None)
    if digest is not None and digest != _digest(told):
        raise WeightsError(
            f"{where}: the model's description was altered after it was written: its labels, preprocessing "
            "or other fields do not have its digest, so classes could be named wrongly. Take the file as it "
            "was made; a changed model is written by affectzoo itself (model.save_pretrained)"
        )
    return WeightsMeta.from_dict(told, where)


def license_terms(given: Mapping[str, str]) -> dict[str, str]:
    """Check terms by subject; ``pictures``, an older name of images, is taken, too.

    Raises:
        OptionError: There is no such subject, or its terms are empty.
    """
    terms = {_RENAMED.get(name, name): text for name, text in given.items()}
    unknown = sorted(set(terms) - set(SUBJECTS))
    if unknown:
        raise OptionError(f"license terms of {', '.join(unknown)}; expected: {', '.join(SUBJECTS)}")
    empty = sorted(name for name, text in terms.items() if not text.strip())
    if empty:
        raise OptionError(f"the license terms of {', '.join(empty)} are empty; is a variable not set?")
    return terms


def check_share(name: str, given: Any) -> float:
    """Check a number from 0 to 1, such as the share of the classes' frequencies to take out of scores.

    Args:
        name: What it is, for the error.
        given: Any number, NumPy's too.

    Returns:
        The share, 0 to 1.

    Raises:
        OptionError: It is no number, or out of range.
    """
    if isinstance(given, bool) or not isinstance(given, Real) or not 0 <= float(given) <= 1:
        raise OptionError(f"{name} is {given!r}; expected a number from 0 to 1")
    return float(given)


# Formats

_OF_CLIPS = ("window", "eval_window", "eval_stride")
_RENAMED = {"pictures": "images"}


def _current(values: Mapping[str, Any]) -> dict[str, Any]:
    """A description's fields as format 2 has them.

    Raises:
        WeightsError: It is of a later format.
    """
    told = dict(values)
    made = told.pop("format", 1)
    if (other := other_format(made, FORMAT)) is None:
        return told
    if "format" in values:
        raise WeightsError(other)
    later = {"sequence", "window", "eval_window", "eval_stride", "fresh", "license"} & set(told)
    if later:
        raise WeightsError(f"it has {', '.join(sorted(later))}, but no format")
    facts, terms = told.pop("training", {}), told.pop("licence", {})
    if not isinstance(facts, dict) or not isinstance(terms, dict):
        raise WeightsError("training or licence is no dict")
    facts = {name: value for name, value in facts.items() if value is not None}
    told |= {name: facts.pop(name) for name in (*_OF_CLIPS, "fresh") if name in facts}
    own = {name: facts.pop(name) for name in _hints(Training) if name != "notes" and name in facts}
    return told | {
        "sequence": bool(told.get("window")) or told.get("arch") in ("cnn_gru", "cnn_lstm"),
        "training": {**own, "notes": facts},
        "license": {_RENAMED.get(name, name): text for name, text in terms.items()},
    }


# Checks


def _digest(told: Mapping[str, Any]) -> str:
    """The sha256 of a description, whatever the order of its fields, without ``_FREE``."""
    fields = {name: value for name, value in told.items() if name not in _FREE}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


def _check_fields(cls: type, values: Mapping[str, Any], needed: Collection[str] = ()) -> None:
    """Refuse what is not the JSON form of a dataclass's fields.

    Raises:
        WeightsError: A field is missing, unknown or of the wrong kind.
    """
    hints = _hints(cls)
    missing, extra = set(needed) - set(values), set(values) - set(hints)
    if missing or extra:
        said = [f"it lacks {', '.join(sorted(missing))}"] if missing else []
        said += [f"it has unknown fields {', '.join(sorted(map(str, extra)))[:200]}"] if extra else []
        raise WeightsError(" and ".join(said))
    for name, value in values.items():
        if not _fits(value, hints[name]):
            raise WeightsError(f"{name} is no {_kind(hints[name])}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value has the form of a type; whole numbers are not negative and small."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return any(_fits(value, kind) for kind in inner)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(one, inner[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(one, inner[1]) for one in value.values())
    if hint in (Preprocess, Training):
        return isinstance(value, dict)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return hint is Any or isinstance(value, hint)


def _kind(hint: Any) -> str:
    """The kind of a JSON value for people."""
    if get_origin(hint) is UnionType:
        return " or ".join(_kind(kind) for kind in get_args(hint) if kind is not NoneType)
    kinds = {str: "text", int: "whole number from 0", float: "number", bool: "true or false", tuple: "list"}
    return kinds.get(get_origin(hint) or hint, "mapping")


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


def _shares(values: Sequence[float], classes: int) -> tuple[float, ...]:
    """A share above 0 for each class, of sum 1; or none at all."""
    whole = len(values) == classes and all(0 < v <= 1 for v in values) and abs(sum(values) - 1) < 1e-3
    if values and not whole:
        raise WeightsError(f"prior has no share above 0 for each of {classes} classes, of sum 1")
    return tuple(values)


def _names(labels: list[str], task: str) -> tuple[str, ...]:
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    if (task in ("expression", "multitask")) != bool(labels):
        raise LabelError(f"task {task} with {len(labels)} labels")
    return label_space(labels).names if labels else ()

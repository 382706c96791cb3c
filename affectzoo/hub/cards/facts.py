"""What a card says of weights and their training beside figures: its facts, as tables and in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from affectzoo.faces.preprocess import Preprocess
from affectzoo.leaderboard.tables import Cell, Column, Table
from affectzoo.registry import DATASETS, architecture
from affectzoo.weights import SUBJECTS, WeightsMeta

CODE_LICENSE = "Apache-2.0"
UNKNOWN = "not stated"
TASKS = {
    "expression": "the expression of a face, one of {} classes",
    "va": "valence and arousal of a face",
    "valence": "valence of a face",
    "arousal": "arousal of a face",
    "multitask": "the expression of a face, one of {} classes, and its valence and arousal",
    "landmarks": "68 landmarks of a face, in the iBUG order",
}
"""What a model gives, by its task, with a place for the number of classes."""
_TRAINING = {
    "data": "data",
    "training_label_rule": "label rule",
    "recipe": "recipe",
    "recipe_hash": "recipe, SHA-256 of what it says",
    "seed": "seed",
    "epochs": "epochs",
    "epoch": "epoch taken",
    "epoch_rule": "how it was chosen",
    "started_from": "started from",
    "teachers": "taught by",
    "window": "frames per window",
    "eval_window": "frames per window in evaluation",
    "eval_stride": "frames from window to window in evaluation",
    "fold": "fold excluded of training, counted from 0",
    "train_hash": "hash of the training faces",
    "valid_hash": "hash of the validation faces",
}
"""Facts of a training for people, in order; others keep their names."""
_EXPECTED = ("data", "recipe", "recipe_hash", "seed", "epochs", "epoch_rule")
"""Those of which a card says that they are not known."""


@dataclass(frozen=True)
class CardFacts:
    """What a card says beside what the weights say of themselves.

    Attributes:
        name: Of the weights: ``arch.tag`` for those that the zoo knows.
        repo: ``OWNER/NAME`` on the Hub; ``None`` where they are not there.
        sha256: Of each weights file, by its name.
        parameters: Number of trained values.
        size: Of the weights files together, bytes.
        records: Of a benchmark, of these weights.
        prose: What people wrote, by section; see ``affectzoo.hub.cards.prose``.
        versions: Of the libraries that wrote the files, by package.
        recipe: The recipe's file beside the card; by default the one that the weights name.
    """

    name: str
    repo: str | None
    sha256: Mapping[str, str]
    parameters: int
    size: int
    records: Sequence[Mapping[str, Any]] = ()
    prose: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    recipe: str | None = None


def description(meta: WeightsMeta, facts: CardFacts) -> Table:
    """What weights are."""
    arch, rule = architecture(meta.arch), meta.preprocess
    points = ", and 68 landmarks (iBUG order)" if meta.landmarks else ""
    rows: dict[str, Cell] = {
        "architecture": f"{meta.arch}: {arch.summary}",
        "source": arch.source,
        "its arguments": _told(meta.arguments) or "none",
        "parameters": facts.parameters,
        "size": f"{facts.size:,} bytes ({facts.size / 2**20:.1f} MiB)",
        "input": f"{rule.size} x {rule.size} {rule.color}{points}"
        + ("; clips" if meta.sequence else "")
        + (f", in windows of {meta.window} frames" if meta.window else ""),
        **{f"sha256 of {name}": digest for name, digest in facts.sha256.items()},
        **({"written with": _told(facts.versions)} if facts.versions else {}),
    }
    return _pairs(rows)


def untrained_description(name: str, row: Mapping[str, Any]) -> Table:
    """What an architecture without weights is; ``row`` as ``affectzoo.zoo.listing.architectures`` has it."""
    arch = architecture(name)
    rows: dict[str, Cell] = {
        "architecture": f"{name}: {arch.summary}",
        "source": arch.source,
        "tasks": ", ".join(arch.tasks),
        "parameters, with 8 classes": row["parameters"],
        "input": row["input"],
        "weights": "none",
        "license of the code": CODE_LICENSE,
    }
    return _pairs(rows)


def training(meta: WeightsMeta, recipe: str | None, chosen: Collection[bool | None]) -> Table:
    """Tell how weights were trained, with what is not known of it.

    Args:
        meta: What the weights mean.
        recipe: The one that they were trained with, where it is known.
        chosen: Of each result, whether its faces chose the epoch.
    """
    known = {**meta.facts(), "recipe": recipe}
    if "fold" in known and "folds" in known:
        known["fold"] = f"{known['fold']} of {known.pop('folds')}"
    if known.get("data") in DATASETS:
        known["data"] = DATASETS[known["data"]].title
    order = dict.fromkeys([*_TRAINING, *known])
    rows: dict[str, Cell] = {}
    for name in order:
        told = _told(known.get(name)) or (UNKNOWN if name in _EXPECTED else "")
        rows |= {_TRAINING.get(name, name.replace("_", " ")): told} if told else {}
    rows["a measured part chose the epoch"] = _chosen(meta, chosen)
    return _pairs(rows)


def _chosen(meta: WeightsMeta, chosen: Collection[bool | None]) -> str:
    if True in chosen:
        return "yes: figures on those faces are too high"
    last = (meta.training.epoch_rule or "").startswith("last")
    return "no" if last or set(chosen) == {False} else "not known"


def _told(value: Any) -> str:
    """A fact as text; empty where there is nothing to say. Long lists are counted."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_told(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) if len(value) <= 8 else f"{len(value):,}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def licenses(meta: WeightsMeta) -> Table:
    """Terms by subject, also where none are stated."""
    known: dict[str, Cell] = {subject: meta.license.get(subject) or UNKNOWN for subject in SUBJECTS}
    if not meta.training.started_from and not meta.license.get("starting weights"):
        known["starting weights"] = "none are recorded"
    return _pairs({**known, **{k: v for k, v in meta.license.items() if k not in SUBJECTS}})


def preprocessing(rule: Preprocess) -> list[str]:
    """How a face becomes the network's input, in words, step by step."""
    change = f", made {abs(rule.margin):.0%} {'larger' if rule.margin > 0 else 'smaller'}"
    edges = "each of its edges" if rule.shape == "stretch" else "its longer edge"
    edge = f"its center, {edges}{change if rule.margin else ''}"
    colour = "gray (ITU-R 601 luma)" if rule.color == "gray" else "RGB"
    scaled = f"Scale it to {rule.face_size} x {rule.face_size} pixels"
    cut = f", then cut out the central {rule.size} x {rule.size}" if rule.face_size != rule.size else ""
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (rule.mean, rule.std))
    area, how = ("rectangle", ", which stretches it") if rule.shape == "stretch" else ("square", "")
    return [
        f"Cut a {area} around the detector's box: {edge}. A ready crop is taken whole. Where the {area} "
        "leaves the image, its edge pixels are repeated.",
        f"Convert it to {colour}.",
        f"{scaled}{how}{cut}.",
        f"Bring pixels from 0..255 to 0..1, subtract the mean ({mean}) and divide by the standard deviation "
        f"({std}).",
    ]


def _pairs(rows: Mapping[str, Cell]) -> Table:
    """A table of two columns without headings."""
    return Table("facts", "", (Column(""), Column("")), tuple(rows.items()))

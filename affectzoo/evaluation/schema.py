"""What a record holds, field by field: the kinds by which records are checked when they are read."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypeAlias

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

LARGEST = 1e30
"""Figures beyond it are not written, as those that are not finite."""

Kind = Literal["zoo", "features", "classical", "external"]
Text = Annotated[str, Field(max_length=20_000)]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Key = Annotated[str, Field(max_length=240, pattern=r"^[\w.+-]+$")]
Sum = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Scalar = bool | Annotated[int, Field(ge=-(2**53), le=2**53)] | Number | Text | None
# Claims and training facts are of many forms; their depth is limited, so that nothing can nest without end.
_Flat: TypeAlias = Scalar | list[Scalar]
_Facts: TypeAlias = _Flat | dict[Text, _Flat]
Facts: TypeAlias = _Facts | dict[Text, _Facts] | list[_Facts]
_CLOSED, _OPEN = with_config(ConfigDict(extra="forbid")), with_config(ConfigDict(extra="allow"))


@_CLOSED
class Figure(TypedDict):
    """A metric's value; with an interval, or a standard deviation over folds."""

    value: Number | None
    low: NotRequired[Number | None]
    high: NotRequired[Number | None]
    sd: NotRequired[Number | None]


Figures: TypeAlias = dict[Name, Figure]


@_OPEN
class TrainingFacts(TypedDict):
    """What weights say of their training; there may be more than these."""

    data: NotRequired[Text | None]
    seed: NotRequired[int | None]
    fold: NotRequired[int | None]
    folds: NotRequired[int | None]
    recipe: NotRequired[Text | None]
    recipe_hash: NotRequired[Text | None]
    epoch_rule: NotRequired[Text | None]
    train_hash: NotRequired[Text | None]
    valid_hash: NotRequired[Text | None]
    on_protocol: NotRequired[bool | None]
    started_from: NotRequired[Text | None]
    unreadable: NotRequired[list[Text]]


@_CLOSED
class Model(TypedDict):
    """The weights that were measured; ``sha256`` is that of their files, one per fold, or none."""

    arch: NotRequired[Name]
    task: NotRequired[Name]
    labels: NotRequired[list[Name]]
    sha256: list[Sum]
    tensors_sha256: NotRequired[Sum | None]
    preprocess: NotRequired[dict[Name, Facts] | None]
    training: TrainingFacts
    licence: NotRequired[dict[Name, Text]]


@_CLOSED
class Epoch(TypedDict):
    """How the epoch was chosen, and whether on the faces that the figures are of."""

    rule: Text | None
    on_test: bool | None


@_CLOSED
class Data(TypedDict):
    """The data sets of both parts."""

    train: NotRequired[Name | None]
    test: Key


@_CLOSED
class Deviation(TypedDict):
    """A published count beside this copy's."""

    part: Name
    what: Name
    published: list[Count]
    found: Count
    equal: bool


@_CLOSED
class Protocol(TypedDict):
    """Which faces; ``name`` is that of a published protocol, ``split`` that of a plain split."""

    name: Key | None
    title: Text
    data: Data
    split: Key | None
    task: Literal["expression", "va", "multitask", "landmarks"]
    unit: Literal["face", "clip"]
    folds: NotRequired[Annotated[int, Field(ge=1, le=10_000)]]
    hash: Sum
    truth: NotRequired[Sum | None]
    deviations: NotRequired[list[Deviation]]
    detector: NotRequired[Name | None]
    paper: NotRequired[Text | None]
    ours: NotRequired[Text | None]
    metrics: NotRequired[Text | None]
    note: NotRequired[Text | None]


@_CLOSED
class Faces(TypedDict):
    """How many there are, and how many of them have no prediction.

    ``annotated`` counts the faces that have both a prediction and a ``label``, ``valence`` or ``arousal``:
    those that a figure is over.
    """

    total: Count
    predicted: Count
    missing: Count
    annotated: NotRequired[dict[Literal["label", "valence", "arousal"], Count]]
    subjects: NotRequired[Count | None]
    clips: NotRequired[Count | None]
    left_out: NotRequired[dict[Text, Count]]


@_CLOSED
class FoldResult(TypedDict):
    """One fold of several."""

    fold: Annotated[int, Field(ge=0, le=10_000)] | None
    faces: Count
    sha256: NotRequired[Sum | None]
    hash: NotRequired[Sum]
    metrics: dict[Name, Number | None]


@_CLOSED
class Clips(TypedDict):
    """The same figures over clips, where faces are counted and belong to clips."""

    clips: Count
    rule: Name | None
    metrics: Figures


@_CLOSED
class Interval(TypedDict):
    """How intervals were made."""

    level: Annotated[float, Field(gt=0, lt=1)]
    resamples: Count
    units: Name


@_CLOSED
class ClassesProbe(TypedDict):
    """Classes that may be in another order, see ``probe``."""

    kind: Literal["swap", "order"]
    classes: NotRequired[list[Name]]
    order: NotRequired[list[Name]]
    accuracy: Number | None
    would_be: Number | None


@_CLOSED
class ValuesProbe(TypedDict):
    """Values that may be on another scale, see ``probe``."""

    kind: Literal["values"]
    change: Name
    ccc: Number | None
    would_be: Number | None


@_CLOSED
class ClassFigures(TypedDict):
    """Figures of one class; ``support`` is how many faces have it."""

    support: Number
    recall: Number | None
    precision: NotRequired[Number | None]
    f1: NotRequired[Number | None]
    auc: NotRequired[Number | None]
    auc_pr: NotRequired[Number | None]


@_CLOSED
class Fit(TypedDict):
    """What a classifier was fitted on."""

    faces: Count
    without_features: Count
    dimensions: Count
    pca: Number | None
    chosen: NotRequired[dict[Name, Number]]


@_CLOSED
class Cost(TypedDict):
    """What one prediction costs, see ``affectzoo.benchmark.cost``."""

    parameters: NotRequired[Count | None]
    flops: NotRequired[Count | None]
    latency_ms: NotRequired[Number | None]
    throughput: NotRequired[Number | None]
    held_up: NotRequired[Number | None]
    batch: NotRequired[Count | None]
    device: NotRequired[Name | None]
    threads: NotRequired[Count | None]


@_CLOSED
class Record(TypedDict):
    """One system on one set of faces."""

    format: Literal[1]
    key: Key
    system: Name
    spec: Text
    kind: Kind
    model: NotRequired[Model | None]
    epoch: NotRequired[Epoch]
    claimed: NotRequired[list[dict[Name, Facts]]]
    mapping: NotRequired[dict[Name, Name | None] | None]
    protocol: Protocol
    options: NotRequired[dict[Name, Scalar]]
    faces: Faces
    labels: NotRequired[list[Name] | None]
    folds: NotRequired[list[FoldResult]]
    interval: NotRequired[Interval | None]
    metrics: Figures
    metrics_all: NotRequired[Figures]
    clips: NotRequired[Clips | None]
    normalised: NotRequired[Figures]
    confusion: NotRequired[list[list[Count]] | None]
    per_class: NotRequired[dict[Name, ClassFigures] | None]
    per_damage: NotRequired[dict[Name, dict[Name, Number | None]]]
    per_threshold: NotRequired[dict[Name, dict[Name, Number | None]]]
    probes: NotRequired[list[Annotated[ClassesProbe | ValuesProbe, Field(discriminator="kind")]]]
    fit: NotRequired[list[Fit] | None]
    remarks: NotRequired[list[Text]]
    compute: NotRequired[Cost | None]
    hardware: NotRequired[dict[Name, Scalar]]
    versions: NotRequired[dict[Name, Text]]
    seconds: NotRequired[Annotated[float, Field(ge=0, le=1e12)]]
    command: Text
    predictions: NotRequired[Text]

"""The published evaluation protocols, from ``assets/protocols.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import yaml

from affectzoo.errors import UnknownNameError

FILE = Path(__file__).parents[1] / "assets" / "protocols.yaml"

Epoch = Literal["valid", "held out", "last"]

EPOCHS: Mapping[Epoch, str] = MappingProxyType(
    {
        "valid": "best on the data set's own validation part",
        "held out": "best on a tenth of the training part (whole persons where known, else class by class), "
        "or the last one",
        "last": "the last one of a schedule fixed beforehand",
    }
)
"""How the epoch to report is chosen; the test part never has a say."""


class Source(NamedTuple):
    """Where faces come from: a data set, one split of it or all, and options of its data module."""

    dataset: str
    split: str | None
    options: Mapping[str, Any] = MappingProxyType({})


class Published(NamedTuple):
    """A published number, of ``faces``, ``clips``, ``subjects`` or ``labelled`` faces; releases may differ.

    ``part`` is ``train``, with what is held out of it, ``valid``, ``test`` or ``all``.
    """

    part: str
    what: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Protocol:
    """A way to measure that others can repeat.

    Attributes:
        name: What users type.
        title: One line for tables.
        paper: Who measured so, and where they say it.
        ours: What the paper leaves open and is decided here.
        train: The faces to train on, before a validation part is held out.
        test: The faces to report on.
        task: ``expression`` takes faces with a class, ``va`` faces with valence and arousal, ``multitask``
            faces with either.
        metrics: What the paper reports.
        epoch: How the epoch is chosen, see ``EPOCHS``.
        labels: Label space of the classes.
        folds: Number of folds, each of which is once the test part; 1 for a fixed test part.
        frozen: Whether features stay as they were trained elsewhere and only a classifier is fitted.
        unit: What one result counts: a face or a clip.
        scales: Factors on values in [-1, 1] at which to report errors such as RMSE.
        published: Numbers to compare a copy with.
    """

    name: str
    title: str
    paper: str
    ours: str
    train: Source
    test: Source
    task: Literal["expression", "va", "multitask"]
    metrics: str
    epoch: Epoch
    labels: str | None = None
    folds: int = 1
    frozen: bool = False
    unit: Literal["face", "clip"] = "face"
    scales: tuple[float, ...] = (1.0,)
    published: tuple[Published, ...] = ()

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that it needs, each once."""
        return tuple(dict.fromkeys((self.train.dataset, self.test.dataset)))


def _read(path: Path) -> dict[str, Protocol]:
    document: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _protocol(name, **fields) for name, fields in document.items()}


def _protocol(
    name: str, *, train: Any, test: Any, published: Any = (), scales: Any = (1.0,), **texts: Any
) -> Protocol:
    numbers = tuple(Published(each["part"], each["what"], tuple(each["counts"])) for each in published)
    return Protocol(
        name, train=Source(**train), test=Source(**test), published=numbers, scales=tuple(scales), **texts
    )


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(_read(FILE))
"""The protocols by name."""


def find_protocol(name: str) -> Protocol:
    """Look a protocol up.

    Raises:
        UnknownNameError: There is none of that name; near matches are listed.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS, "(see: affectzoo data protocol)")
    return PROTOCOLS[name]


def tested_split(protocol: Mapping[str, Any]) -> str | None:
    """Return the split that a record's ``protocol`` tests on; ``None`` for all of a data set."""
    known = PROTOCOLS.get(protocol.get("name") or "")
    split: str | None = known.test.split if known else protocol.get("split")
    return split

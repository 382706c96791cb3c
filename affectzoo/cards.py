"""Model cards: what a set of weights is, was measured at and may be used for, from records and metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from affectzoo.weights import WeightsMeta


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
        prose: What people wrote, by section; see ``read_prose``.
        versions: Of the libraries that wrote the files, by package.
    """

    name: str
    repo: str | None
    sha256: Mapping[str, str]
    parameters: int
    size: int
    records: Sequence[Mapping[str, Any]] = ()
    prose: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def render(meta: WeightsMeta, facts: CardFacts) -> str:
    """The card of a set of weights: YAML metadata for the Hub, then Markdown.

    Args:
        meta: What the weights mean.
        facts: What else the card says.
    """
    return f"---\nlibrary_name: affectzoo\n---\n\n# {facts.name}\n"

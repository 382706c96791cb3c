"""Papers to cite for a model, from ``assets/citations.yaml``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import yaml

from affectzoo.registry import architecture
from affectzoo.store import ASSETS


def citations(arch: str, data: Sequence[Any]) -> list[str]:
    """Papers to cite, each once.

    Args:
        arch: Name of the architecture.
        data: Names of the data sets; others are passed over.
    """
    known, source = papers(), architecture(arch).source
    found = [told for start, told in known["sources"].items() if source.startswith(start)]
    found += [known["data"].get(name, []) for name in data]
    return list(dict.fromkeys(paper for told in found for paper in told))


@cache
def papers() -> dict[str, dict[str, list[str]]]:
    """All that are known: ``data`` by data set, ``sources`` by the beginning of an architecture's source."""
    loaded: dict[str, dict[str, list[str]]] = yaml.safe_load(
        (ASSETS / "citations.yaml").read_text(encoding="utf-8")
    )
    return loaded

"""``config.json``, by which a published folder or repository says what its weights files are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from affectzoo.errors import UnknownNameError, WeightsError
from affectzoo.registry import ARCHITECTURES
from affectzoo.weights.meta import WeightsMeta
from affectzoo.weights.parts import FILE_NAME, INDEX_NAME, MOST_FILES, check_part_name
from affectzoo.weights.untrusted import LIMIT, read_json

CONFIG_NAME = "config.json"
FORMAT = 1
"""Of ``config.json``; a higher one is not understood here."""

CONFIG_LIMIT = 2 * LIMIT
"""Bytes of ``config.json``, which holds a model's description and some more."""

_OTHERS = {
    "transformers_version": "transformers",
    "model_type": "transformers",
    "pretrained_cfg": "timm",
    "model_cfg": "open_clip",
    "_diffusers_version": "diffusers",
}
"""Libraries by a key that only their ``config.json`` has."""


@dataclass(frozen=True)
class Claim:
    """What is said elsewhere of weights, and must hold of them.

    Attributes:
        said_by: Who says it, for errors.
        meta: Their description.
        sums: The sha256 of each file, by its name.
    """

    said_by: str
    meta: WeightsMeta
    sums: Mapping[str, str]


def read_config(path: Path, where: str) -> Claim:
    """Read what ``affectzoo publish`` wrote.

    Args:
        path: The file.
        where: What to call it in errors.

    Raises:
        WeightsError: It was not written by affectzoo, or says something impossible.
    """
    values = read_json(path, CONFIG_LIMIT, where)
    if values.get("library") != "affectzoo":
        seems = next((name for key, name in _OTHERS.items() if key in values), "another library")
        raise WeightsError(
            f"{where} is not of affectzoo but, it seems, of {seems}; "
            "only what affectzoo publish wrote can be loaded"
        )
    if values.get("format") != FORMAT:
        told = str(values.get("format"))[:20]
        raise WeightsError(f"{where} has format {told}, this affectzoo reads {FORMAT}: install a newer one")
    meta, sums = values.get("meta"), values.get("sha256")
    if not isinstance(meta, dict) or not isinstance(sums, dict) or len(sums) > MOST_FILES:
        raise WeightsError(f"{where} needs meta and the sha256 of 1 to {MOST_FILES} weights files")
    for file, found in sums.items():
        if file != INDEX_NAME:
            check_part_name(file, where)
        if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{64}", found):
            raise WeightsError(f"{where}: the sha256 of {file} is no 64 hex digits")
    if set(sums) != {FILE_NAME} and (INDEX_NAME not in sums or FILE_NAME in sums):
        raise WeightsError(f"{where} names neither {FILE_NAME} alone nor {INDEX_NAME} with its parts")
    described = WeightsMeta.from_dict(meta, where)
    if described.arch not in ARCHITECTURES:
        raise WeightsError(f"{where}: {UnknownNameError('architecture', described.arch, ARCHITECTURES)}")
    return Claim(where, described, sums)


def contradiction(claim: Claim, meta: WeightsMeta) -> str | None:
    """Return where a claim and the weights' own description differ, with both values; None if they agree."""
    said, own = claim.meta.to_dict(), meta.to_dict()
    for name in own:
        if said[name] != own[name]:
            both = f"{_short(said[name])}, the weights themselves {_short(own[name])}"
            return f"{claim.said_by} says {name} {both}"
    return None


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, sort_keys=True)
    return text if len(text) <= 400 else f"{text[:400]}..."

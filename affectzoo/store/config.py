"""``config.json``, by which a published folder or repository says what its weights files are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectzoo.errors import UnknownNameError, WeightsError
from affectzoo.files.fetch import sha256
from affectzoo.registry import ARCHITECTURES
from affectzoo.weights.meta import WeightsMeta
from affectzoo.weights.tensors import FILE_NAME
from affectzoo.weights.untrusted import LIMIT, other_format, read_json

CONFIG_NAME = "config.json"
LIBRARY = "affectzoo"
FORMAT = 1
"""The format of ``config.json``; a higher one is not understood here."""

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
        sha256: The file's.
    """

    said_by: str
    meta: WeightsMeta
    sha256: str


def read_config(path: Path, where: str) -> Claim:
    """Read what ``affectzoo publish`` wrote.

    Args:
        path: The file.
        where: What to call it in errors.

    Raises:
        WeightsError: It was not written by affectzoo, or says something impossible.
    """
    values = read_json(path, CONFIG_LIMIT, where)
    if values.get("library") != LIBRARY:
        seems = next((name for key, name in _OTHERS.items() if key in values), "another library")
        raise WeightsError(
            f"{where} is not of affectzoo but, it seems, of {seems}; "
            "only what affectzoo publish wrote can be loaded"
        )
    if (other := other_format(values.get("format"), FORMAT)) is not None:
        raise WeightsError(f"{where} has {other}")
    meta, sums = values.get("meta"), values.get("sha256")
    if not isinstance(meta, dict) or not isinstance(sums, dict) or set(sums) != {FILE_NAME}:
        raise WeightsError(f"{where} needs meta and the sha256 of {FILE_NAME}, and of no other file")
    if not isinstance(sums[FILE_NAME], str) or not re.fullmatch(r"[0-9a-f]{64}", sums[FILE_NAME]):
        raise WeightsError(f"{where}: the sha256 of {FILE_NAME} is no 64 hex digits")
    described = WeightsMeta.from_dict(meta, where)
    if described.arch not in ARCHITECTURES:
        raise WeightsError(f"{where}: {UnknownNameError('architecture', described.arch, ARCHITECTURES)}")
    return Claim(where, described, sums[FILE_NAME])


def config_of(meta: WeightsMeta, file: Path, **more: Any) -> dict[str, Any]:
    """Say what a weights file is, as ``read_config`` reads it.

    Args:
        meta: Its metadata.
        file: Where it is.
        **more: What else to say.
    """
    sums = {file.name: sha256(file)}
    return {"format": FORMAT, "library": LIBRARY, "meta": meta.to_dict(), "sha256": sums, **more}


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

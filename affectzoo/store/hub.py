"""Weights of a repository on the Hub; what these are, it says itself, in ``config.json``."""

from __future__ import annotations

import re
from pathlib import Path

from affectzoo.errors import WeightsError
from affectzoo.files.fetch import LARGEST, HubFile, UnreachableError, fetch_all, forget, newest
from affectzoo.weights.meta import WeightsMeta
from affectzoo.weights.parts import FILE_NAME, INDEX_LIMIT, INDEX_NAME, MOST_FILES, check_part_name, files
from affectzoo.weights.untrusted import read_json

HUB = "hf-hub:"
"""Begins the names of models on the Hub: ``hf-hub:OWNER/NAME[@REVISION]``."""

CONFIG_NAME = "config.json"
FORMAT = 1
"""Of ``config.json``; a higher one is not understood here."""

_CONFIG_LIMIT = 10**6
_HUB_NAME = re.compile(rf"{HUB}([\w.-]+/[\w.-]+)(?:@(\w[\w./+-]*))?", re.ASCII)

_OTHERS = {
    "transformers_version": "transformers",
    "model_type": "transformers",
    "pretrained_cfg": "timm",
    "model_cfg": "open_clip",
    "_diffusers_version": "diffusers",
}
"""Libraries by a key that only their ``config.json`` has."""


def from_hub(name: str) -> Path:
    """The weights file, or index, of a repository: all files from the commit that its branch or tag is at.

    Args:
        name: ``hf-hub:OWNER/NAME[@REVISION]``.

    Raises:
        WeightsError: It is no such name, its files cannot be had, or they are not of affectzoo.
    """
    match = _HUB_NAME.fullmatch(name)
    try:
        if match is None or ".." in name:
            raise ValueError(f"expected {HUB}OWNER/NAME or {HUB}OWNER/NAME@REVISION")
        repo_id, revision = match[1], match[2] or "main"
        path = newest(HubFile(repo_id, CONFIG_NAME, revision, limit=_CONFIG_LIMIT))
    except WeightsError:
        raise
    except ValueError as error:  # the client has rules of its own for names
        raise WeightsError(f"'{name}' is no name on the Hub: {error}") from None
    commit = path.parent.name
    try:
        sums = _read_sums(path, f"{HUB}{repo_id}: {CONFIG_NAME}")
        fetched = fetch_all(
            [
                HubFile(repo_id, file, commit, expected, INDEX_LIMIT if file == INDEX_NAME else LARGEST)
                for file, expected in sums.items()
            ]
        )
        first = path.with_name(INDEX_NAME if INDEX_NAME in sums else FILE_NAME)
        if set(files(first)) != set(fetched):
            raise WeightsError(f"{HUB}{repo_id}: {INDEX_NAME} names other files than {CONFIG_NAME}")
    except UnreachableError:
        raise
    except WeightsError:
        forget(path)  # it may be what is damaged: the next try fetches it again
        raise
    return first


def _read_sums(path: Path, where: str) -> dict[str, str]:
    """Read which weights files a repository has, from its ``config.json``.

    Args:
        path: The file.
        where: What to call it in errors.

    Returns:
        The sha256 of each file, by its name.

    Raises:
        WeightsError: It was not written by affectzoo, or says something impossible.
    """
    values = read_json(path, _CONFIG_LIMIT, where)
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
    WeightsMeta.from_dict(meta, where)  # before anything large is fetched; the file's own is what counts
    for file, found in sums.items():
        if file != INDEX_NAME:
            check_part_name(file, where)
        if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{64}", found):
            raise WeightsError(f"{where}: the sha256 of {file} is no 64 hex digits")
    if set(sums) != {FILE_NAME} and (INDEX_NAME not in sums or FILE_NAME in sums):
        raise WeightsError(f"{where} names neither {FILE_NAME} alone nor {INDEX_NAME} with its parts")
    return sums

"""Weights of a repository on the Hub; what these are, it says itself, in ``config.json``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from affectzoo.errors import OptionError, WeightsError
from affectzoo.files.fetch import HubFile, fetch, forget, newest
from affectzoo.files.folders import user_path
from affectzoo.files.guard import UnreachableError
from affectzoo.store.config import CONFIG_LIMIT, CONFIG_NAME, Claim, read_config
from affectzoo.weights.tensors import FILE_NAME

HUB = "hf-hub:"
"""Begins the names of models on the Hub: ``hf-hub:OWNER/NAME[@REVISION]``."""

_HUB_NAME = re.compile(rf"{HUB}([\w.-]+/[\w.-]+)(?:@(\w[\w./+-]*))?", re.ASCII)


def pretrained_name(name: str | Path, revision: str | None = None) -> str:
    """Read a name by the Hub's conventions: ``OWNER/NAME`` is a repository, unless it is a path here.

    Args:
        name: What ``affectzoo.load`` takes, or a repository.
        revision: The repository's branch, tag or commit.

    Raises:
        OptionError: There is a revision, and the name is of no repository, or has one already.
    """
    text = str(name)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", text, re.ASCII) and not os.path.lexists(user_path(text)):
        text = f"{HUB}{text}"
    if revision is None:
        return text
    if not text.startswith(HUB) or "@" in text:
        raise OptionError(f"{name}: revision {revision} is for a repository OWNER/NAME on the Hub")
    return f"{text}@{revision}"


def from_hub(name: str) -> tuple[Path, Claim]:
    """Fetch the weights of a repository: both files from the commit that its branch or tag is at.

    Args:
        name: ``hf-hub:OWNER/NAME[@REVISION]``.

    Returns:
        The weights file, and what ``config.json`` says of it.

    Raises:
        WeightsError: It is no such name, its files cannot be had, or they are not of affectzoo.
    """
    match = _HUB_NAME.fullmatch(name)
    try:
        if match is None or ".." in name:
            raise ValueError(f"expected {HUB}OWNER/NAME or {HUB}OWNER/NAME@REVISION")
        repo_id, revision = match[1], match[2] or "main"
        path = newest(HubFile(repo_id, CONFIG_NAME, revision, limit=CONFIG_LIMIT))
    except WeightsError:
        raise
    except ValueError as error:  # the client has rules of its own for names
        raise WeightsError(f"'{name}' is no name on the Hub: {error}") from None
    commit = path.parent.name
    try:
        claim = read_config(path, f"{HUB}{repo_id}: {CONFIG_NAME}")
        return fetch(HubFile(repo_id, FILE_NAME, commit, claim.sha256)), claim
    except UnreachableError:
        raise
    except WeightsError:
        forget(path)  # it may be what is damaged: the next try fetches it again
        raise

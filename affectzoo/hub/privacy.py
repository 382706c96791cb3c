"""What a file tells of the machine it was written on: taken out where it is expected, found elsewhere."""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from affectzoo.store import HUB

PLACE = re.compile(
    r"(?<![\w.~<>)}\]/-])(?:/[\w.@%+~-]+){2,}/?"  # /home/me; not and/or, ../x, </b>
    r"|(?<!\w)~/[\w.-]+"
    r"|(?<!\w)[A-Za-z]:\\[\w.\\-]+|\\\\\w[\w.\\-]+"
    r"|\b(?!https?:)[a-z][a-z0-9+.-]*://[^\s\"']+"
)
"""A path or somebody's storage."""

_ADDRESS = re.compile(r"https?://[^\s\"'<>)]+")

_ELSEWHERE = {"root", "run_dir", "dirpath", "default_root_dir", "ckpt_path", "logger"}
"""Keys of a recipe that name places; without them a training takes its own."""

_NOBODY = {"admin", "debian", "fedora", "home", "localhost", "root", "runner", "ubuntu", "user", "users"}
"""Names of users and hosts that tell nothing."""

_FOLDERS = re.compile(r"(?:~?/|[A-Za-z]:[\\/]|\\\\)[^:\n]*[\\/]")
"""All of a path but its last part, blanks included."""


def public_training(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a training; images that could not be read go by their file names."""
    if "unreadable" not in facts:
        return dict(facts)
    messages = [_FOLDERS.sub("", message) for message in facts["unreadable"]]
    return {**facts, "unreadable": messages}


def public_recipe(value: Any) -> Any:
    """A training's configuration without places; what else is a path goes by its last part."""
    if isinstance(value, dict):
        kept = {key: public_recipe(inner) for key, inner in value.items() if key not in _ELSEWHERE}
        weights = kept.get("weights")
        if isinstance(weights, str) and not weights.startswith(HUB):
            kept["weights"] = _leaf(weights)
        return kept
    if isinstance(value, list):
        return [public_recipe(inner) for inner in value]
    return _leaf(value) if isinstance(value, str) and PLACE.match(value) else value


def _leaf(place: str) -> str:
    """The last part of a path of any system."""
    return re.split(r"[\\/]", place.rstrip("\\/"))[-1]


def own_names(repo: str) -> dict[str, str]:
    """Words that would tell where this is, by kind; without those of the repository and everyone's."""
    found = {"home folder": str(Path.home()), "host name": socket.gethostname().partition(".")[0]}
    with suppress(OSError, KeyError):
        found["user name"] = getpass.getuser()
    public = _NOBODY | set(re.split(r"\W", repo.lower()))
    return {kind: name for kind, name in found.items() if len(name) > 3 and name.lower() not in public}


def traces(path: Path, names: Mapping[str, str]) -> Iterator[str]:
    """Where a file tells of the machine: field or line, kind and text.

    Args:
        path: Weights, JSON or plain text.
        names: What ``own_names`` returned.
    """
    for field, text in _texts(path):
        rest = _ADDRESS.sub("", text)
        for place in PLACE.finditer(rest):
            yield f"{field}: path {place[0]}"
        for kind, name in names.items():
            if re.search(rf"(?<![\w/]){re.escape(name)}(?!\w)", rest):
                yield f"{field}: {kind} {name}"


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            yield from _fields(file.metadata() or {}, "metadata")
            yield from (("tensors", name) for name in file.keys())
    elif path.suffix == ".json":
        yield from _fields(json.loads(path.read_text(encoding="utf-8")))
    else:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"line {number}", line


def _fields(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"a key of {field or 'the whole'}", str(key)
            yield from _fields(inner, f"{field}.{key}" if field else str(key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _fields(inner, f"{field}[{i}]")
    elif isinstance(value, str):
        yield field, value

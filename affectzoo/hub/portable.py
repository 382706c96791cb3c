"""Records for readers elsewhere: without what only the machine that measured can read, or nobody should."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from affectzoo.errors import AffectZooError
from affectzoo.hub.privacy import public_training


def public_record(record: Mapping[str, Any], name: str, spec: str, *, key: str) -> dict[str, Any]:
    """A record of a model for readers elsewhere: without predictions, and without this machine's places.

    Args:
        record: Of a model as it is.
        name: The model's for them; the system keeps a name that it was given and did not have from its path.
        spec: What they load the model by.
        key: See ``public_key``.

    Raises:
        AffectZooError: No file can have this key.
    """
    if not re.fullmatch(r"[\w.+-]+", key):
        raise AffectZooError(f"a record called {key!r}: expected letters, digits and ._+- alone")
    model = record["model"]
    return {
        **{field: value for field, value in record.items() if field != "predictions"},
        "key": key,
        "system": name if record["system"] == record["spec"] else record["system"],
        "spec": spec,
        "model": {**model, "training": public_training(model["training"])},
        "command": portable_command(record["command"], spec),
    }


def public_key(record: Mapping[str, Any], name: str | None = None) -> str:
    """A record's key with a name for others, or none, in place of the system's, which may be a path."""
    protocol = record["protocol"]
    tested = protocol["name"] or f"{protocol['data']['test']}_{protocol['split']}_split"
    sum_ = record["key"].rpartition("-")[2]
    return f"{tested}-{sum_}" if name is None else f"{tested}-{name}-{sum_}"


_FILLED_IN = {"--out": "board", "--detector-file": "FILE", "--data.root": "DIR"}
_WEIGHTS = ("--models", "--model.weights", "--ckpt_path")


def portable_command(command: str, spec: str) -> str:
    """Replace what is elsewhere on each machine in a command.

    Args:
        command: Of a record: ``affectzoo benchmark``, ``test`` or ``validate``.
        spec: The model's name for others.

    Returns:
        The same with ``DIR`` for folders of data, ``board`` for that of results, ``FILE`` for a detector's
        file, ``recipe.yaml`` for a run's configuration and ``spec`` for the model; the models of folds are
        ``DIR/fold_{fold}``.

    Raises:
        AffectZooError: It is no command of a shell.
    """
    try:
        typed = shlex.split(command)
    except ValueError as error:
        raise AffectZooError(f"a record's command cannot be read ({error}): {command}") from None
    known = {*_FILLED_IN, *_WEIGHTS, "--config", "--run_dir"}
    words: list[str] = []
    for word in typed:  # --option=value and --option value alike
        name, equals, value = word.partition("=")
        words += [name, value] if equals and name in known else [word]
    told: list[str] = []
    for option, word in zip(["", *words], words, strict=False):
        if "--run_dir" in (option, word):
            continue
        if option == "--data":
            word = f"{word.partition('=')[0]}=DIR"
        elif option == "--config" and not word.startswith("recipes/"):
            word = "recipe.yaml"
        elif option in _WEIGHTS:
            word = "DIR/fold_{fold}" if "{fold}" in word else spec
        told.append("--model.weights" if word == "--ckpt_path" else _FILLED_IN.get(option, word))
    return shlex.join(told)

"""Records for readers elsewhere: without what only the machine that measured can read, or nobody should."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from affectzoo.errors import AffectZooError
from affectzoo.evaluation.record import (
    Identity,
    command_words,
    misfit,
    read_listed,
    records_of,
)
from affectzoo.hub.privacy import public_training
from affectzoo.store import HUB


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
    known = {*_FILLED_IN, *_WEIGHTS, "--config", "--run_dir"}
    try:
        words = command_words(command, known)
    except ValueError as error:
        raise AffectZooError(f"a record's command cannot be read ({error}): {command}") from None
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


def published_records(
    beside: Path,
    given: Sequence[Path],
    identity: Identity,
    *,
    name: str,
    repo: str,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Records of these weights, each once: those beside them and those that were given.

    Args:
        beside: The folder of the weights, which may have ``records``.
        given: Records, or folders of benchmarks.
        identity: The weights.
        name: Theirs.
        repo: ``OWNER/NAME`` on the Hub.
        say: Told of records beside the weights that are of other ones, and passed over.

    Raises:
        AffectZooError: What was given has no record of these weights, or one lacks something.
    """
    found = records_of(beside, identity, say)
    for path in given:
        records = read_listed([path])
        misfits = [misfit(record, identity) for record in records]
        if None not in misfits:
            raise AffectZooError(f"{path}: no record of these weights: {'; '.join(map(str, misfits))}")
        found += [record for record, reason in zip(records, misfits, strict=True) if reason is None]
    public = [_published(record, str(identity.tensors), name, repo) for record in found]
    return list({record["key"]: record for record in public}.values())


def record_path(record: Mapping[str, Any]) -> str:
    """Where a published model has a record."""
    return f"records/{record['key']}.json"


def _published(record: Mapping[str, Any], tensors: str, name: str, repo: str) -> dict[str, Any]:
    """A record of the published model.

    All of a repository's records are of its one model, so that their keys need not name it. The sum of the
    tensors tells that they are of these weights, whose file is not the one that was measured.
    """
    public = public_record(record, name, f"{HUB}{repo}", key=public_key(record))
    return {**public, "model": {**public["model"], "tensors_sha256": tensors}}

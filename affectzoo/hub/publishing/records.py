"""The records of a benchmark that go with a published model: those of its weights, without places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from affectzoo.errors import AffectZooError
from affectzoo.evaluation.record import Identity, misfit, read_record, read_records, records_of
from affectzoo.hub.portable import public_key, public_record
from affectzoo.store import HUB


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
        records = read_records(path) if path.is_dir() else [read_record(path)]
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

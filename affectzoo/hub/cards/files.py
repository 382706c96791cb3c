"""The repository's cards and the records that they are made from, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from affectzoo import store
from affectzoo.errors import AffectZooError, WeightsError
from affectzoo.evaluation.record import Identity, misfit, read_record
from affectzoo.hub.cards.card import render, render_untrained
from affectzoo.hub.cards.facts import CardFacts
from affectzoo.hub.cards.prose import read_prose
from affectzoo.hub.public_records import portable_command, public_key, public_record
from affectzoo.store import ASSETS
from affectzoo.zoo.listing import architectures

FOLDER = ASSETS.parent.parent / "model_cards"
COMMAND = "python -m affectzoo.hub.cards"


def cards(folder: Path = FOLDER) -> dict[Path, str]:
    """Every card that there should be, with the prose of those that are there.

    Args:
        folder: ``model_cards`` of a checkout.

    Raises:
        AffectZooError: The folder is not there, or a card's or a record's file is wrong.
        WeightsError: A record is of other weights.
    """
    if not folder.is_dir():
        raise AffectZooError(f"{folder}: no such folder; {COMMAND} works in a checkout of the repository")
    found = {}
    for name, entry in store.entries().items():
        path = folder / f"{name}.md"
        records = [_own(read_record(file), entry, file) for file in kept_records(name, folder)]
        found[path] = _card(entry, records, _kept(path))
    for row in architectures():
        name, path = row["name"], folder / f"{row['name']}.md"
        if not row["weights"]:
            every = sorted((folder.parent / "recipes" / name).glob("*.yaml"))
            others = (f"recipes/{name}/{file.name}" for file in every)
            recipes = list(dict.fromkeys((row["recipe"], *others)))
            found[path] = render_untrained(name, row, recipes, _kept(path))
    return found


def kept_records(name: str, folder: Path = FOLDER) -> list[Path]:
    """The records of a set of weights beside the cards; none outside a checkout.

    Args:
        name: ``arch.tag``.
        folder: See ``cards``.
    """
    return sorted((folder / "records" / name).glob("*.json")) if name in store.entries() else []


def _card(entry: store.WeightsEntry, records: Sequence[Mapping[str, Any]], prose: Mapping[str, str]) -> str:
    sums = {entry.file: entry.sha256}
    facts = CardFacts(entry.name, entry.repo_id, sums, entry.parameters, entry.size, records, prose)
    return render(entry.meta, facts)


def _kept(path: Path) -> dict[str, str]:
    return read_prose(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}


def _own(record: dict[str, Any], entry: store.WeightsEntry, path: Path) -> dict[str, Any]:
    """A record, if it is of a set of weights.

    Raises:
        WeightsError: It is of others, or not of them alone.
    """
    reason = misfit(record, Identity(entry.sha256, None, entry.meta.preprocess.to_dict(), entry.meta.labels))
    if reason is not None:
        again = portable_command(record["command"], entry.name)
        raise WeightsError(f"{path}: no record of {entry.name}: {reason}; measure it: {again}")
    return record


def keep_record(name: str, path: Path, folder: Path = FOLDER) -> Path:
    """Copy a record of a benchmark to the cards, without this machine's paths.

    Whatever they were measured as, its key names the weights, as a leaderboard's does. The sum of their file
    is enough to tell whose it is: what the zoo knows is the very file that was measured.

    Args:
        name: ``arch.tag``, whose record it is.
        path: The record.
        folder: See ``cards``.

    Raises:
        AffectZooError: It is no record, or no file can have its key.
        WeightsError: It is of other weights, or the zoo knows none of this name.
    """
    entry = store.entries().get(name)
    if entry is None:
        raise WeightsError(f"{name}: records are kept of {', '.join(store.entries())}")
    record = _own(read_record(path), entry, path)
    record = public_record(record, name, name, key=public_key(record, name))
    _card(entry, [record], {})  # one that no card can show replaces none
    target = folder / "records" / name / f"{record['key']}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def stale(folder: Path = FOLDER) -> list[Path]:
    """Cards that are missing, not as they would be written now, or of nothing in the zoo."""
    wanted = cards(folder)
    wrong = [p for p, card in wanted.items() if not p.is_file() or p.read_text(encoding="utf-8") != card]
    return wrong + sorted(set(folder.glob("*.md")) - set(wanted))


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the cards that are stale and delete those of nothing in the zoo; returns which."""
    wanted, wrong = cards(folder), stale(folder)
    for path in wrong:
        if path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return wrong

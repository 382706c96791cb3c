"""``affectzoo compare``: which results of a benchmark's folder to compare, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.benchmark.comparison import Comparison, compare
from affectzoo.benchmark.records import counted, read_records, read_table
from affectzoo.console import stdout
from affectzoo.errors import AffectZooError, UnknownNameError

if TYPE_CHECKING:
    import argparse

    from rich.table import Table

Record = dict[str, Any]


def command(args: argparse.Namespace) -> None:
    """``affectzoo compare DIR FIRST SECOND``: say which of two systems of a benchmark is better.

    Args:
        args: ``folder``, ``first``, ``second``, ``metric`` or ``None``, and ``json``.

    Raises:
        AffectZooError: See ``compare``; a system is not in the folder, or the two have no faces in common.
    """
    folder = Path(args.folder)
    results = []
    for one, other in _pairs(read_records(folder), args.first, args.second):
        mine, theirs = (read_table(counted(folder, record)) for record in (one, other))
        field = "key" if one["system"] == other["system"] else "system"
        protocol = one["protocol"].get("name") or one["protocol"].get("title")
        result = compare(mine, theirs, args.metric, first=one[field], second=other[field])
        results.append((f"{protocol}{_seeds(one, other)}", result))
    if args.json:
        print(json.dumps([result.to_dict(title) for title, result in results], indent=2))
        return
    console = stdout()
    for title, result in results:
        console.print(_table(result, title))
        console.print(f"{result.verdict[0].upper()}{result.verdict[1:]}.", markup=False)


def _pairs(records: Sequence[Record], first: str, second: str) -> list[tuple[Record, Record]]:
    """What to compare: results on the same faces, run by run where both systems have as many."""
    some, others = (_named(records, name) for name in (first, second))
    pairs: list[tuple[Record, Record]] = []
    for faces in dict.fromkeys(_faces(record) for record in some):
        here, there = ([r for r in found if _faces(r) == faces] for found in (some, others))
        runs = (
            zip(here, there, strict=True)
            if len(here) == len(there)
            else zip(here[:1], there[:1], strict=False)
        )
        pairs += runs
    if not pairs:
        raise AffectZooError(f"{first} and {second} were not measured on the same faces")
    return pairs


def _named(records: Sequence[Record], name: str) -> list[Record]:
    """The record of a key, or all of a system, by seed."""
    found = [r for r in records if r["key"] == name] or [r for r in records if r["system"] == name]
    if not found:
        raise UnknownNameError("system", name, {r[field] for r in records for field in ("system", "key")})
    return sorted(found, key=lambda r: (_seed(r) is not None, _seed(r) or 0, r["key"]))


def _faces(record: Record) -> tuple[Any, ...]:
    protocol = record["protocol"]
    name = protocol.get("name") or protocol["title"]
    return name, protocol["hash"], protocol.get("truth"), protocol.get("detector")


def _seed(record: Record) -> Any:
    return record.get("model", {}).get("training", {}).get("seed")


def _seeds(one: Record, other: Record) -> str:
    """Which runs are compared, where that is known."""
    seeds = [_seed(one), _seed(other)]
    known = dict.fromkeys(str(seed) for seed in seeds if seed is not None)
    return f", seed {' and '.join(known)}" if known else ""


def _table(result: Comparison, title: str) -> Table:
    from rich.table import Table

    table = Table(title=f"{title}: {result.metric}, {result.faces:,} faces", title_justify="left")
    for name in (result.first, result.second, "difference", "low", "high"):
        table.add_column(name, justify="right")
    numbers = (*result.values, result.difference, result.low, result.high)
    table.add_row(*(f"{value:.4f}" for value in numbers))
    return table

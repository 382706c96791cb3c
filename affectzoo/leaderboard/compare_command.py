"""``affectzoo compare``: which results of a benchmark's folder to compare, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.benchmark.comparison import Comparison, compare
from affectzoo.console import print_json, stderr, stdout
from affectzoo.errors import AffectZooError, UnknownNameError
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.record import counted, read_records
from affectzoo.leaderboard.groups import at

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
    for some, others in _matches(read_records(folder, stderr().print), args.first, args.second):
        mine, theirs = ([read_table(counted(folder, record)) for record in runs] for runs in (some, others))
        protocol = some[0]["protocol"].get("name") or some[0]["protocol"].get("title")
        names = _names(some, others)
        result = compare(mine, theirs, args.metric, first=names[0], second=names[1])
        results.append((f"{protocol}{_seeds([*some, *others])}", result))
    if args.json:
        print_json([result.to_dict(title) for title, result in results])
        return
    console = stdout()
    for title, result in results:
        console.print(_table(result, title))
        console.print(f"{result.verdict}.")


Runs = tuple[list[Record], list[Record]]


def _matches(records: Sequence[Record], first: str, second: str) -> list[Runs]:
    """Results on the same faces: all runs of both together, then run by run where there are as many."""
    some, others = (_named(records, name) for name in (first, second))
    if same := {r["key"] for r in some} & {r["key"] for r in others}:
        raise AffectZooError(f"{first} and {second}: {', '.join(sorted(same))} would be compared with itself")
    matches: list[Runs] = []
    for faces in dict.fromkeys(_faces(record) for record in some):
        here, there = ([r for r in found if _faces(r) == faces] for found in (some, others))
        if there:
            matches.append((here, there))
        if len(here) == len(there) > 1:
            matches += [([one], [other]) for one, other in zip(here, there, strict=True)]
    if not matches:
        raise AffectZooError(f"{first} and {second} were not measured on the same faces")
    return matches


def _names(some: Sequence[Record], others: Sequence[Record]) -> list[str]:
    """What to call both: by their systems, or where these are one, a single run by its key."""
    names = [runs[0]["system"] for runs in (some, others)]
    if names[0] != names[1]:
        return names
    return [runs[0]["key"] if len(runs) == 1 else runs[0]["system"] for runs in (some, others)]


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
    return at(record, "model", "training", "seed")


def _seeds(records: Sequence[Record]) -> str:
    """Which runs are compared, where that is known."""
    known = dict.fromkeys(str(seed) for record in records if (seed := _seed(record)) is not None)
    return f", seed{'s' * (len(known) > 1)} {', '.join(known)}" if known else ""


def _table(result: Comparison, title: str) -> Table:
    from rich.table import Table

    heading = f"{title}: {result.metric}, {result.faces:,} faces"
    table = Table(title=heading, title_justify="left", min_width=len(heading))
    for name in (result.first, result.second, "difference", "low", "high"):
        table.add_column(name, justify="right")
    numbers = (*result.values, result.difference, result.low, result.high)
    table.add_row(*(f"{value:.4f}" for value in numbers))
    return table

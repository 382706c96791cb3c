"""``affectzoo reproduce``: what to type to get a record's figures again, and whether they come out equal."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.console import stdout
from affectzoo.errors import AffectZooError, OptionError
from affectzoo.evaluation import source
from affectzoo.evaluation.machine import versions
from affectzoo.evaluation.record import command_words, read_record, read_records
from affectzoo.leaderboard.groups import at
from affectzoo.metrics.names import title as metric_title

if TYPE_CHECKING:
    from rich.table import Table

Record = Mapping[str, Any]

FOLDERS = {"benchmark": "--out", "test": "--run_dir", "validate": "--run_dir", "cross-validate": "--run_dir"}
"""Commands that records come from, and their options for where results go."""

ROOTS = ("--data.root", "--data.init_args.root")
"""Options of those that train for where the data set is."""

SAME = (
    ("faces", "protocol", "hash"),
    ("ground truth", "protocol", "truth"),
    ("weights", "model", "tensors_sha256"),
)
"""What must be the record's, and where it stands."""

TOLERANCE = 1e-3
"""By how much a figure may differ; other processors and versions round scores otherwise."""


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo reproduce``.

    Args:
        args: ``record``, ``data``, ``out`` and ``measure``.

    Raises:
        AffectZooError: The record cannot be read or measured again; or figures differ.
    """
    record = read_record(args.record)
    measuring = measuring_command(record, source.roots("--data", args.data), args.out)
    console = stdout()
    for line in facts(record, measuring):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not args.measure:
        return
    if args.out.exists():
        raise OptionError(f"--out {args.out}: is there already; name a new folder")
    done = subprocess.run([sys.executable, "-m", *measuring], check=False)
    if done.returncode:
        raise AffectZooError(f"measuring ended with status {done.returncode}; what it said is above")
    again = _counterpart(record, read_records(args.out), args.out)
    for what, *path in SAME:
        was, now = at(record, *path), at(again, *path)
        if was is not None and was != now:
            raise AffectZooError(f"{args.out}: measured with other {what} than the record ({was[:12]})")
    console.print(_table(record, again))
    apart = differing(record, again)
    if apart:
        raise AffectZooError(f"figures differ by more than {TOLERANCE:g}: {', '.join(apart)}")


def measuring_command(record: Record, roots: Mapping[str, Path], out: Path) -> list[str]:
    """The command behind a record, with folders of this machine.

    Args:
        record: Of ``affectzoo benchmark``, ``test``, ``validate`` or ``cross-validate``.
        roots: Where data sets are, by name; others stay where the record says.
        out: Where the new results go, and nowhere else, whatever the record says.

    Raises:
        OptionError: ``roots`` has a data set that the record is not of.
        AffectZooError: The record does not say by what command it was made.
    """
    try:
        words = command_words(record["command"], {*FOLDERS.values(), *ROOTS, "--data"})
    except ValueError:
        words = []
    if words[:1] != ["affectzoo"] or words[1:2] == [] or words[1] not in FOLDERS:
        raise AffectZooError(
            f"the record does not say by what command of affectzoo it was made: none of {', '.join(FOLDERS)}"
        )
    told, option, tested = words[:2], "", record["protocol"]["data"]["test"]
    named = set()
    for word in words[2:]:
        option = word if word.startswith("--") else option
        if option in FOLDERS.values():
            continue
        if option != word and option in ("--data", *ROOTS):
            name = word.partition("=")[0] if option == "--data" else tested
            if name in roots:
                word = f"{name}={roots[name]}" if option == "--data" else str(roots[name])
                named.add(name)
        told.append(word)
    if words[1] != "benchmark" and tested in roots and tested not in named:  # it stands in the configuration
        told += [ROOTS[0], str(roots[tested])]
        named.add(tested)
    for name in roots:
        if name not in named:
            raise OptionError(f"--data {name}={roots[name]}: the record is not of {name}, but of {tested}")
    return [*told, FOLDERS[words[1]], str(out)]


def _counterpart(record: Record, found: Sequence[Record], out: Path) -> Record:
    """Find a record among those of its command, which may have measured other systems, too."""
    if len(found) > 1:
        sought = record["system"], record["protocol"]["title"]
        found = [one for one in found if (one["system"], one["protocol"]["title"]) == sought]
    if len(found) != 1:
        raise AffectZooError(
            f"{out}: {len(found)} of the new records are of {record['system']}, expected one"
        )
    return found[0]


def facts(record: Record, measuring: list[str]) -> list[str]:
    """What a record is of, and what to type, line by line."""
    protocol, training = record["protocol"], at(record, "model", "training") or {}
    figures = [
        f"{metric_title(name)} {figure['value']:.4f}"
        for name, figure in record["metrics"].items()
        if figure["value"] is not None
    ]
    was, now = record.get("versions", {}), versions()
    others = {name: now.get(name, "none") for name in was if was[name] != now.get(name)}
    other = [f"{name} {was[name]} (here {found})" for name, found in others.items()]
    lines = [
        f"system    {record['system']}",
        f"measured  {protocol['title']}, {record['faces']['predicted']:,} faces",
        f"figures   {', '.join(figures[:3])}",
        f"weights   sha256 {', '.join(at(record, 'model', 'sha256') or ['not known'])}",
        f"versions  {', '.join(other) or ('as here' if was else 'not known')}",
    ]
    if recipe := training.get("recipe"):
        words = ["affectzoo", "fit", "--config", recipe, "--data.root", "DIR"]
        words += [] if training.get("seed") is None else ["--seed_everything", str(training["seed"])]
        if training.get("started_from"):
            words += ["--model.weights", training["started_from"], "--model.new_head", "true"]
        lines.append(f"train     {shlex.join(words)}")
    return [*lines, f"measure   {shlex.join(measuring)}"]


def differing(record: Record, again: Record) -> list[str]:
    """Names of the metrics whose values are not equal, but for ``TOLERANCE``."""
    pairs = {name: (f["value"], at(again, "metrics", name, "value")) for name, f in record["metrics"].items()}
    return [
        metric_title(name)
        for name, (was, now) in pairs.items()
        if (was is None) != (now is None) or (was is not None and abs(was - now) > TOLERANCE)
    ]


def _table(record: Record, again: Record) -> Table:
    from rich.table import Table

    table = Table("metric", "record", "again", title=f"{record['system']}, again", title_justify="left")
    for name, figure in record["metrics"].items():
        values = (figure["value"], at(again, "metrics", name, "value"))
        table.add_row(metric_title(name), *("-" if v is None else f"{v:.4f}" for v in values))
    return table

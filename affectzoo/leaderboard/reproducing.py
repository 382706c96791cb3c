"""``affectzoo reproduce``: what to type to get a record's figures again, and whether they come out equal."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.console import stdout
from affectzoo.errors import AffectZooError, OptionError
from affectzoo.evaluation import source
from affectzoo.evaluation.machine import versions
from affectzoo.evaluation.record import read_record, read_records
from affectzoo.leaderboard.groups import at
from affectzoo.metrics.names import title as metric_title

if TYPE_CHECKING:
    from rich.table import Table

Record = Mapping[str, Any]

FOLDERS = ("--out", "--run_dir")
"""Options of the commands that records come from: where their results go."""

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
    (again,) = read_records(args.out)
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
        record: Of ``affectzoo benchmark``, ``test`` or ``validate``.
        roots: Where data sets are, by name; others stay where the record says.
        out: Where the new results go.

    Raises:
        AffectZooError: The record does not say by what command it was made.
    """
    try:
        words = shlex.split(record["command"])
    except ValueError:
        words = []
    if words[:1] != ["affectzoo"]:
        raise AffectZooError("the record does not say by what command of affectzoo it was made")
    told: list[str] = []
    for option, word in zip(["", *words], words, strict=False):
        if option in FOLDERS:
            word = str(out)
        elif option == "--data":
            name, _, folder = word.partition("=")
            word = f"{name}={roots.get(name, folder)}"
        elif option == "--data.root":
            word = str(roots.get(record["protocol"]["data"]["test"], word))
        told.append(word)
    return told


def facts(record: Record, measuring: list[str]) -> list[str]:
    """What a record is of, and what to type, line by line."""
    protocol, training = record["protocol"], at(record, "model", "training") or {}
    figures = [
        f"{metric_title(name)} {figure['value']:.4f}"
        for name, figure in record["metrics"].items()
        if figure["value"] is not None
    ]
    was, now = record["versions"], versions()
    others = {name: now.get(name, "none") for name in was if was[name] != now.get(name)}
    other = [f"{name} {was[name]} (here {found})" for name, found in others.items()]
    lines = [
        f"system    {record['system']}",
        f"measured  {protocol['title']}, {record['faces']['predicted']:,} faces",
        f"figures   {', '.join(figures[:3])}",
        f"weights   sha256 {', '.join(at(record, 'model', 'sha256') or ['not known'])}",
        f"versions  {', '.join(other) or 'as here'}",
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

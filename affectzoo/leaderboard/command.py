"""``affectzoo benchmark`` and ``affectzoo leaderboard``: from the command line to records and pages."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from affectzoo.benchmark.runner import Task, benchmark, plain_split
from affectzoo.benchmark.systems import System, external, system
from affectzoo.console import print_json, stderr, stdout
from affectzoo.errors import AffectZooError
from affectzoo.evaluation import source
from affectzoo.evaluation.protocols import PROTOCOLS, find_protocol
from affectzoo.evaluation.record import read_records
from affectzoo.faces.detect import make_detector
from affectzoo.files.writing import try_writing
from affectzoo.leaderboard.board import board
from affectzoo.leaderboard.groups import Group, Record, groups
from affectzoo.leaderboard.report import gather, report
from affectzoo.leaderboard.tables import text
from affectzoo.zoo.loading import list_models

if TYPE_CHECKING:
    from rich.table import Table as RichTable


LEFT_TO_THE_PAGE = ("epoch", "license", "timed on", "kind", "trained on", "GFLOPs", "runs", "notes")
"""Columns of the pages that the screen has no room for."""


def command(args: argparse.Namespace) -> None:
    """Run ``affectzoo benchmark``.

    Raises:
        AffectZooError: Data, protocols and systems do not fit, or a pair failed; finished pairs stay.
    """
    from rich.progress import Progress

    tasks = _tasks(args)
    systems = _systems(args, tasks)
    try_writing(args.out / "leaderboard.md")
    screen = stderr()
    try:
        with Progress(console=screen, transient=True) as bars:
            bar = bars.add_task("benchmark", total=1.0)
            records = benchmark(
                tasks,
                systems,
                args.out,
                command=lambda task, one: _command(args, task, one),
                say=screen.print,
                progress=lambda share: bars.update(bar, completed=share),
            )
    except KeyboardInterrupt:
        screen.print(f"interrupted; what is done stays in {args.out}, the same command goes on from there")
        raise
    except AffectZooError:
        if any((args.out / "records").glob("*.json")):
            pages = report(args.out)
            screen.print(f"what is done stays in {args.out}, the same command goes on from there: {pages[1]}")
        raise
    pages = report(args.out)
    if args.json:
        print_json(records)
        return
    _show(read_records(args.out), {record["key"] for record in records}, pages)


def leaderboard_command(args: argparse.Namespace) -> None:
    """Run ``affectzoo leaderboard``: write the pages of a folder of records anew.

    Raises:
        AffectZooError: There are no records, or one is damaged.
    """
    pages = report(args.folder, lambda text: print(text, file=sys.stderr), args.record)
    records = gather(args.folder, args.record)
    _show(records, {record["key"] for record in records}, pages)


def _show(records: Sequence[Record], keys: set[str], pages: Sequence[Path]) -> None:
    """Print the tables of groups that have one of the keys, and where the pages are."""
    console = stdout()
    for group in groups(records):
        if any(record["key"] in keys for record in group.records):
            console.print(_table(group))
    console.print(f"leaderboard: {pages[1]}, {pages[0]}")


def _table(group: Group) -> RichTable:
    """The group's measured systems, with what readers should know in the caption."""
    from rich.table import Table as RichTable

    told = board(group, ())
    table = RichTable(
        title=group.heading,
        caption="\n".join(told.warnings),
        title_justify="left",
        caption_justify="left",
    )
    shown = [i for i, column in enumerate(told.measured.columns) if column.title not in LEFT_TO_THE_PAGE]
    columns = [told.measured.columns[i] for i in shown]
    for i, column in enumerate(columns):
        table.add_column(column.title, justify="right" if i else "left", no_wrap=i == 0)
    for row in told.measured.rows:
        table.add_row(*(text(row[i], column.digits) for i, column in zip(shown, columns, strict=True)))
    return table


def _tasks(args: argparse.Namespace) -> list[Task]:
    """What to measure on."""
    roots = source.roots("--data", args.data)
    detector = None if args.detector == "given" else make_detector(args.detector, args.detector_file)
    if args.split is not None:
        if args.protocol:
            raise AffectZooError(
                "--split takes a plain split and --protocol a published one: give one of them"
            )
        options = source.options(args.set)
        splits = [plain_split(name, args.split, root, options) for name, root in roots.items()]
        return [replace(s, detector=detector, note=args.note, robustness=args.robustness) for s in splits]
    if args.set:
        raise AffectZooError("--set goes with --split: a protocol's options are fixed")
    fitting = [p.name for p in PROTOCOLS.values() if set(p.datasets) <= set(roots)]
    names = args.protocol or fitting
    if not args.protocol and len(fitting) != 1:
        known = f"one of its protocols with --protocol: {', '.join(fitting)}" if fitting else "a --split: no "
        known += "" if fitting else "published protocol is on these data sets alone"
        raise AffectZooError(f"{', '.join(roots)}: name {known}")
    tasks = []
    for name in names:
        protocol = find_protocol(name)
        if protocol.test.dataset not in roots:
            raise AffectZooError(
                f"{name} is on {' and '.join(protocol.datasets)}: say where it is, "
                f"--data {protocol.test.dataset}=DIR"
                + (f" (protocols on what was given: {', '.join(fitting)})" if fitting else "")
            )
        own = {data: roots[data] for data in protocol.datasets if data in roots}
        tasks.append(Task(protocol, own, None, detector, args.note, args.robustness))
    return tasks


def _systems(args: argparse.Namespace, tasks: Sequence[Task]) -> list[System]:
    """What to measure; by default all bundled weights that can answer."""
    found: list[System] = [external(text) for text in args.predictions]
    texts = args.models
    if not texts and not found:
        every = [system(name, args.batch_size) for name in list_models(pretrained=True)]
        fitting = [one for one in every if any(one.misfit(task.protocol) is None for task in tasks)]
        if not fitting:
            raise AffectZooError("none of the zoo's pretrained models can answer here: name --models")
        return fitting
    return [*found, *(system(text, args.batch_size) for text in texts)]  # files are checked soonest


def _command(args: argparse.Namespace, task: Task, one: System) -> str:
    """The command that measures one pair again."""
    words = ["affectzoo", "benchmark"]
    for name, root in task.roots.items():
        words += ["--data", f"{name}={root}"]
    named = one.spec if one.name == one.spec else f"{one.name}={one.spec}"
    words += ["--predictions" if one.kind == "external" else "--models", named]
    words += ["--protocol", task.protocol.name] if task.split is None else ["--split", task.split]
    for pair in args.set:
        words += ["--set", pair]
    if task.detector is not None:
        words += ["--detector", args.detector]
        words += [] if args.detector_file is None else ["--detector-file", str(args.detector_file)]
    if task.note:
        words += ["--note", task.note]
    words += ["--robustness"] if task.robustness else []
    return shlex.join([*words, "--out", str(args.out)])

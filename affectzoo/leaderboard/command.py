"""``affectzoo benchmark``: from the command line to records and pages."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace

from affectzoo.benchmark.runner import Task, benchmark, plain_split
from affectzoo.benchmark.systems import System, external, system
from affectzoo.console import print_json, stderr
from affectzoo.errors import AffectZooError
from affectzoo.evaluation import source
from affectzoo.evaluation.protocols import PROTOCOLS, find_protocol
from affectzoo.evaluation.record import read_records
from affectzoo.faces.detect import make_detector
from affectzoo.files.writing import try_writing
from affectzoo.leaderboard.pages_command import show
from affectzoo.leaderboard.report import report
from affectzoo.zoo.loading import list_models


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
    show(read_records(args.out), {record["key"] for record in records}, pages)


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

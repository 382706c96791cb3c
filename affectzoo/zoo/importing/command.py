"""``affectzoo import``: from the command line to a weights file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from affectzoo.console import stdout
from affectzoo.errors import AffectZooError
from affectzoo.faces.preprocess import Preprocess
from affectzoo.files.text import parse_yaml
from affectzoo.registry import architecture
from affectzoo.zoo.importing.checkpoint import import_checkpoint
from affectzoo.zoo.importing.placing import parse_mapping
from affectzoo.zoo.importing.report import ImportReport, check_out

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 30
"""Most faults on screen."""


def command(args: argparse.Namespace) -> None:
    """``affectzoo import CHECKPOINT``: bring a checkpoint into the zoo's format.

    Args:
        args: ``checkpoint``, ``arch``, ``out``, ``labels`` or ``task``, ``map``, ``set``, ``preprocess``,
            ``license``, ``dry_run`` and ``json``.

    Raises:
        AffectZooError: See ``import_checkpoint``; or something does not fit, and nothing was written.
    """
    out = check_out(args.out)
    values = dict(_pairs("--set", args.set, parse_yaml))
    report = import_checkpoint(
        args.checkpoint,
        args.arch,
        task=args.task,
        labels=args.labels,
        mapping=parse_mapping(args.map),
        arguments=values,
        preprocess=_preprocess(args.arch, args.preprocess),
        license=dict(_pairs("--license", args.license, lambda value, _: value)),
    )
    if args.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        console = stdout()
        console.print(_table(report))
        lines = [*report.notes, *report.faults[:SHOWN]]
        if len(report.faults) > SHOWN:
            lines.append(f"and {len(report.faults) - SHOWN} more: --json lists all")
        if report.left_out:
            lines.append(f"Left out: {', '.join(report.left_out)}.")
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)
    report.complete_model()
    if not args.dry_run:
        report.write(out)
    told = "nothing written (--dry-run)" if args.dry_run else f"written: {out}"
    print(f"{report.source.name}: {len(report.mapped)} tensors; {told}", file=sys.stderr)


def _table(report: ImportReport) -> Table:
    from rich.table import Table

    table = Table("old name", "new name", "shape", title=f"{report.source.name} as {report.meta.arch}")
    for pair in report.mapped:
        table.add_row(pair.old, pair.new, " x ".join(map(str, pair.shape)))
    return table


def _pairs(option: str, texts: Sequence[str], read: Callable[[str, str], Any]) -> Iterator[tuple[str, Any]]:
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise AffectZooError(f"{option} {text}: expected the form {option} KEY=VALUE")
        yield key, read(value, f"{option} {text}")


def _preprocess(arch: str | None, texts: Sequence[str]) -> Preprocess | None:
    """The architecture's own with some fields changed."""
    values = dict(_pairs("--preprocess", texts, parse_yaml))
    if not values:
        return None
    if arch is None:
        raise AffectZooError("--preprocess changes what an architecture has; name that, too: --arch ARCH")
    for name in {"mean", "std"} & set(values):
        values[name] = values[name] if isinstance(values[name], list) else [values[name]]
    own = architecture(arch).load_class().default_preprocess
    try:
        return Preprocess.from_dict(own.to_dict() | values)
    except (TypeError, ValueError) as error:
        raise AffectZooError(f"--preprocess {' '.join(texts)}: {error}") from None

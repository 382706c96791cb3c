"""Say what is wrong with a copy of a data set: its layout, labels, images, counts and duplicates."""

from __future__ import annotations

import argparse
import inspect
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from affectzoo.console import counted, print_json, stderr, stdout
from affectzoo.datasets.index import FaceIndex
from affectzoo.datatools import checks
from affectzoo.datatools.duplicates import duplicates, shown
from affectzoo.datatools.findings import CheckReport, Finding, Severity
from affectzoo.datatools.scan import Watch, scan
from affectzoo.errors import AffectZooError, DataError, DataNotFoundError
from affectzoo.evaluation.source import data_module, options, roots
from affectzoo.files.faults import all_faults
from affectzoo.registry import data_set

OWN = ("folder", "table")
"""Data sets that users put together themselves, and so can mend."""
SHOWN = 5
"""Cases of each kind that are printed."""


def check(
    name: str,
    root: Path,
    *,
    options: Mapping[str, Any] | None = None,
    against: Mapping[str, Path] | None = None,
    pictures: bool = True,
    watch: Watch = lambda items, total: items,
) -> CheckReport:
    """Check a copy of a data set.

    Args:
        name: See ``affectzoo.registry.DATASETS``.
        root: Its folder.
        options: Of its data module, such as ``fold`` or ``part``.
        against: Folders of other data sets by name; images that are there too are found.
        pictures: Whether to open the images; without, nothing is said of what they show.
        watch: Shows progress while images are opened.

    Raises:
        UnknownNameError: There is no such data set.
        OptionError: The data module has no such option, or one has a value of another kind.
    """
    index, findings = _read(name, Path(root), options or {})
    if index is not None:
        folds = "fold" in inspect.signature(data_set(name).load_class()).parameters
        findings += checks.left_out(index)
        findings += checks.counts(index, {} if options else data_set(name).counts)
        findings += checks.label_findings(index)
        findings += checks.name_findings(index)
        findings += checks.groups(index, "fault" if folds else "note")
        findings += checks.files(index)
        if pictures:
            findings += _look(name, index, against or {}, watch)
    faces = {} if index is None else index.split_counts()
    ordered = sorted(dict.fromkeys(findings), key=lambda finding: finding.severity)
    return CheckReport(name, str(root), faces, tuple(ordered))


def _look(name: str, index: FaceIndex, against: Mapping[str, Path], watch: Watch) -> list[Finding]:
    """What the images show, alone and beside those of other data sets."""
    seen = scan(index, watch)
    findings = [*checks.unreadable(index, seen), *checks.outside(index, seen)]
    compared = shown(name, index, seen)
    for other, folder in against.items():
        theirs, problems = _read(other, Path(folder), {})
        if theirs is None:
            findings += problems
        else:
            compared += shown(f"{other} in {folder}", theirs, scan(theirs, watch))
    return findings + list(duplicates(compared, name, "fault" if name in OWN else "note"))


def _read(name: str, root: Path, options: Mapping[str, Any]) -> tuple[FaceIndex | None, list[Finding]]:
    """The index, if the files allow for one, and what is wrong with single rows."""
    index, stopped = None, None
    module = data_module(name, root, options)
    with all_faults() as faults, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            index = module.read()
        except DataError as error:
            stopped = error
        except AffectZooError:  # options that do not go together
            raise
        except Exception as error:  # the last guard: a check never ends in a traceback
            reason = f"the reader failed ({type(error).__name__}: {error}); please report this"
            stopped = DataError(f"{root}: {reason}")
    findings = [checks.finding(error) for error in faults]
    if stopped is not None:
        # Rows at fault may be why no row is left; then this says no more than they do.
        severity: Severity = "note" if faults and isinstance(stopped, DataNotFoundError) else "fault"
        findings.append(checks.finding(stopped, severity))
    findings += [
        Finding("reader's warning", "note", str(root), str(item.message))
        for item in warned
        if issubclass(item.category, UserWarning)
    ]
    return index, findings


def command(args: argparse.Namespace) -> None:
    """``affectzoo data check``: print what was found; status 1 when there is a fault."""
    from rich.progress import track

    def watch(items: Iterable[Any], total: int) -> Iterable[Any]:
        return track(
            items,
            description="pictures",
            total=total,
            console=stderr(),
            transient=True,
            disable=not sys.stderr.isatty(),
        )

    report = check(
        args.name,
        args.root,
        against=roots("--against", args.against),
        pictures=not args.no_pictures,
        watch=watch,
        options=options(args.set),
    )
    if args.json:
        print_json(asdict(report))
    else:
        _print(report)
    if report.faults:
        raise SystemExit(1)


def _print(report: CheckReport) -> None:
    from rich.table import Table

    console = stdout()
    table = Table("found", "is a", "cases", "first")
    for kind, findings in report.by_kind().items():
        number = f"{sum(finding.count for finding in findings):,}"
        table.add_row(kind, findings[0].severity, number, findings[0].message, style=_style(findings[0]))
    faces = ", ".join(f"{split} {count:,}" for split, count in report.faces.items()) or "none"
    if report.findings:
        console.print(table)
    for kind, findings in report.by_kind().items():
        console.print(kind, style=_style(findings[0]))
        for finding in findings[:SHOWN]:
            text = ": ".join(filter(None, (f"  {finding.where}", finding.message))) + (
                f" ({finding.count:,})" if finding.count > 1 else ""
            )
            console.print(text, soft_wrap=True)
        if len(findings) > SHOWN:
            console.print(f"  and {len(findings) - SHOWN:,} more (--json lists all)")
    faults, notes = len(report.faults), len(report.findings) - len(report.faults)
    told = f"{counted(faults, 'fault')}, {counted(notes, 'note')}"
    console.print(f"{report.dataset}: faces: {faces}; {told}", highlight=False)


def _style(finding: Finding) -> str:
    return "red" if finding.severity == "fault" else ""

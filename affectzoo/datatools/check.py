"""What is wrong with a copy of a data set: its layout, labels, pictures, counts and duplicates."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from affectzoo.console import stdout
from affectzoo.datasets.index import FaceIndex
from affectzoo.datatools.scan import Picture, Watch, near_pairs, scan
from affectzoo.errors import AffectZooError, DataError, DataNotFoundError, LabelError, UnreadableImageError
from affectzoo.evaluation.source import options, read
from affectzoo.files.faults import all_faults
from affectzoo.files.images import SUFFIXES
from affectzoo.files.videos import SUFFIXES as VIDEO_SUFFIXES
from affectzoo.files.videos import Video
from affectzoo.registry import data_set

Severity = Literal["fault", "note"]
OWN = ("folder", "table")
"""Data sets that users put together themselves, and so can mend."""
TOLERANCE = 1.0
"""Pixels by which landmarks and boxes may leave their picture unnoticed."""
FEW = 10
"""Fewer values than this may be equal by chance."""
FLAT = 1.0
"""Least standard deviation of the grey values of a picture that shows anything."""
SHOWN = 5
"""Cases of each kind that are printed."""


@dataclass(frozen=True)
class Finding:
    """Something found.

    Attributes:
        kind: What it is, in a few words; the same for all findings of a kind.
        severity: ``fault``: to be mended, or faces are lost or wrong; ``note``: to know about.
        where: File and line, as the reader says, or a folder.
        message: What is the matter there.
        count: How many faces, files or frames it stands for.
    """

    kind: str
    severity: Severity
    where: str
    message: str
    count: int = 1


@dataclass(frozen=True)
class CheckReport:
    """Everything found in one copy of a data set.

    Attributes:
        dataset: Its name in the zoo.
        root: Its folder.
        faces: Number of faces by split, as the reader returns them.
        findings: Faults first, then notes, each by kind in the order in which they were looked for.
    """

    dataset: str
    root: str
    faces: Mapping[str, int]
    findings: Sequence[Finding]

    @property
    def faults(self) -> list[Finding]:
        """The findings that are faults."""
        return [finding for finding in self.findings if finding.severity == "fault"]

    def by_kind(self) -> dict[str, list[Finding]]:
        """The findings of each kind."""
        kinds: dict[str, list[Finding]] = {}
        for finding in self.findings:
            kinds.setdefault(finding.kind, []).append(finding)
        return kinds


def check(
    name: str,
    root: Path,
    *,
    against: Mapping[str, Path] | None = None,
    pictures: bool = True,
    watch: Watch = lambda items, total: items,
    **arguments: Any,
) -> CheckReport:
    """Check a copy of a data set.

    Args:
        name: See ``affectzoo.registry.DATASETS``.
        root: Its folder.
        against: Folders of other data sets by name; pictures that are there too are found.
        pictures: Whether to open the pictures; without, nothing is said of what they show.
        watch: Shows progress while pictures are opened.
        **arguments: Of its data module, such as ``fold`` or ``part``.

    Raises:
        UnknownNameError: There is no such data set.
        AffectZooError: The data module has no such argument.
    """
    index, findings = _read(name, Path(root), arguments)
    if index is not None:
        folds = "fold" in inspect.signature(data_set(name).load_class()).parameters
        findings += _left_out(index)
        findings += _counts(index, {} if arguments else data_set(name).counts)
        findings += _labels(index)
        findings += _groups(index, "fault" if folds else "note")
        findings += _files(index)
        if pictures:
            seen = scan(index, watch)
            findings += _pictures(index, seen)
            findings += _inside(index, seen)
            shown = _shown(name, index, seen)
            for other, folder in (against or {}).items():
                theirs, problems = _read(other, Path(folder), {})
                findings += [finding for finding in problems if theirs is None]
                if theirs is not None:
                    shown += _shown(f"{other} in {folder}", theirs, scan(theirs, watch))
            findings += _duplicates(shown, name, "fault" if name in OWN else "note")
    faces = {} if index is None else index.split_counts()
    ordered = sorted(dict.fromkeys(findings), key=lambda finding: finding.severity)
    return CheckReport(name, str(root), faces, tuple(ordered))


def _read(name: str, root: Path, arguments: Mapping[str, Any]) -> tuple[FaceIndex | None, list[Finding]]:
    """The index, if the files allow for one, and what is wrong with single rows."""
    index, stopped = None, None
    with all_faults() as faults, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            index = read(name, root, **arguments)
        except DataError as error:
            stopped = error
    findings = [_finding(error) for error in faults]
    if stopped is not None:
        # Rows at fault may be why no row is left; then this says no more than they do.
        severity: Severity = "note" if faults and isinstance(stopped, DataNotFoundError) else "fault"
        findings.append(_finding(stopped, severity))
    findings += [
        Finding("reader's warning", "note", str(root), str(item.message))
        for item in warned
        if issubclass(item.category, UserWarning)
    ]
    return index, findings


def _finding(error: DataError, severity: Severity = "fault") -> Finding:
    kinds = {
        DataNotFoundError: "files not found",
        LabelError: "label outside the codes",
        UnreadableImageError: "cannot be opened",
    }
    where, _, message = str(error).partition(": ")
    return Finding(kinds.get(type(error), "row at fault"), severity, where, message)


def _left_out(index: FaceIndex) -> Iterator[Finding]:
    for reason, count in sorted(index.left_out.items()):
        if count:
            yield Finding("left out by the reader", "note", str(index.root), reason, count)


def _counts(index: FaceIndex, published: Mapping[str, int]) -> Iterator[Finding]:
    """Compare with what was published: by split, or all together under ``total``."""
    found = Counter(index.split_counts())
    total = found.total()
    if total + sum(index.left_out.values()) == sum(published.values()):
        return
    for split, expected in published.items():
        count = total if split == "total" else found[split]
        if count != expected:
            message = f"{split}: {count:,} faces, but {expected:,} were published"
            yield Finding("another count than published", "note", str(index.root), message)


def _labels(index: FaceIndex) -> Iterator[Finding]:
    for split in index.split_counts():
        part = index.part(split)
        counts = part.class_counts()
        for i in np.flatnonzero(counts == 0) if counts.any() else ():
            name = part.labels.names[i] if part.labels is not None else ""
            message = f"{split}: no face is labelled {name}"
            yield Finding("class without faces", "note", str(index.root), message)
        for name in ("valence", "arousal"):
            values = part.table[name].dropna()
            if len(values) >= FEW and values.nunique() == 1:
                message = f"{split}: {name} is {values.iloc[0]:g} for all of its {len(values):,} faces"
                where = str(part.table["source"][values.index[0]])
                yield Finding("constant values", "fault", where, message, len(values))


def _groups(index: FaceIndex, severity: Severity) -> Iterator[Finding]:
    """Subjects and clips that are in several splits, and the frames of clips.

    Args:
        index: The data set.
        severity: Of subjects in several splits.
    """
    table = index.table[["split", "subject", "clip", "frame", "source"]]
    severities: dict[str, Severity] = {"subject": severity, "clip": "fault"}
    for column, how in severities.items():
        known = table[table[column].notna()].drop_duplicates([column, "split"])
        for name, rows in known[known.duplicated(column, keep=False)].groupby(column):
            where, other = rows["source"].iloc[1], rows["source"].iloc[0]
            splits = " and ".join(rows["split"])
            message = f"{column} {name} is in {splits}, see {other}"
            yield Finding(f"{column} in several splits", how, where, message)
    for clip, rows in table[table["clip"].notna()].groupby("clip"):
        frames = np.sort([int(frame) for frame in rows["frame"].dropna()])
        where = str(rows["source"].iloc[0])
        if len(rows) == 1:
            yield Finding("clip of one frame", "note", where, f"clip {clip} has one frame only")
            continue
        steps, times = np.unique(np.diff(frames), return_counts=True)
        usual = steps[times.argmax()] if len(steps) else 0
        gaps = np.flatnonzero(np.diff(frames) > usual)
        if len(gaps):
            first = gaps[0]
            message = (
                f"clip {clip}: {len(gaps)} gaps, the first from frame {frames[first]} to {frames[first + 1]}"
            )
            yield Finding("gap between frames", "note", where, message, len(gaps))


def _files(index: FaceIndex) -> Iterator[Finding]:
    """Pictures that no row shows, in the folders of those that are shown; videos that cannot be opened."""
    listed: defaultdict[Path, set[str]] = defaultdict(set)
    for shown in set(index.table["path"]):
        place = index.root / shown
        listed[place.parent].add(place.name)
    for folder in sorted(listed):
        names = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
        extra = [n for n in names if Path(n).suffix.lower() in SUFFIXES and n not in listed[folder]]
        if extra:
            message = f"{len(extra)} pictures that are in no list or left out, such as {', '.join(extra[:3])}"
            yield Finding("picture that is not used", "note", str(folder), message, len(extra))
    if not any(reason.startswith("video") for reason in index.left_out):
        return  # elsewhere, readers and the listed pictures tell
    for top, _, names in os.walk(index.root):
        for path in (Path(top, name) for name in sorted(names)):
            if path.suffix.lower() in VIDEO_SUFFIXES and path.name not in listed.get(path.parent, ()):
                try:
                    Video(path)
                except UnreadableImageError as error:
                    yield _finding(error)


def _pictures(index: FaceIndex, seen: Iterable[Picture]) -> Iterator[Finding]:
    sources, paths = index.table["source"].to_numpy(), index.table["path"].to_numpy()
    for picture in seen:
        first = picture.rows[0]
        where, path = str(sources[first]), index.root / paths[first]
        if picture.missing:
            yield Finding("listed picture is missing", "fault", where, f"{path}: no such file")
        elif picture.problem is not None:
            yield Finding("cannot be opened", "fault", where, f"{path}: {picture.problem}")
        elif picture.thumbnail is not None and picture.thumbnail.std() < FLAT:
            yield Finding("blank picture", "note", where, f"{path}: of one colour")


def _inside(index: FaceIndex, seen: Iterable[Picture]) -> Iterator[Finding]:
    """Landmarks and boxes outside of their pictures."""
    columns = {name: index.table[name].to_numpy() for name in ("landmarks", "box", "source")}
    for picture in seen:
        if picture.size is None:
            continue
        width, height = picture.size
        for row in picture.rows:
            landmarks, box, where = (columns[name][row] for name in ("landmarks", "box", "source"))
            if landmarks is not None:
                outside = (landmarks < -TOLERANCE) | (landmarks > np.array(picture.size) + TOLERANCE)
                share = outside.any(axis=1).mean()
                message = f"{share:.0%} of the landmarks are outside of the {width} x {height} picture"
                if share > 0.5:
                    yield Finding("landmarks outside of the picture", "fault", where, message)
                elif share > 0:
                    yield Finding("landmarks leave the picture", "note", where, message)
            if box is not None:
                x0, y0, x1, y1 = box
                text = ", ".join(f"{side:g}" for side in box)
                message = f"box {text} and a picture of {width} x {height}"
                if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
                    yield Finding("box outside of the picture", "fault", where, message)
                elif min(x0, y0, width - x1, height - y1) < -TOLERANCE:
                    yield Finding("box leaves the picture", "note", where, message)


@dataclass(frozen=True)
class _Shown:
    """A picture as it is compared with others."""

    dataset: str
    split: str
    labels: frozenset[str]
    clip: str | None
    where: str
    path: str
    picture: Picture


def _shown(name: str, index: FaceIndex, seen: Iterable[Picture]) -> list[_Shown]:
    """The pictures that show anything."""
    columns = {c: index.table[c].to_numpy() for c in ("split", "label", "clip", "source", "path")}
    return [
        _Shown(
            name,
            columns["split"][picture.rows[0]],
            frozenset(label for label in columns["label"][picture.rows] if label is not None),
            columns["clip"][picture.rows[0]],
            str(columns["source"][picture.rows[0]]),
            columns["path"][picture.rows[0]],
            picture,
        )
        for picture in seen
        if picture.thumbnail is not None and picture.thumbnail.std() >= FLAT
    ]


def _duplicates(shown: Sequence[_Shown], name: str, across: Severity) -> Iterator[Finding]:
    """Pictures that are there twice, bit by bit or by their looks.

    Frames of one clip are not compared with each other, and clips by their middle frames only.

    Args:
        shown: The pictures of the data set, then those of others.
        name: The data set's name; pairs of two other data sets do not matter.
        across: Severity of exact duplicates in two splits of the data set.
    """
    first: dict[bytes, int] = {}
    clips: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    alone = []
    for i, one in enumerate(shown):
        digest = one.picture.digest or str(i).encode()
        original = first.setdefault(digest, i)
        if one.clip is not None:
            clips[one.dataset, one.clip].append(i)
        elif original == i:
            alone.append(i)
        if original != i:
            yield from _pair(shown[original], one, name, "exact", across)
    chosen = np.array(sorted([*alone, *(frames[len(frames) // 2] for frames in clips.values())]), dtype=int)
    if not len(chosen):
        return
    thumbnails = np.stack([shown[i].picture.thumbnail for i in chosen])
    for pair in chosen[near_pairs(thumbnails)]:
        one, other = (shown[i] for i in pair)
        if not one.picture.digest or one.picture.digest != other.picture.digest:
            yield from _pair(one, other, name, "near", "note")


def _pair(one: _Shown, other: _Shown, name: str, how: str, across: Severity) -> Iterator[Finding]:
    if name not in (one.dataset, other.dataset) or (one.clip is not None and one.clip == other.clip):
        return
    kind, severity = f"{how} duplicate", "note"
    if one.dataset != other.dataset:
        kind += f" in {other.dataset.partition(' ')[0]}"
    elif one.split != other.split:
        kind, severity = f"{kind} across splits", across
    verb = "is" if how == "exact" else "looks like"
    message = f"{one.path} ({one.split}) {verb} {other.path} ({other.split}), see {other.where}"
    if one.labels and other.labels and one.labels != other.labels:
        kind += ", other label"
        message += f"; labels {', '.join(sorted(one.labels))} and {', '.join(sorted(other.labels))}"
    yield Finding(kind, severity, one.where, message)  # type: ignore[arg-type]


def command(args: argparse.Namespace) -> None:
    """``affectzoo data check``: print what was found; status 1 when there is a fault."""
    from rich.console import Console
    from rich.progress import track

    def watch(items: Iterable[Any], total: int) -> Iterable[Any]:
        return track(
            items,
            description="pictures",
            total=total,
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )

    against = {}
    for pair in args.against:
        other, equals, folder = pair.partition("=")
        if not equals:
            raise AffectZooError(f"--against {pair}: expected NAME=DIR, such as fer2013=/data/fer2013")
        data_set(other)
        against[other] = Path(folder)
    report = check(
        args.name,
        args.root,
        against=against,
        pictures=not args.no_pictures,
        watch=watch,
        **options(args.set),
    )
    if args.json:
        print(json.dumps(asdict(report), indent=2))
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
        console.print(kind, style=_style(findings[0]), highlight=False)
        for finding in findings[:SHOWN]:
            text = f"  {finding.where}: {finding.message}" + (
                f" ({finding.count:,})" if finding.count > 1 else ""
            )
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        if len(findings) > SHOWN:
            console.print(f"  and {len(findings) - SHOWN:,} more (--json lists all)", highlight=False)
    notes = len(report.findings) - len(report.faults)
    console.print(
        f"{report.dataset}: faces: {faces}; {len(report.faults):,} faults, {notes:,} notes", highlight=False
    )


def _style(finding: Finding) -> str:
    return "red" if finding.severity == "fault" else ""

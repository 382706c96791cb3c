"""The checks of ``affectzoo data check``: each looks at an index, or at what its images showed."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from affectzoo.datasets.classes import images_of
from affectzoo.datasets.index import FaceIndex
from affectzoo.datatools.findings import Finding, Severity
from affectzoo.datatools.scan import Picture
from affectzoo.errors import DataError, DataNotFoundError, LabelError, UnreadableImageError
from affectzoo.faces.preprocess import LARGEST_BOX
from affectzoo.files.folders import obstacle, peek, walk
from affectzoo.files.videos import SUFFIXES as VIDEO_SUFFIXES
from affectzoo.files.videos import Video

TOLERANCE = 1.0
"""Pixels by which landmarks and boxes may leave their image unnoticed."""
SMALL = 4.0
"""Least pixels of a face's box, inside its image, along each edge."""
FEW = 10
"""Fewer values than this may be equal by chance."""


def finding(error: DataError, severity: Severity = "fault") -> Finding:
    """Turn a reader's error into a finding."""
    kinds = {
        DataNotFoundError: "files not found",
        LabelError: "label outside the codes",
        UnreadableImageError: "cannot be opened",
    }
    where, _, message = str(error).partition(": ")
    return Finding(kinds.get(type(error), "row at fault"), severity, where, message)


def left_out(index: FaceIndex) -> Iterator[Finding]:
    """List what the reader excluded, and what it saw and did not use."""
    for kind, reasons in (("excluded by the reader", index.left_out), ("seen and not used", index.unused)):
        for reason, count in sorted(reasons.items()):
            if count:
                yield Finding(kind, "note", str(index.root), reason, count)


def counts(index: FaceIndex, published: Mapping[str, int]) -> Iterator[Finding]:
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


def label_findings(index: FaceIndex) -> Iterator[Finding]:
    """Classes without faces or of nearly the same name, and values that never change."""
    names = sorted(set(index.table["label"]) - {None})
    for name, other in itertools.combinations(names, 2):
        reason = _alike(name, other)
        if reason is not None:
            where = str(index.table["source"][index.table["label"] == name].iloc[0])
            both = f"{name!a} and {other!a}"  # shows what is invisible
            message = f"classes {both}, {reason}: two spellings of one?"
            yield Finding("classes of nearly the same name", "note", where, message)
    for split in index.split_counts():
        part = index.part(split)
        counts = part.class_counts()
        for i in np.flatnonzero(counts == 0) if counts.any() else ():
            name = part.labels.names[i] if part.labels is not None else ""
            message = f"{split}: no face is labeled {name}"
            yield Finding("class without faces", "note", str(index.root), message)
        for name in ("valence", "arousal"):
            values = part.table[name].dropna()
            if len(values) >= FEW and values.nunique() == 1:
                message = f"{split}: {name} is {values.iloc[0]:g} for all of its {len(values):,} faces"
                where = str(part.table["source"][values.index[0]])
                yield Finding("constant values", "fault", where, message, len(values))


def _alike(name: str, other: str) -> str | None:
    """Return why two classes may be one that was spelled in two ways, else ``None``."""
    plain, same = map(_letters, (name, other))
    if plain == same:
        return "equal but for blanks or invisible characters"
    if min(len(plain), len(same)) < 4 or not (plain.isalpha() and same.isalpha()):
        return None
    shorter = min(len(plain), len(same))
    start = next((i for i in range(shorter) if plain[i] != same[i]), shorter)
    ends = {plain[start:], plain[start + 1 :]} & {same[start:], same[start + 1 :]}
    return "one letter apart" if ends else None


def _letters(name: str) -> str:
    """A class's name as it looks, without blanks and invisible characters."""
    return "".join(
        character
        for character in unicodedata.normalize("NFKC", name).casefold()
        if character not in " _-" and unicodedata.category(character)[0] not in "CZ"
    )


def name_findings(index: FaceIndex) -> Iterator[Finding]:
    """Subjects and clips of nearly the same name: each spelling counts as one of its own."""
    for column in ("subject", "clip"):
        first = index.table[["source", column]].dropna(subset=column).drop_duplicates(column)
        for _, alike in first.groupby(first[column].map(_spoken)):
            if len(alike) > 1:
                names = " and ".join(f"{name!a}" for name in alike[column])  # shows what is invisible
                message = f"{column}s {names}: spellings of one?"
                yield Finding(f"{column}s of nearly the same name", "note", alike["source"].iloc[1], message)


def _spoken(name: str) -> str:
    """A name without case, blanks, invisible characters, and zeros before numbers."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(character for character in plain if unicodedata.category(character)[0] not in "CZ")
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", seen)


def groups(index: FaceIndex, severity: Severity) -> Iterator[Finding]:
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


def files(index: FaceIndex) -> Iterator[Finding]:
    """Images that no row shows, in the folders of those that are shown; videos that cannot be opened."""
    listed: defaultdict[Path, set[str]] = defaultdict(set)
    for shown in set(index.table["path"]):
        place = index.root / shown
        listed[place.parent].add(place.name)
    for folder in sorted(listed):
        there = images_of(peek(folder)) if obstacle(folder) is None and folder.is_dir() else ()
        extra = [name for name in there if name not in listed[folder]]
        if extra:
            message = f"{len(extra)} images that are in no list or excluded, such as {', '.join(extra[:3])}"
            yield Finding("image that is not used", "note", str(folder), message, len(extra))
    if not any(reason.startswith("video") for reason in index.left_out):
        return  # elsewhere, readers and the listed images tell
    for listing in walk(index.root):
        for path in (listing.path / name for name in listing.files):
            if path.suffix.lower() in VIDEO_SUFFIXES and path.name not in listed.get(path.parent, ()):
                try:
                    Video(path)
                except UnreadableImageError as error:
                    yield finding(error)


def unreadable(index: FaceIndex, seen: Iterable[Picture]) -> Iterator[Finding]:
    """Images that are missing, damaged or show nothing."""
    sources, paths = index.table["source"].to_numpy(), index.table["path"].to_numpy()
    for picture in seen:
        if picture.problem is None and not picture.blank:
            continue
        where, path = str(sources[picture.rows[0]]), index.root / paths[picture.rows[0]]
        if picture.missing:
            yield Finding("listed image is missing", "fault", where, f"{path}: no such file")
        elif picture.blank:
            yield Finding("blank image", "note", where, f"{path}: of one color")
        else:
            yield Finding("cannot be opened", "fault", where, f"{path}: {picture.problem}")


def outside(index: FaceIndex, seen: Iterable[Picture]) -> Iterator[Finding]:
    """Landmarks and boxes outside of their images."""
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
                message = f"{share:.0%} of the landmarks are outside of the {width} x {height} image"
                if share > 0.5:
                    yield Finding("landmarks outside of the image", "fault", where, message)
                elif share > 0:
                    yield Finding("landmarks leave the image", "note", where, message)
            if box is not None:
                x0, y0, x1, y1 = box
                text = ", ".join(f"{side:g}" for side in box)
                message = f"box {text} and an image of {width} x {height}"
                inside = min(x1, width) - max(x0, 0), min(y1, height) - max(y0, 0)
                if min(inside) <= 0:
                    yield Finding("box outside of the image", "fault", where, message)
                elif min(inside) < SMALL:
                    yield Finding("box too small for a face", "fault", where, message)
                elif max(x1 - x0, y1 - y0) > LARGEST_BOX * max(width, height):
                    yield Finding("box many times larger than its image", "fault", where, message)
                elif min(x0, y0, width - x1, height - y1) < -TOLERANCE:
                    yield Finding("box leaves the image", "note", where, message)

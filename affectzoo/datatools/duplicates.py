"""Find images that are there twice, bit by bit or by their looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from affectzoo.datasets.index import FaceIndex
from affectzoo.datatools.findings import Finding, Severity
from affectzoo.datatools.scan import Picture, near_pairs


@dataclass(frozen=True)
class Shown:
    """An image as it is compared with others."""

    dataset: str
    split: str
    labels: frozenset[str]
    clip: str | None
    where: str
    path: str
    picture: Picture


def shown(name: str, index: FaceIndex, seen: Iterable[Picture]) -> list[Shown]:
    """The images that show anything."""
    columns = {c: index.table[c].to_numpy() for c in ("split", "label", "clip", "source", "path")}
    return [
        Shown(
            name,
            columns["split"][picture.rows[0]],
            frozenset(label for label in columns["label"][picture.rows] if label is not None),
            columns["clip"][picture.rows[0]],
            str(columns["source"][picture.rows[0]]),
            columns["path"][picture.rows[0]],
            picture,
        )
        for picture in seen
        if picture.thumbnail is not None
    ]


def duplicates(pictures: Sequence[Shown], name: str, across: Severity) -> Iterator[Finding]:
    """Images that are there twice, bit by bit or by their looks.

    Frames of one clip are not compared with each other, and clips by their middle frames only.

    Args:
        pictures: The images of the data set, then those of others.
        name: The data set's name; pairs of two other data sets do not matter.
        across: Severity of exact duplicates in two splits of the data set.
    """
    first: dict[bytes, int] = {}
    clips: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    alone = []
    for i, one in enumerate(pictures):
        digest = one.picture.digest or str(i).encode()
        original = first.setdefault(digest, i)
        if one.clip is not None:
            clips[one.dataset, one.clip].append(i)
        elif original == i:
            alone.append(i)
        if original != i:
            yield from _pair(pictures[original], one, name, "exact", across)
    chosen = np.array(sorted([*alone, *(frames[len(frames) // 2] for frames in clips.values())]), dtype=int)
    if not len(chosen):
        return
    thumbnails = np.stack([pictures[i].picture.thumbnail for i in chosen])
    for pair in chosen[near_pairs(thumbnails)]:
        one, other = (pictures[i] for i in pair)
        if not one.picture.digest or one.picture.digest != other.picture.digest:
            yield from _pair(one, other, name, "near", "note")


def _pair(one: Shown, other: Shown, name: str, how: str, across: Severity) -> Iterator[Finding]:
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

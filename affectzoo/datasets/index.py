"""The index table: what every reader returns, whatever its data set's files look like.

One row is one face. Columns a data set cannot fill are ``None`` in every row:

=============  =====================================================================
``path``       image, relative to the root, or the video or table that holds it
``split``      ``train``, ``valid`` or ``test``
``label``      class name; ``None`` where the rules give no single class
``target``     float array, a distribution over ``FaceIndex.labels``
``votes``      int array of the annotators' votes, as in the file
``valence``    in [-1, 1]
``arousal``    in [-1, 1]
``subject``    who is shown
``clip``       which clip the image is a frame of
``frame``      its number there; in a file of many, a video or a table, from 0 on
``box``        x0, y0, x1, y1 of the face in the image; ``None``: a ready crop
``landmarks``  float32 array (N, 2), x and y in pixels of the image
``pixels``     uint8 array (H, W), for data sets whose images are in a table
``digest``     of the image's file, for prepared data, see ``affectzoo.files.images``
``original``   image, or video and frame, that a prepared crop was cut from
``source``     file and line that the row was read from, for messages
=============  =====================================================================
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectzoo.console import visible
from affectzoo.errors import DataError, EmptySplitError, LabelError
from affectzoo.files.faults import one_row
from affectzoo.labels import GivenName, LabelSpace, unmapped

SPLITS = ("train", "valid", "test")
"""Parts of a data set, in order."""

COLUMNS = (
    "path",
    "split",
    "label",
    "target",
    "votes",
    "valence",
    "arousal",
    "subject",
    "clip",
    "frame",
    "box",
    "landmarks",
    "pixels",
    "digest",
    "original",
    "source",
)

TOLD = ("subject", "clip", "source")
"""Columns that no file is opened by, so that bytes of names that are not UTF-8 are made readable."""

_LOOKED_AT = 200
"""Boxes or landmarks of a data set that are looked at to tell pixels from shares."""

PART_NAMES: Mapping[str, frozenset[str]] = {
    "train": frozenset({"train", "training"}),
    "valid": frozenset({"valid", "val", "validation", "dev", "development"}),
    "test": frozenset({"test", "testing"}),
}
"""What files and folders call the parts, lower case."""


@dataclass(frozen=True)
class FaceIndex:
    """A data set's faces.

    Attributes:
        dataset: The data set's name in the zoo.
        root: What ``path`` is relative to.
        labels: The classes of ``label`` and ``target``; ``None`` for a data set without classes.
        table: One row per face, columns as in this module's text.
        left_out: Faces that the files list but the table excludes, counted by reason.
        unused: Files and folders that were seen and that no face comes from, counted by reason.
        scale: By which the data set's own valence and arousal are larger than the table's, which are in
            [-1, 1]; errors are reported on both scales.
        margin: How much larger than the faces' boxes the images are at least, as a share of a box's longer
            edge: that of a prepared folder's crops, without end where the images are whole.
    """

    dataset: str
    root: Path
    labels: LabelSpace | None
    table: pd.DataFrame
    left_out: Mapping[str, int] = field(default_factory=dict)
    scale: float = 1.0
    unused: Mapping[str, int] = field(default_factory=dict)
    margin: float = math.inf

    @classmethod
    def from_rows(
        cls,
        dataset: str,
        root: Path,
        labels: LabelSpace | None,
        rows: Iterable[Mapping[str, Any]],
        left_out: Mapping[str, int] | None = None,
    ) -> FaceIndex:
        """Build the table; a row names only the columns it can fill.

        Raises:
            DataError: Most boxes or landmarks are shares of the image rather than pixels.
        """
        listed = list(rows)
        with one_row():
            _check_pixels(listed)
        values = {column: [row.get(column) for row in listed] for column in COLUMNS}
        values |= {column: [text and _readable(text) for text in values[column]] for column in TOLD}
        columns = {column: pd.Series(values[column], dtype=object) for column in COLUMNS}
        return cls(dataset, root, labels, pd.DataFrame(columns), dict(left_out or {}))

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.table)

    def part(self, split: str) -> FaceIndex:
        """The faces of one split; what the others exclude does not count.

        Raises:
            EmptySplitError: There are none; says which splits have some.
        """
        chosen = (self.table["split"] == split).to_numpy()
        if not chosen.any():
            found = ", ".join(f"{k} {v}" for k, v in self.split_counts().items())
            raise EmptySplitError(
                f"{self.dataset}: the {split} part of {self.root} is empty "
                f"(found: {found or 'no faces at all'})"
            )
        others = tuple(f"{name}:" for name in SPLITS if name != split)
        left_out = {why: count for why, count in self.left_out.items() if not why.startswith(others)}
        return replace(self.rows(chosen), left_out=left_out)

    def rows(self, chosen: np.ndarray) -> FaceIndex:
        """The faces that a mask of shape (N,) chooses."""
        return replace(self, table=self.table[chosen].reset_index(drop=True))

    def drawn(self, most: int | None, seed: int = 0) -> np.ndarray:
        """A mask of shape (N,) of at most so many faces, drawn at random, the same for the same seed."""
        chosen = np.zeros(len(self), dtype=bool)
        chosen[np.random.default_rng(seed).permutation(len(self))[:most]] = True
        return chosen

    def split_counts(self) -> dict[str, int]:
        """Number of faces per split."""
        return dict(Counter(self.table["split"]))

    def class_counts(self) -> np.ndarray:
        """Faces per class of ``labels``, shape (C,); soft targets count by their label."""
        names = () if self.labels is None else self.labels.names
        counts = Counter(self.table["label"])
        return np.array([counts[name] for name in names], dtype=np.int64)

    def conform(
        self,
        labels: LabelSpace,
        *,
        drop_unmapped: bool = False,
        merge: Mapping[str, GivenName] | None = None,
    ) -> FaceIndex:
        """Say the same faces in another label space, class by class name.

        Faces whose class the other space lacks are an error, or excluded and counted; faces without a
        class, which may have valence and arousal, are kept. A soft target loses the mass of such classes
        and is renormalized.

        Args:
            labels: The space to speak.
            drop_unmapped: Leave faces out rather than raise.
            merge: Classes to rename on the way, see ``LabelSpace.mapping_to``.

        Raises:
            LabelError: A class in use has no counterpart and ``drop_unmapped`` is off.
        """
        if self.labels is None:
            raise LabelError(
                f"{self.dataset} has no expression classes, but the model is for {labels}; "
                "choose --model.task va"
            )
        if self.labels.same_classes(labels) and not merge:
            return self
        mapping = self.labels.mapping_to(labels, merge)
        lost = unmapped(mapping, [name for name in self.table["label"] if name is not None])
        if lost and not drop_unmapped:
            raise LabelError(
                f"{self.dataset} labels faces with {', '.join(lost)}, which {labels} lacks. "
                "Leave such faces out with --data.drop_unmapped true, rename with --data.merge, or "
                "choose other --model.labels"
            )
        projection = np.zeros((len(self.labels), len(labels)))
        for name, to in mapping.items():
            if to is not None:
                projection[self.labels.index(name), labels.index(to)] = 1.0
        targets = [_project(target, projection) for target in self.table["target"]]
        names = [None if name is None else mapping[name] for name in self.table["label"]]
        if merge:  # joined classes can outweigh the one that was the highest
            names = [
                labels.names[int(target.argmax())] if name is not None and target is not None else name
                for name, target in zip(names, targets, strict=True)
            ]
        usable = np.array(
            [
                not _lost(before, after) and not _lost(old, new)
                for before, after, old, new in zip(
                    self.table["target"], targets, self.table["label"], names, strict=True
                )
            ],
            dtype=bool,
        )
        table = self.table.assign(
            target=pd.Series(targets, self.table.index, dtype=object),
            label=pd.Series(names, self.table.index, dtype=object),
        )
        left_out = dict(self.left_out)
        if not usable.all():
            left_out[f"class not in {labels.name}"] = int((~usable).sum())
        table = table[usable].reset_index(drop=True)
        return replace(self, labels=labels, table=table, left_out=left_out)

    def with_landmarks(self, count: int) -> FaceIndex:
        """Leave out faces that lack the landmarks a model takes, and count them.

        Args:
            count: How many landmarks, or 0 for a model that takes none.

        Raises:
            DataError: No face has them.
        """
        if count == 0:
            return self
        has = self.has_landmarks(count)
        if not has.any():
            raise DataError(f"{self.dataset}: the model takes {count} landmarks, but no face has them")
        if has.all():
            return self
        left_out = {**self.left_out, f"without {count} landmarks": int((~has).sum())}
        return replace(self.rows(has), left_out=left_out)

    def has_landmarks(self, count: int) -> np.ndarray:
        """Which faces have that many landmarks, shape (N,); all of them for a ``count`` of 0."""
        return np.array(
            [count == 0 or (p is not None and len(p) == count) for p in self.table["landmarks"]], dtype=bool
        )


def part_of(name: str) -> str | None:
    """The part that a name stands for, in any case; ``None`` for another name."""
    return next((part for part, names in PART_NAMES.items() if name.lower() in names), None)


def _readable(text: str) -> str:
    return text if text.isascii() else visible(text)


def _check_pixels(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse boxes and landmarks of which most, by a sample, are no larger than shares of an image."""
    for column in ("box", "landmarks"):
        known = [row for row in rows if row.get(column) is not None]
        sample = known[:: max(1, len(known) // _LOOKED_AT)]
        shares = [row for row in sample if _like_shares(np.reshape(row[column], (-1, 2)))]
        if len(shares) * 2 > len(sample):
            others = "all others are" if len(shares) == len(known) else "most others are"
            raise DataError(
                f"{shares[0].get('source')}: {column} {_listed(shares[0][column])}, and {others} as small: "
                "pixels of the image are expected, these look like shares of its width and height"
            )


def _like_shares(corners: np.ndarray) -> bool:
    """Whether points, shape (N, 2), lie within 0..1 or little beyond; zeros alone are none."""
    return bool(0 < np.abs(corners).max() <= 2)


def _listed(values: Any) -> str:
    return ", ".join(f"{value:g}" for value in np.ravel(values)[:4])


def one_hot(labels: LabelSpace, name: str) -> np.ndarray:
    """A distribution that is sure of one class, shape (C,)."""
    target = np.zeros(len(labels), dtype=np.float32)
    target[labels.index(name)] = 1.0
    return target


def _lost(before: object, after: object) -> bool:
    return before is not None and after is None


def _project(target: np.ndarray | None, projection: np.ndarray) -> np.ndarray | None:
    if target is None:
        return None
    moved = np.asarray(target) @ projection
    total = moved.sum()
    return None if total <= 0 else (moved / total).astype(np.float32)

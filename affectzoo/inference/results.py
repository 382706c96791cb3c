"""What a model says of one face, and files of it: CSV, JSON, JSON Lines, Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectzoo.console import csv_cell, json_text, visible
from affectzoo.errors import OptionError
from affectzoo.files.writing import writing
from affectzoo.metrics.columns import BOX, LABEL, PROBABILITY
from affectzoo.metrics.names import DIMENSIONS

if TYPE_CHECKING:
    from affectzoo.faces.preprocess import Box
    from affectzoo.labels import LabelSpace

NO_FACE = "no face found"
NOT_FINITE = "the model's answer is not finite: did its training diverge, or does half precision overflow?"
UNREADABLE = "unreadable: "
"""How the errors of images begin that could not be read."""

UNCERTAIN = "uncertain"
"""What is shown instead of a label where no class is probable enough."""

ENDINGS = (".csv", ".json", ".jsonl", ".parquet")

PLACE = ("frame", "time", "track")
"""Columns that say where in a video a face is; empty for stills."""

LANDMARKS = "landmarks"
"""Column of points, as files of ``--landmarks`` have it."""

Row = dict[str, Any]
"""A result as the files have it: columns by name, text that can be shown, numbers, ``None``."""


@dataclass(frozen=True)
class FaceResult:
    """What a model says of one face; also the row for an image or frame without one.

    Attributes:
        file: The image or video, as it was given; for others ``array 0``, ``image 1`` and so on.
        box: x0, y0, x1, y1 in pixels; ``None`` for a ready crop or without a face.
        score: The detector's confidence.
        label: The likeliest class; ``None`` also where it is not probable enough, see ``Predictor``.
        probabilities: Of each class by name, summing to 1.
        valence: In [-1, 1], for models that predict it.
        arousal: In [-1, 1], for models that predict it.
        landmarks: x and y of 68 points in pixels of the image (iBUG order), for models that predict them.
        error: Why there is no prediction: no face found, or the image is unreadable; or what of a video
            could not be read.
        frame: Its place in a video, from 0; ``None`` in a still.
        time: Seconds from the video's first frame.
        track: Number of the person's track in the video, from 1.
    """

    file: str
    box: Box | None = None
    score: float | None = None
    label: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    valence: float | None = None
    arousal: float | None = None
    landmarks: tuple[tuple[float, float], ...] = ()
    error: str | None = None
    frame: int | None = None
    time: float | None = None
    track: int | None = None

    @property
    def unreadable(self) -> bool:
        """Whether there is no prediction because the image could not be read."""
        return self.error is not None and self.error.startswith(UNREADABLE)

    @property
    def uncertain(self) -> bool:
        """Whether no class is probable enough to be the label."""
        return self.label is None and bool(self.probabilities)

    def ranked(self) -> list[tuple[str, float]]:
        """Return the classes and their probabilities, the likeliest first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])

    def told(self) -> list[str]:
        """Say the prediction: ``happiness 0.93``, ``uncertain``, ``valence +0.71`` or ``68 landmarks``."""
        told = [UNCERTAIN] if self.uncertain else []
        if self.label is not None:
            told.append(f"{visible(self.label)} {self.probabilities[self.label]:.2f}")
        values = {name: getattr(self, name) for name in DIMENSIONS}
        told += [f"{name} {value:+.2f}" for name, value in values.items() if value is not None]
        return told + ([f"{len(self.landmarks)} landmarks"] if self.landmarks else [])

    def further(self) -> str:
        """Say which classes are likely beside what is told: ``surprise 0.05, neutral 0.01``, or nothing."""
        classes = self.ranked()[:3] if self.uncertain else self.ranked()[1:3]
        return ", ".join(f"{visible(name)} {share:.2f}" for name, share in classes)

    def to_row(self) -> Row:
        r"""Return it as the files have it; bytes of names that are not UTF-8 are shown as ``\xe9``."""
        box = dict(zip(BOX, self.box or (None,) * 4, strict=True))
        shares = {f"{PROBABILITY}{visible(name)}": share for name, share in self.probabilities.items()}
        points = ";".join(f"{value:.2f}" for point in self.landmarks for value in point)
        return {
            "file": visible(self.file),
            "frame": self.frame,
            "time": self.time,
            "track": self.track,
            **box,
            "score": self.score,
            "label": None if self.label is None else visible(self.label),
            **shares,
            "valence": self.valence,
            "arousal": self.arousal,
            **({LANDMARKS: points} if points else {}),
            "error": None if self.error is None else visible(self.error),
        }


def numbers(faces: Sequence[FaceResult]) -> list[int]:
    """Number an image's faces: by their tracks, or in a still by their places, from 1."""
    return [place if face.track is None else face.track for place, face in enumerate(faces, 1)]


def named(faces: Sequence[FaceResult]) -> bool:
    """Whether an image's faces need their numbers to be told apart, in it or in its video."""
    return len(faces) > 1 or any((face.track or 1) > 1 for face in faces)


def columns(labels: LabelSpace | None, landmarks: bool = False) -> list[str]:
    """Name the columns of results.

    ``file``, ``frame``, ``time``, ``track``, box, ``score``, ``label``, ``p_<class>``, values, ``error``.

    Args:
        labels: The model's classes, where it has some.
        landmarks: Whether it predicts some: a column ``landmarks``, x;y;x;y;... in pixels of the image.
    """
    names = () if labels is None else labels.names
    shares = [f"{PROBABILITY}{visible(name)}" for name in names]
    points = [LANDMARKS] if landmarks else []
    return ["file", *PLACE, *BOX, "score", LABEL, *shares, *DIMENSIONS, *points, "error"]


def check_ending(path: Path) -> str:
    """Return the file's ending, if results can be written as that.

    Raises:
        OptionError: They cannot.
    """
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise OptionError(f"{path}: results are written as {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    return kind


def write_rows(rows: Iterable[Row], names: Sequence[str], path: Path) -> None:
    """Write results by the file's ending, whole or not at all; rows are taken one by one.

    What a row lacks is empty in CSV and null in the other forms.

    Args:
        rows: Of ``FaceResult.to_row``.
        names: The columns.
        path: Where to; its folder is made.

    Raises:
        OptionError: Another ending.
        OutputError: It cannot be written; an older file is as it was.
    """
    kind = check_ending(path)
    ordered = ({name: row.get(name) for name in names} for row in rows)
    with writing(path) as part:
        if kind == ".parquet":
            _write_parquet(ordered, names, part)
            return
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            if kind == ".csv":
                table = csv.writer(file, lineterminator="\n")
                table.writerow(map(csv_cell, names))
                table.writerows([csv_cell(value) for value in row.values()] for row in ordered)
            elif kind == ".jsonl":
                file.writelines(f"{json_text(row, None)}\n" for row in ordered)
            else:
                file.writelines(json_list(ordered))


def json_list(rows: Iterable[Row], ascii_only: bool = False) -> Iterator[str]:
    """Write rows as one JSON document, a list of objects, piece by piece."""
    start = "[\n"
    for row in rows:
        yield start + json_text(row, None, ascii_only)
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"


def _write_parquet(rows: Iterator[Row], names: Sequence[str], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = dict.fromkeys(("file", "label", LANDMARKS, "error"), pa.string()) | {
        "frame": pa.int64(),
        "track": pa.int64(),
    }
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in names])
    with path.open("wb") as out, pq.ParquetWriter(out, schema) as file:  # a path may not be UTF-8
        while some := list(islice(rows, 4096)):
            file.write_table(pa.Table.from_pylist(some, schema))

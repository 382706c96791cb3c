"""What a run tells at its end: counts, a table of images' faces, a table of videos' tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from affectzoo.console import counted, visible
from affectzoo.inference.results import UNREADABLE, FaceResult, Row, named, numbers
from affectzoo.metrics.names import DIMENSIONS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


class Tally:
    """Count faces, frames and what could not be read, and remember the first of these."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        """Count rows."""
        self.faces = self.frames = self.unreadable = 0
        self.first = ""
        self._last: tuple[str, int | None] = ("", None)
        self.add(rows)

    def add(self, rows: Iterable[Row]) -> None:
        """Count further rows, in order."""
        for row in rows:
            error = row["error"]
            place = row["file"], row["frame"]
            self.frames += row["frame"] is not None and place != self._last
            self._last = place
            self.faces += error is None
            if error is not None and error.startswith(UNREADABLE):
                self.unreadable += 1
                self.first = self.first or error.removeprefix(UNREADABLE)

    def told(self, images: int, videos: int) -> str:
        """Say it, such as ``3 faces in 2 images, 0 unreadable``."""
        places = [counted(images, "image")] if images or not videos else []
        if videos:
            places.append(f"{counted(self.frames, 'frame')} of {counted(videos, 'video')}")
        return f"{counted(self.faces, 'face')} in {' and '.join(places)}, {self.unreadable:,} unreadable"


def results_table(results: Sequence[FaceResult]) -> Table:
    """Predictions as a table, with the three likeliest classes of each face.

    Faces of an image with several have the numbers that they have in its picture.
    """
    from rich.table import Table

    table = Table(show_lines=False)
    table.add_column("file", overflow="fold")
    for column in ("prediction", "face (x0 y0 x1 y1)", "score", "next"):
        table.add_column(column, no_wrap=column != "prediction")
    for _, some in groupby(results, lambda result: result.file):
        faces = list(some)
        drawn = [face for face in faces if face.error is None]
        places = iter(numbers(drawn) if named(drawn) else [None] * len(drawn))
        for face in faces:
            table.add_row(face.file, *_cells(face, None if face.error is not None else next(places)))
    return table


def _cells(result: FaceResult, number: int | None) -> tuple[RenderableType, ...]:
    """The cells of a face behind its file; its number in the picture, where it has one, goes first."""
    from rich.text import Text

    if result.error is not None:
        return Text(visible(result.error), style="red"), "-", "-", ""
    box = "whole image" if result.box is None else " ".join(f"{edge:.0f}" for edge in result.box)
    score = "-" if result.score is None else f"{result.score:.2f}"
    told = ", ".join(result.told())
    return told if number is None else f"{number}  {told}", box, score, result.further()


@dataclass
class _Sum:
    """What a track's frames have in common."""

    first: float
    last: float = 0.0
    frames: int = 0
    probabilities: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)


class Tracks:
    """Sums up videos by person, so that little is kept however long they are."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, int | None], _Sum] = {}
        self._errors: dict[str, str] = {}
        self._first_errors: dict[str, str] = {}

    def add(self, faces: Sequence[FaceResult]) -> None:
        """Add a frame's faces."""
        for face in faces:
            if face.error is not None:
                errors = self._errors if face.time is None else self._first_errors
                errors.setdefault(face.file, face.error)
            elif face.time is not None:
                track = self._sums.setdefault((face.file, face.track), _Sum(face.time))
                track.last, track.frames = face.time, track.frames + 1
                track.probabilities.update(face.probabilities)
                track.values.update({n: v for n in DIMENSIONS if (v := getattr(face, n)) is not None})

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """One row for each track: file, number, frames, when it was seen, and its mean predictions."""
        rows = []
        for (file, number), track in self._sums.items():
            ranked = sorted(track.probabilities.items(), key=lambda item: -item[1])[:2]
            means = [f"{visible(name)} {share / track.frames:.2f}" for name, share in ranked]
            means += [f"{name} {value / track.frames:+.2f}" for name, value in track.values.items()]
            span = f"{track.first:.1f} - {track.last:.1f}"
            rows.append((file, str(number), f"{track.frames:,}", span, ", ".join(means)))
        return rows

    def table(self) -> Table:
        """Show the rows, and what a video lacks."""
        from rich.table import Table
        from rich.text import Text

        table = Table("file", "track", "frames", "seconds", "mean prediction")
        for row in self.rows():
            table.add_row(*row)
        tracked = {file for file, _ in self._sums}
        faceless = {file: error for file, error in self._first_errors.items() if file not in tracked}
        for file, error in {**faceless, **self._errors}.items():
            table.add_row(file, "-", "-", "-", Text(visible(error), style="red"))
        return table

    def __bool__(self) -> bool:
        return bool(self._sums or self._errors or self._first_errors)

"""Follow faces over the frames of a video: the same person keeps the same number.

Faces and tracks are matched by what their boxes have in common, as SORT does (Bewley et al., "Simple Online
and Realtime Tracking", ICIP 2016): each track's box is carried on with its velocity, and the assignment with
the least sum of costs is taken (Hungarian method). A track without a face, such as one that is covered, is
carried on for ``patience`` seconds; where the face comes back near that place, it has its old number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from affectzoo.errors import OptionError
from affectzoo.faces.detect import Detection

PATIENCE = 2.0
"""Seconds for which a track without a face is kept."""

_Values = npt.NDArray[np.float64]


@dataclass
class _Track:
    """One person: where the face was seen last, and how it moves.

    Attributes:
        number: From 1.
        place: Center x, y and the size (mean edge) of its box, pixels.
        shape: Width and height as shares of the size.
        velocity: Of the center, pixels a second.
        time: When it was seen last, seconds.
        seen: How many times it was seen.
    """

    number: int
    place: _Values
    shape: _Values
    time: float
    velocity: _Values = field(default_factory=lambda: np.zeros(2))
    seen: int = 1

    def at(self, time: float) -> _Values:
        """Where its face should be: center and size."""
        return np.array([*(self.place[:2] + self.velocity * (time - self.time)), self.place[2]])

    def see(self, place: _Values, shape: _Values, time: float) -> None:
        """Note where its face was found."""
        passed = time - self.time
        if passed > 0:
            moved = (place[:2] - self.place[:2]) / passed
            share = max(STEADINESS, 1 / self.seen)
            self.velocity = moved if self.seen == 1 else self.velocity + share * (moved - self.velocity)
        self.place, self.shape, self.time, self.seen = place, shape, time, self.seen + 1


STEADINESS = 0.3
"""Share of the newest displacement in a track's velocity."""

REACH, DRIFT, FARTHEST = 0.6, 1.0, 2.0
"""How far from where it should be a face is taken for a track's, in sizes of the face: at once, further for
each second without it, and at most."""

GROWTH = 1.8
"""By which factor a face's size may differ from its track's."""


class Tracker:
    """Numbers the faces of one video, frame by frame in order.

    Attributes:
        alive: The numbers of the tracks that may still have faces.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        """Begin a video.

        Args:
            patience: For how many seconds a track without a face is kept.

        Raises:
            OptionError: It is negative or no number.
        """
        if not patience >= 0:
            raise OptionError(f"patience is {patience!r}; expected seconds, from 0")
        self.patience = patience
        self._tracks: list[_Track] = []
        self._next = 1
        self._last: float | None = None
        self._step = 0.0

    @property
    def alive(self) -> frozenset[int]:
        """The numbers of the tracks that may still have faces."""
        return frozenset(track.number for track in self._tracks)

    def update(self, found: Sequence[Detection], time: float) -> list[int]:
        """Number a frame's faces.

        Args:
            found: The faces; a face without box, which is the whole image, is number 1.
            time: Of the frame, seconds; not before the last frame's.

        Returns:
            The track of each face, each at most once.
        """
        if self._last is not None:
            self._step = time - self._last
        self._last = time
        if any(face.box is None for face in found):
            return list(range(1, len(found) + 1))
        # Where frames are far between, one missed is no long absence.
        longest = max(self.patience, 2.5 * self._step)
        self._tracks = [track for track in self._tracks if time - track.time <= longest]
        places = [_place(face) for face in found]
        numbers = [0] * len(found)
        for row, column in self._matches(places, time):
            self._tracks[row].see(*places[column], time)
            numbers[column] = self._tracks[row].number
        for column, (place, shape) in enumerate(places):
            if not numbers[column]:
                self._tracks.append(_Track(self._next, place, shape, time))
                numbers[column] = self._next
                self._next += 1
        return numbers

    def _matches(self, places: Sequence[tuple[_Values, _Values]], time: float) -> list[tuple[int, int]]:
        """Pair tracks and faces so that the sum of their costs is least."""
        from scipy.optimize import linear_sum_assignment

        if not self._tracks or not places:
            return []
        costs = np.array([[_cost(track, *face, time) for face in places] for track in self._tracks])
        rows, columns = linear_sum_assignment(np.where(np.isfinite(costs), costs, 1e6))
        return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if np.isfinite(costs[r, c])]


def _place(face: Detection) -> tuple[_Values, _Values]:
    x0, y0, x1, y1 = face.box or (0.0, 0.0, 0.0, 0.0)
    size = max(1e-6, (x1 - x0 + y1 - y0) / 2)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, size]), np.array([x1 - x0, y1 - y0]) / size


def _cost(track: _Track, place: _Values, shape: _Values, time: float) -> float:
    """How badly a face fits a track: 0 for the same box, infinite for one that cannot be its."""
    should = track.at(time)
    size = max(should[2], place[2])
    growth = size / min(should[2], place[2])
    apart = float(np.hypot(*(place[:2] - should[:2]))) / size
    reach = min(FARTHEST, REACH + DRIFT * max(0.0, time - track.time))
    if growth > GROWTH or apart > reach:
        return np.inf
    common = _overlap(should[:2], track.shape * should[2], place[:2], shape * place[2])
    return float((1 - common) + apart / FARTHEST + 0.2 * (growth - 1))


def _overlap(center: _Values, edges: _Values, other: _Values, others: _Values) -> float:
    """Share of the area of two boxes that they have in common (IoU)."""
    low = np.maximum(center - edges / 2, other - others / 2)
    high = np.minimum(center + edges / 2, other + others / 2)
    common = float(np.prod(np.maximum(0, high - low)))
    return float(common / float(np.prod(edges) + np.prod(others) - common))

"""What is kept of videos while their frames pass: tracks, states of recurrent models, filters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from affectzoo.inference.frames import Frame
from affectzoo.inference.inputs import Source

if TYPE_CHECKING:
    from affectzoo.faces.detect import Detection
    from affectzoo.faces.tracking import Tracker
    from affectzoo.inference.smoothing import Smoother

Track = tuple[int, int]
"""The video's place among those that passed, and the track's number in it."""


class Following:
    """Follows faces through videos, one video after the other.

    Attributes:
        states: What a recurrent model keeps of each track.
        smoother: What smooths predictions, where that is wanted.
    """

    def __init__(self, smooth: bool) -> None:
        """Begin before the first video.

        Args:
            smooth: Whether predictions are to be smoothed.
        """
        self.states: dict[Hashable, Any] = {}
        self.smoother: Smoother | None = None
        if smooth:
            from affectzoo.inference.smoothing import Smoother

            self.smoother = Smoother()
        self._source: Source | None = None
        self._tracker: Tracker | None = None
        self._video = 0

    def __call__(self, frame: Frame, faces: Sequence[Detection]) -> list[Track | None]:
        """Say of which track each face of a frame is; ``None`` for those of stills."""
        if frame.time is None:
            return [None] * len(faces)
        if self._tracker is None or frame.source is not self._source:
            from affectzoo.faces.tracking import Tracker

            self._source, self._tracker, self._video = frame.source, Tracker(), self._video + 1
        return [(self._video, number) for number in self._tracker.update(faces, frame.time)]

    def forget(self) -> None:
        """Drop what belongs to tracks that are over."""
        if self._tracker is None:
            return
        alive = {(self._video, number) for number in self._tracker.alive}
        self.states = {track: state for track, state in self.states.items() if track in alive}
        if self.smoother is not None:
            self.smoother.keep(alive)

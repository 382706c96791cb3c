"""Steadier predictions over a video: the one-euro filter on each track.

Casiez, Roussel and Vogel, "1 EUR Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012: what changes slowly is smoothed much, what changes fast is followed.
"""

from __future__ import annotations

import math
from collections.abc import Container, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from affectzoo.metrics.names import DIMENSIONS

_Values = npt.NDArray[np.float64]

SLOWEST = 0.5
"""Hertz below which all is kept, where nothing changes: less is smoother."""

QUICKNESS = 1.0
"""How many hertz more for each unit that the values change in a second: more follows faster."""

OF_SPEED = 1.0
"""Hertz below which changes of the speed itself are kept."""


@dataclass
class OneEuro:
    """One filter of several values that belong together, with one cutoff: a distribution stays one."""

    _value: _Values | None = None
    _speed: _Values = field(default_factory=lambda: np.zeros(1))
    _time: float = 0.0

    def __call__(self, value: _Values, time: float) -> _Values:
        """Filter the next values.

        Args:
            value: Shape (N,).
            time: Seconds; a time not after the last one's leaves the values as they were.

        Returns:
            Shape (N,).
        """
        if self._value is None:
            self._value, self._speed, self._time = value, np.zeros_like(value), time
            return value
        passed = time - self._time
        if passed > 0:
            speed = (value - self._value) / passed
            self._speed = self._speed + _share(OF_SPEED, passed) * (speed - self._speed)
            cutoff = SLOWEST + QUICKNESS * float(np.linalg.norm(self._speed))
            self._value = self._value + _share(cutoff, passed) * (value - self._value)
            self._time = time
        return self._value


def _share(cutoff: float, passed: float) -> float:
    """What of the newest value a low pass takes."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * passed))


class Smoother:
    """A filter for each track."""

    def __init__(self) -> None:
        self._filters: dict[tuple[Hashable, str], OneEuro] = {}

    def __call__(self, track: Hashable, time: float | None, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Filter the next predictions of a track.

        Args:
            track: Whose they are; ``None``, as in stills, is not filtered.
            time: Seconds.
            fields: Predictions as fields of ``FaceResult``.

        Returns:
            The same fields; the label is the likeliest class by the filtered probabilities.
        """
        found = dict(fields)
        if track is None or time is None:
            return found
        if shares := fields.get("probabilities"):
            values = self._filtered((track, "label"), list(shares.values()), time)
            found["probabilities"] = dict(zip(shares, values, strict=True))
            found["label"] = max(shares, key=found["probabilities"].__getitem__)
        if names := [name for name in DIMENSIONS if name in fields]:
            values = self._filtered((track, "va"), [fields[name] for name in names], time)
            found |= dict(zip(names, values, strict=True))
        return found

    def _filtered(self, key: tuple[Hashable, str], values: list[float], time: float) -> list[float]:
        found = self._filters.setdefault(key, OneEuro())(np.array(values), time)
        return [float(value) for value in found]

    def keep(self, tracks: Container[Hashable]) -> None:
        """Forget all other tracks."""
        self._filters = {key: kept for key, kept in self._filters.items() if key[0] in tracks}

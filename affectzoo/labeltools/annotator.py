"""How a person's trace follows what is shown: late, smoothed, and with noise.

Annotators of continuous affect react some time after what they see: 1 to 6 seconds in the analysis of
Mariooryad and Busso, "Correcting Time-Continuous Emotional Labels by Modeling the Reaction Lag of
Evaluators", IEEE TAC 6(2), 2015. They shift labels in time; the model here is our own and no paper's. It is a
simple one: a fixed delay, then a causal first-order low-pass filter, as of a hand that makes up for a share
of the distance in each moment. Its numbers are yours to choose. It makes labels to try methods on and is not
fitted to people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectzoo.errors import DataError, OptionError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Annotator:
    """A model of one annotator.

    Attributes:
        delay: Seconds between what is shown and the reaction to it, from 0 on.
        smoothing: Time constant of the filter, seconds: after so long a step is followed to 63 %. 0: at once.
        noise: Standard deviation of what the hand adds, on the scale of [-1, 1]; it is filtered like the
            trace, so that it drifts rather than trembles.
    """

    delay: float = 0.0
    smoothing: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < math.inf:
                raise OptionError(f"annotator: {name} is {value}, expected a number from 0 on")

    def annotate(self, shown: npt.ArrayLike, rate: float, seed: int = 0) -> Floats:
        """Say what the annotator notes while a recording is shown.

        Before anything was seen to change, the annotator is at the first value. Between frames, the trace is
        taken to go straight.

        Args:
            shown: Valence, arousal or both of each frame, shape (N,) or (N, D), in [-1, 1].
            rate: Frames per second.
            seed: Of the noise; the same seed gives the same noise.

        Returns:
            Of the same shape, in [-1, 1].

        Raises:
            DataError: There are no frames, or a value is not finite or outside [-1, 1].
            OptionError: The rate is no number above 0.
        """
        given = np.asarray(shown, dtype=np.float64)
        if given.ndim not in (1, 2) or not len(given) or not (np.abs(given) <= 1).all():
            raise DataError(
                f"annotator: values of shape {given.shape}, expected frames in [-1, 1], at least one"
            )
        if not 0 < rate < math.inf:
            raise OptionError(f"annotator: rate is {rate}, expected frames per second, above 0")
        trace = given.reshape(len(given), -1)
        frames = np.arange(len(trace))
        seen = np.stack([np.interp(frames - self.delay * rate, frames, one) for one in trace.T], axis=1)
        share = 1.0 if self.smoothing == 0 else 1 - math.exp(-1 / (rate * self.smoothing))
        # The filter leaves share / (2 - share) of white noise's variance.
        tremble = np.random.default_rng(seed).normal(
            0, self.noise * math.sqrt((2 - share) / share), seen.shape
        )
        moved, drift = np.empty_like(seen), np.empty_like(seen)
        place, hand = seen[0], np.zeros(seen.shape[1])
        for t in range(len(seen)):
            place = place + share * (seen[t] - place)
            hand = hand + share * (tremble[t] - hand)
            moved[t], drift[t] = place, hand
        noted: Floats = np.clip(moved + drift, -1, 1).reshape(given.shape)
        return noted

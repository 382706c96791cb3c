"""The one-euro filter: noise goes, changes stay, distributions stay distributions."""

from __future__ import annotations

import numpy as np
import pytest

from affectzoo.inference.smoothing import OneEuro, Smoother


def test_noise_goes_and_steps_are_followed() -> None:
    random = np.random.default_rng(0)
    truth = np.where(np.arange(250) < 125, -0.4, 0.6)
    noisy = truth + random.normal(0, 0.05, 250)
    one = OneEuro()
    found = np.array([one(np.array([value]), n / 25)[0] for n, value in enumerate(noisy)])
    still = slice(50, 125)
    assert found[still].std() < 0.6 * noisy[still].std()
    assert abs(found[125 + 12] - 0.6) < 0.15  # half a second after the step
    assert found[0] == noisy[0]


def test_distributions_stay_distributions_and_name_their_label() -> None:
    random = np.random.default_rng(0)
    smooth = Smoother()
    for n in range(50):
        shares = random.dirichlet((1, 1, 1))
        fields = {"label": "x", "probabilities": dict(zip("abc", shares.tolist(), strict=True))}
        found = smooth((1, 1), n / 25, fields)
        assert sum(found["probabilities"].values()) == pytest.approx(1)
        assert min(found["probabilities"].values()) >= 0
        assert found["label"] == max("abc", key=found["probabilities"].__getitem__)


def test_tracks_are_apart_and_stills_stay() -> None:
    smooth = Smoother()
    first = smooth((1, 1), 0.0, {"valence": 0.5, "arousal": -0.5})
    assert smooth((1, 2), 0.04, {"valence": -0.9, "arousal": 0.0}) == {"valence": -0.9, "arousal": 0.0}
    assert smooth(None, None, {"valence": -0.9}) == {"valence": -0.9}
    second = smooth((1, 1), 0.04, {"valence": -0.5, "arousal": -0.5})
    assert -0.5 < second["valence"] < first["valence"] and second["arousal"] == -0.5
    smooth.keep({(1, 2)})
    assert smooth((1, 1), 0.08, {"valence": -0.5})["valence"] == -0.5


def test_uneven_times_count() -> None:
    one = OneEuro()
    one(np.array([0.0]), 0.0)
    soon = one(np.array([1.0]), 0.01)[0]
    other = OneEuro()
    other(np.array([0.0]), 0.0)
    assert soon < other(np.array([1.0]), 1.0)[0]
    assert one(np.array([5.0]), 0.01)[0] == soon  # no time has passed

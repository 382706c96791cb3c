"""Tracks: one number for one person, through gaps, noise, crossing ways and frames far between."""

from __future__ import annotations

import numpy as np
import pytest

from affectzoo.errors import OptionError
from affectzoo.faces.detect import Detection
from affectzoo.faces.tracking import Tracker

Box = tuple[float, float, float, float]


def box(x: float, y: float, size: float = 40) -> Detection:
    return Detection((x - size / 2, y - size / 2, x + size / 2, y + size / 2), 0.9)


def test_one_face_is_one_track_through_noise() -> None:
    random = np.random.default_rng(0)
    tracker = Tracker()
    for number in range(200):
        jitter = random.normal(0, 2, 3)
        found = [box(50 + number + jitter[0], 60 + jitter[1], 40 + jitter[2])]
        assert tracker.update(found, number / 25) == [1]


def test_order_of_faces_changes_nothing() -> None:
    random = np.random.default_rng(0)
    tracker = Tracker()
    numbers: dict[int, set[int]] = {person: set() for person in range(5)}
    for frame in range(60):
        order = random.permutation(5)
        found = tracker.update([box(60 * person + frame, 50) for person in order], frame / 25)
        for person, number in zip(order, found, strict=True):
            numbers[person].add(number)
    assert sorted(len(seen) for seen in numbers.values()) == [1] * 5
    assert set.union(*numbers.values()) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(("gap", "same"), [(3, True), (20, True), (60, False)])
def test_short_occlusions_keep_the_number(gap: int, same: bool) -> None:
    tracker = Tracker()
    for frame in range(30):
        assert tracker.update([box(50 + 3 * frame, 60)], frame / 25) == [1]
    for frame in range(30, 30 + gap):
        assert tracker.update([], frame / 25) == []
    back = tracker.update([box(50 + 3 * (30 + gap), 60)], (30 + gap) / 25)
    assert back == [1 if same else 2]
    assert tracker.alive == set(back)


def test_people_who_cross_keep_their_numbers() -> None:
    """Where both are at one place, one face is found."""
    tracker = Tracker()
    for frame in range(80):
        left, right = 20 + 4 * frame, 340 - 4 * frame
        hidden = abs(left - right) < 35
        found = [box(left, 60)] if hidden else [box(left, 60), box(right, 64)]
        numbers = tracker.update(found, frame / 25)
        assert hidden or numbers == [1, 2], frame


def test_frames_far_between_are_followed() -> None:
    tracker = Tracker()
    for frame in range(10):
        assert tracker.update([box(50 + 15 * frame, 60), box(300, 80)], 2.0 * frame) == [1, 2]


def test_another_place_or_size_is_another_person() -> None:
    tracker = Tracker()
    assert tracker.update([box(50, 60)], 0) == [1]
    assert tracker.update([box(400, 60)], 0.04) == [2]
    assert tracker.update([box(50, 60, 90)], 0.08) == [3]


def test_whole_images_are_one_track() -> None:
    tracker = Tracker()
    assert [tracker.update([Detection(None)], time) for time in (0.0, 0.1, 9.0)] == [[1]] * 3


@pytest.mark.parametrize("wrong", [-1, float("nan")])
def test_patience_is_seconds(wrong: float) -> None:
    with pytest.raises(OptionError, match="patience"):
        Tracker(wrong)

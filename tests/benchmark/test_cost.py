from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from affectzoo import create_model
from affectzoo.benchmark import cost as module
from affectzoo.benchmark.cost import cost, timed
from affectzoo.errors import AffectZooError
from affectzoo.evaluation.machine import hardware
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models.base import AffectModel


class SmallTrunk(nn.Module):
    feature_dim = 5

    def __init__(self, landmarks: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 8 * 8 + 2 * landmarks, 5)
        self.landmarks = landmarks
        self.seen: list[int] = []

    def forward(self, image: torch.Tensor, landmarks: torch.Tensor | None = None) -> torch.Tensor:
        self.seen.append(len(image))
        features = self.conv(image).relu().flatten(1)
        if landmarks is not None:
            features = torch.cat([features, landmarks.flatten(1)], dim=1)
        return self.fc(features)  # type: ignore[no-any-return]


class Small(AffectModel):
    arch = "small"
    default_preprocess = Preprocess(size=8, color="gray")

    def __init__(self, landmarks: int = 0) -> None:
        super().__init__(SmallTrunk(landmarks), {}, labels=["anger", "fear", "neutral"])


CONV, FC, HEAD = 2 * 4 * 64 * 9, 2 * 256 * 5, 2 * 5 * 3


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.01)
    monkeypatch.setattr(module, "WARM_UP_SECONDS", 0.0)


def test_parameters_and_flops_by_hand() -> None:
    found = cost(Small(), batch_size=6)
    assert found["parameters"] == (9 + 1) * 4 + (256 + 1) * 5 + (5 + 1) * 3
    assert found["flops"] == CONV + FC + HEAD
    assert found["batch"] == 6
    assert found["device"] == "cpu"
    assert found["threads"] == torch.get_num_threads()
    assert found["latency_ms"] > 0 and found["throughput"] > 0
    json.dumps(found)


def test_landmarks_are_given_and_counted() -> None:
    assert cost(Small(landmarks=68), batch_size=2)["flops"] == CONV + FC + 2 * 136 * 5 + HEAD


def test_modes_threads_and_gradients_are_as_before() -> None:
    model = Small().train()
    model.trunk.conv.eval()  # type: ignore[union-attr, operator]
    before, random = torch.get_num_threads(), torch.get_rng_state()
    assert cost(model, batch_size=2, threads=1)["threads"] == 1
    assert torch.get_num_threads() == before
    assert model.training and model.trunk.training
    assert not model.trunk.conv.training  # type: ignore[union-attr]
    assert torch.equal(torch.get_rng_state(), random)
    assert not torch.is_inference_mode_enabled()
    assert all(not parameter.is_inference() for parameter in model.parameters())


def test_threads_and_modes_come_back_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    model, before = Small().train(), torch.get_num_threads()
    monkeypatch.setattr(model.trunk, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cost(model, threads=1)
    assert model.training and torch.get_num_threads() == before


def test_the_batch_is_halved_until_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Small()
    forward = model.trunk.forward

    def small_memory(image: torch.Tensor) -> Any:
        if len(image) > 20:
            raise torch.OutOfMemoryError("too small")
        return forward(image)

    monkeypatch.setattr(model.trunk, "forward", small_memory)
    assert cost(model)["batch"] == 16


def test_memory_for_not_even_one_face_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Small()

    def no_memory(image: torch.Tensor) -> Any:
        if image.device.type == "meta":
            return image.new_zeros(1, 5)
        raise torch.OutOfMemoryError("too small")

    monkeypatch.setattr(model.trunk, "forward", no_memory)
    with pytest.raises(torch.OutOfMemoryError, match="too small"):
        cost(model)


@pytest.mark.parametrize(("arch", "gates"), [("cnn_gru", 3), ("cnn_lstm", 4)])
def test_a_frame_has_its_share_of_a_window(arch: str, gates: int) -> None:
    options: dict[str, Any] = {"backbone": "resnet18", "landmarks": False, "units": 16}
    preprocess = Preprocess(size=32)
    frames = create_model(arch, task="va", preprocess=preprocess, **options)
    alone = create_model("resnet18", task="va", preprocess=preprocess)
    found = cost(frames, window=4, batch_size=8)
    recurrent = 2 * gates * 16 * (512 + 16 + 16 + 16)
    fully_connected, head = 2 * 512 * 512, 2 * 16 * 2
    assert (
        found["flops"]
        == cost(alone, batch_size=1)["flops"] - 2 * 512 * 2 + fully_connected + recurrent + head
    )
    assert found["batch"] == 8


def test_window_times_are_shared_among_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "timed", lambda *_: {"latency_ms": 12.0, "throughput": 5.0, "held_up": 0.0})
    model = create_model(
        "cnn_gru", task="va", preprocess=Preprocess(size=32), backbone="resnet18", landmarks=False
    )
    found = cost(model, window=4, batch_size=8)
    assert (found["latency_ms"], found["throughput"]) == (3.0, 20.0)


def test_options_out_of_range() -> None:
    with pytest.raises(AffectZooError, match="batch size 0"):
        cost(Small(), batch_size=0)


def test_timed_calls_one_face_and_all() -> None:
    sizes: list[int] = []

    def function(faces: np.ndarray) -> None:
        sizes.append(len(faces))
        time.sleep(0.002 * len(faces))

    found = timed(function, np.zeros((5, 8, 8)))
    assert set(sizes) == {1, 5}
    assert sizes.count(1) >= 4  # one to warm up, three timed
    assert found["latency_ms"] >= 2
    assert 0 < found["throughput"] <= 500


def test_timed_takes_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0.0, 9.0, *(t for s in (1.0, 5.0, 2.0) for t in (0.0, s))] * 2
    clock, ran = iter([0.0, *calls, 40.0]), iter([7.0, 17.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(time, "thread_time", lambda: next(ran))
    found = timed(len, [0] * 10)
    assert found == {"latency_ms": 2000.0, "throughput": 5.0, "held_up": 0.75}
    assert "busy machine" in (told := module.remark(found) or "") and "75%" in told
    assert module.remark(found | {"held_up": 0.2}) is None and module.remark(None) is None


def test_timed_needs_faces() -> None:
    with pytest.raises(AffectZooError, match="no faces"):
        timed(len, [])


def test_hardware_tells_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    found = hardware()
    assert set(found) == {"cpu", "cores", "gpu", "memory_gib"}
    assert found["cpu"] and 1 <= found["cores"] <= (os.cpu_count() or 1)
    assert found["memory_gib"] is None or found["memory_gib"] > 0.1
    text = json.dumps(found)
    assert platform.node() not in text and str(Path.home()) not in text
    monkeypatch.setattr(platform, "node", lambda: pytest.fail("asked for the host's name"))
    assert hardware() == found

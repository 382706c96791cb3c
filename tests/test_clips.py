"""Clips: windows, augmentation of all frames alike, recurrent models, batches that come back as frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import picture
from model_tester import ModelTester
from torch import nn

from affectzoo.datamodules import FaceDataModule
from affectzoo.datasets.clips import ClipDataset, windows
from affectzoo.datasets.dataset import FaceDataset, collate
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, DataError
from affectzoo.models import CNNGRU, CNNLSTM
from affectzoo.preprocess import Preprocess
from affectzoo.transforms import FaceTransform

RGB32 = Preprocess(size=32)


def clips(*lengths: int, landmarks: bool = True, subjects: int = 1) -> FaceIndex:
    """Clips of those lengths; a frame's valence is its number / 100, rows are in no order."""
    random = np.random.default_rng(0)
    rows = [
        {
            "path": f"{clip}/{frame}.png",
            "split": "train",
            "valence": frame / 100,
            "arousal": -clip / 100,
            "clip": f"{clip:03d}",
            "frame": frame,
            "subject": f"actor {clip % subjects}",
            "landmarks": random.uniform(4, 28, (68, 2)).astype(np.float32) if landmarks else None,
            "pixels": picture(random, 32, 32, 3),
            "source": f"clip {clip}, frame {frame}",
        }
        for clip, length in enumerate(lengths)
        for frame in range(length)
    ]
    return FaceIndex.from_rows(
        "clips", Path("nowhere"), None, [rows[i] for i in random.permutation(len(rows))]
    )


class Clips(FaceDataModule):
    def read_index(self) -> FaceIndex:
        return clips(7, 1, 12, 5, subjects=4)


def frames_of(index: FaceIndex, rows: list[int]) -> list[tuple[str, int]]:
    table = index.table
    return [(table["clip"][row], table["frame"][row]) for row in rows]


@pytest.mark.parametrize(
    ("length", "stride", "expected"),
    [
        (4, 4, [4, 3, 1, 4, 4]),
        (4, 2, [4, 4, 3, 1, 4, 4, 4]),
        (8, 8, [7, 1, 8]),
        (1, 1, [1] * 16),
    ],
)
def test_windows_cover_every_frame_in_order(length: int, stride: int, expected: list[int]) -> None:
    index = clips(7, 1, 8)
    found = [frames_of(index, rows) for rows in windows(index, length, stride)]
    assert [len(rows) for rows in found] == expected
    for rows in found:
        clip, first = rows[0]
        assert rows == [(clip, first + i) for i in range(len(rows))]
    covered = [frame for rows in found for frame in rows]
    assert set(covered) == set(frames_of(index, list(range(16))))
    assert (len(covered) == 16) == (length == stride)


def test_windows_refuse_what_makes_no_sense() -> None:
    for length, stride in ((0, 0), (4, 5), (4, 0)):
        with pytest.raises(AffectZooError, match="expected 1 <= stride <= window"):
            windows(clips(3), length, stride)
    index = clips(3)
    index.table.loc[1, "clip"] = None
    with pytest.raises(DataError, match="belong to no clip"):
        windows(index, 2, 2)


def test_short_windows_are_padded_with_frames_that_do_not_count() -> None:
    dataset = ClipDataset(FaceDataset(clips(5), FaceTransform(RGB32)), length=4, stride=4)
    batch = collate([dataset[i] for i in range(2)])
    assert batch["image"].shape == (2, 4, 3, 32, 32) and batch["landmarks"].shape == (2, 4, 68, 2)
    assert batch["mask"].tolist() == [[True] * 4, [True, False, False, False]]
    valence = batch["va"][..., 0]
    torch.testing.assert_close(valence[0], torch.tensor([0.0, 0.01, 0.02, 0.03]))
    assert valence[1, 0] == pytest.approx(0.04) and valence[1, 1:].isnan().all()
    assert torch.equal(batch["image"][1, 1], batch["image"][1, 0])
    assert (batch["label"][1, 1:] == -1).all()


def test_frames_of_a_window_are_augmented_alike() -> None:
    random = np.random.default_rng(0)
    face = picture(random, 32, 32, 3)
    points = random.uniform(4, 28, (68, 2)).astype(np.float32)
    transform = FaceTransform(RGB32, "modern")
    transform.seed(3)
    images, moved = transform.clip([face] * 5, [points, None, points, points, points])
    assert moved is not None
    for i in range(1, 5):  # but for the covered patch, whose colour is drawn for each frame
        assert (images[i] == images[0]).float().mean() > 0.85
    assert moved[1].isnan().all()
    torch.testing.assert_close(moved[4], moved[0])
    again, other = transform.clip([face] * 5, [points] * 5)
    assert other is not None and not torch.equal(again[0], images[0]) and not torch.equal(other[0], moved[0])


def test_landmarks_stay_on_their_spots_in_every_frame() -> None:
    faces, landmarks = [], []
    for frame in range(3):
        face = np.zeros((32, 32, 3), np.uint8)
        points = np.full((68, 2), 16.0, np.float32)
        points[30] = (10 + 4 * frame, 14)  # the tip of the nose mirrors onto itself
        face[14, 10 + 4 * frame] = 255
        faces.append(face)
        landmarks.append(points)
    transform = FaceTransform(Preprocess(size=24, resize=32), "five_crops")
    seen = set()
    for seed in range(20):
        transform.seed(seed)
        images, moved = transform.clip(faces, landmarks)
        assert moved is not None
        for image, points in zip(images, moved, strict=True):
            y, x = np.unravel_index(int(image[0].argmax()), (24, 24))
            assert points[30].tolist() == [x, y]
        seen.add(tuple(moved[0, 30].tolist()))
    assert len(seen) > 5


def module(**options: Any) -> Clips:
    return Clips("nowhere", preprocess=RGB32, num_workers=0, batch_size=2, **options)


def test_evaluation_sees_each_frame_once_whatever_the_stride() -> None:
    data = module(window=4, stride=1)
    data.setup("fit")
    valid = [batch for batch in data.val_dataloader()]
    assert sum(int(batch["mask"].sum()) for batch in valid) == len(data._part("valid").index)
    training, held = (set(data._part(part).index.table["subject"]) for part in ("train", "valid"))
    assert held and training and not held & training  # no person on both sides


def test_windows_take_no_resampling() -> None:
    data = module(window=4, imbalance="up")
    data.setup("fit")
    with pytest.raises(AffectZooError, match="imbalance up is for single faces"):
        data.train_dataloader()


class RecurrentTester(ModelTester):
    """Single faces are windows of one frame; here the windows."""

    feature_dim = 128
    channels, size = 3, 64

    @classmethod
    def build(cls, **arguments: Any) -> Any:
        settings = {"backbone": "resnet18", "landmarks": False, "preprocess": Preprocess(size=64)}
        model = super().build(**{**settings, **arguments})
        for norm in model.network.trunk.modules():  # timm starts residual branches at 0: no gradient yet
            if isinstance(norm, nn.BatchNorm2d) and not norm.weight.any():
                nn.init.ones_(norm.weight)
        return model

    @pytest.mark.filterwarnings("ignore:You are trying to `self.log")
    def test_training_step_reaches_every_parameter(self) -> None:
        model = self.build(landmarks=True, task="va", labels=None).train()
        dataset = ClipDataset(FaceDataset(clips(6), FaceTransform(Preprocess(size=64))), length=3, stride=3)
        model.training_step(collate([dataset[i] for i in range(2)]), 0).backward()
        for name, parameter in model.network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all() and parameter.grad.any(), name

    @torch.no_grad()
    def test_frames_depend_on_what_came_before_alone(self, model: CNNGRU) -> None:
        frames = torch.randn(2, 5, 3, 64, 64)
        whole = model(frames)
        assert whole.features.shape == (2, 5, 128) and whole.expression.shape == (2, 5, 7)
        torch.testing.assert_close(model(frames[:, :3]).features, whole.features[:, :3], rtol=1e-3, atol=1e-4)
        changed = frames.clone()
        changed[:, 0] += 1
        assert not torch.allclose(model(changed).features[:, 4], whole.features[:, 4])

    def test_landmarks_join_in(self) -> None:
        model = self.build(landmarks=True, task="va", labels=None).eval()
        frames, points = torch.randn(1, 2, 3, 64, 64), torch.rand(1, 2, 68, 2) * 64
        assert model.landmarks == 68
        assert not torch.allclose(model(frames, points).va, model(frames, points + 9).va)
        with pytest.raises(AffectZooError, match="needs 68 points"):
            model(frames)

    def test_clip_batches_come_back_as_frames(self) -> None:
        model = self.build(landmarks=True, task="va", labels=None)
        dataset = ClipDataset(FaceDataset(clips(5), FaceTransform(Preprocess(size=64))), length=4, stride=4)
        output, frames = model.predict_batch(collate([dataset[i] for i in range(2)]))
        assert output.va is not None and output.va.shape == (8, 2)
        assert frames["va"].shape == (8, 2) and frames["mask"].sum() == 5
        terms = model.loss_terms(output, frames)
        known = frames["mask"]
        torch.testing.assert_close(
            terms["va"], model.tasks[0].loss(output.va[known], {"va": frames["va"][known]})
        )


class TestCNNGRU(RecurrentTester):
    model_class = CNNGRU
    # ResNet-18: 11,176,512; FC 512: 512 * 512 + 512;
    # GRU: 3 * 128 * (512 + 128 + 2) and 3 * 128 * (128 + 128 + 2)
    trunk_parameters = 11_176_512 + 262_656 + 246_528 + 99_072


class TestCNNLSTM(RecurrentTester):
    model_class = CNNLSTM
    # as above, with four gates instead of three
    trunk_parameters = 11_176_512 + 262_656 + 328_704 + 132_096

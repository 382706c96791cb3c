"""Clips: windows, augmentation of all frames alike, recurrent models, batches that come back as frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import picture
from fakes.model_tester import ModelTester
from torch import nn

from affectzoo import weights as weights_files
from affectzoo.datamodules import FaceDataModule
from affectzoo.datamodules.clips import ClipDataset, windows
from affectzoo.datamodules.dataset import FaceDataset, collate, ground_truth
from affectzoo.datamodules.imbalance import resample_quadrants
from affectzoo.datamodules.transforms import Face, FaceTransform
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, DataError, OptionError, WeightsError
from affectzoo.evaluation.evaluate import Pass, evaluate
from affectzoo.faces.preprocess import Preprocess
from affectzoo.models import CNNGRU, CNNLSTM, ResNet18
from affectzoo.modules import lightning_module

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


def test_an_unreadable_frame_costs_its_window_nothing_but_itself() -> None:
    index = clips(5)
    first = windows(index, 4, 4)[0]
    index.table.at[first[1], "pixels"] = None  # and there is no such file
    faces = FaceDataset(index, FaceTransform(RGB32), on_unreadable="skip")
    dataset = ClipDataset(faces, length=4, stride=4)
    batch = collate([dataset[i] for i in range(2)])
    assert batch["mask"].tolist() == [[True] * 3 + [False], [True, False, False, False]]
    torch.testing.assert_close(batch["va"][0, :3, 0], torch.tensor([0.0, 0.02, 0.03]))
    assert len(batch["unreadable"]) == 1 and "0/1.png" in batch["unreadable"][0]
    index.table.at[windows(index, 4, 4)[1][0], "pixels"] = None
    lost = ClipDataset(FaceDataset(index, FaceTransform(RGB32), on_unreadable="skip"), length=4, stride=4)
    batch = collate([lost[0], lost[1]])
    assert batch["image"].shape == (2, 4, 3, 32, 32) and batch["image"].isfinite().all()
    assert batch["mask"].sum(dim=1).tolist() == [3, 0] and batch["landmarks"][1].isfinite().all()
    assert batch["va"][1].isnan().all() and (batch["label"][1] == -1).all()
    other = ClipDataset(FaceDataset(index, FaceTransform(RGB32), on_unreadable="replace"), length=4, stride=4)
    assert other[1]["index"].tolist() == lost[0]["index"].tolist() and len(other[1]["unreadable"]) == 1


def test_frames_of_a_window_are_augmented_alike() -> None:
    random = np.random.default_rng(0)
    pixels = picture(random, 32, 32, 3)
    face = Face(pixels, random.uniform(4, 28, (68, 2)).astype(np.float32))
    transform = FaceTransform(RGB32, "modern")
    images, moved = transform.clip([face, Face(pixels), face, face, face], seed=3)
    assert moved is not None
    for i in range(1, 5):  # but for the covered patch, whose color is drawn for each frame
        assert (images[i] == images[0]).float().mean() > 0.85
    assert moved[1].isnan().all()
    torch.testing.assert_close(moved[4], moved[0])
    again, other = transform.clip([face] * 5, seed=4)
    assert other is not None and not torch.equal(again[0], images[0]) and not torch.equal(other[0], moved[0])


def test_landmarks_stay_on_their_spots_in_every_frame() -> None:
    faces = []
    for frame in range(3):
        pixels = np.zeros((32, 32, 3), np.uint8)
        points = np.full((68, 2), 16.0, np.float32)
        points[30] = (10 + 4 * frame, 14)  # the tip of the nose mirrors onto itself
        pixels[14, 10 + 4 * frame] = 255
        faces.append(Face(pixels, points))
    transform = FaceTransform(Preprocess(size=24, resize=32), "five_crops")
    seen = set()
    for seed in range(20):
        images, moved = transform.clip(faces, seed)
        assert moved is not None
        for image, points in zip(images, moved.numpy(), strict=True):
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


def test_overlapping_windows_are_stitched_to_one_value_per_frame() -> None:
    model = CNNGRU(task="va", backbone="resnet18", landmarks=False, preprocess=Preprocess(size=32)).eval()
    index = clips(5)
    record = evaluate(model, index, Pass(2, window=4, stride=1))
    assert record["faces"]["total"] == 5 and record["clips"]["clips"] == 1
    meta = replace(model.describe(), window=4, eval_window=5)
    model.meta = meta  # as weights of a run say: windows without being told
    assert evaluate(model, index)["metrics"] == evaluate(model, index, Pass(window=5))["metrics"]
    assert evaluate(model, index)["metrics"] != evaluate(model, index, Pass(window=0))["metrics"]
    data = module(window=4, eval_stride=1)
    data._index = replace(index, table=index.table.assign(split="test"))
    data.setup("test")
    metric = model.predictions()
    with torch.inference_mode():
        for batch in data.test_dataloader():
            metric.update(*model.predict_batch(batch))
        rows = windows(index, 4, 1)
        assert [len(window) for window in rows] == [4, 4]
        pictures = [model.preprocess(pixels) for pixels in index.table["pixels"]]
        outputs = [model(torch.stack([pictures[row] for row in window])[None]).va[0] for window in rows]
    found = metric.compute(ground_truth(data.split_index("test")))
    for row in range(5):
        seen = [outputs[i][window.index(row)] for i, window in enumerate(rows) if row in window]
        expected = torch.stack(seen).mean(dim=0).double()
        torch.testing.assert_close(found.va[row], expected, rtol=1e-4, atol=1e-5)
    measured = record["metrics"]["ccc_valence"]["value"]
    assert measured == pytest.approx(model.score(found)["ccc_valence"].item(), abs=1e-4)


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"batch_size": -1}, {"num_workers": -1}])
def test_numbers_that_are_too_small_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(wrong))} is .*, expected at least"):
        Pass(**wrong)


def test_evaluation_may_have_longer_windows_than_training() -> None:
    data = module(window=2, eval_window=12)
    data.setup("fit")
    assert all(batch["image"].shape[1] == 2 for batch in data.train_dataloader())
    (batch,) = list(data.val_dataloader())
    assert batch["image"].shape[1] == 12 and int(batch["mask"].sum()) == len(data.split_index("valid"))


def test_quadrants_are_duplicated_to_their_shares() -> None:
    va = np.repeat([[0.5, 0.5], [-0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]], [430, 400, 40, 7], axis=0)
    rows = resample_quadrants(np.concatenate([va, [[np.nan, np.nan]]]))
    counts = np.unique(rows, return_counts=True)[1]
    assert len(counts) == 878  # nothing is excluded
    total = 400 / 0.24  # what exceeds its share most stays as it is
    quadrants = np.split(counts, [430, 830, 870, 877])
    assert [int(q.sum()) for q in quadrants] == [*(round(total * s) for s in (0.43, 0.24, 0.19, 0.14)), 1]
    assert all(q.max() - q.min() <= 1 for q in quadrants)


def test_windows_of_rare_quadrants_are_duplicated() -> None:
    data = module(window=4, imbalance="quadrants")
    data.setup("fit")
    dataset = data._part("train")
    means = dataset.mean_va()
    assert means.shape == (len(dataset), 2) and np.isfinite(means).all()
    batches = list(data.train_dataloader())
    served = sum(len(batch["image"]) for batch in batches)
    assert served >= len(resample_quadrants(means)) - data.batch_size
    assert len(resample_quadrants(means)) > len(dataset) or len({tuple(np.sign(m)) for m in means}) == 1


def test_windows_longer_than_every_clip_are_told() -> None:
    with pytest.warns(UserWarning, match=r"data\.window is 50, but the longest clip .* has"):
        module(window=50).setup("fit")


def test_training_and_evaluation_both_read_windows_or_both_do_not() -> None:
    with pytest.raises(OptionError, match=r"data\.eval_window"):
        module(eval_window=4).setup("fit")


class RecurrentTester(ModelTester):
    """Single faces are windows of one frame; here the windows."""

    feature_dim = 128
    channels, size = 3, 64

    @classmethod
    def build(cls, **arguments: Any) -> Any:
        settings = {"backbone": "resnet18", "landmarks": False, "preprocess": Preprocess(size=64)}
        model = super().build(**{**settings, **arguments})
        for norm in model.trunk.modules():  # timm starts residual branches at 0: no gradient yet
            if isinstance(norm, nn.BatchNorm2d) and not norm.weight.any():
                nn.init.ones_(norm.weight)
        return model

    @pytest.mark.filterwarnings("ignore:You are trying to `self.log")
    def test_training_step_reaches_every_parameter(self) -> None:
        model = lightning_module(self.build(landmarks=True, task="va", labels=None).train())
        dataset = ClipDataset(FaceDataset(clips(6), FaceTransform(Preprocess(size=64))), length=3, stride=3)
        model.training_step(collate([dataset[i] for i in range(2)]), 0).backward()
        for name, parameter in model.named_parameters():
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
        model = lightning_module(self.build(landmarks=True, task="va", labels=None))
        dataset = ClipDataset(FaceDataset(clips(5), FaceTransform(Preprocess(size=64))), length=4, stride=4)
        output, frames = model.predict_batch(collate([dataset[i] for i in range(2)]))
        assert output.va is not None and output.va.shape == (8, 2)
        assert frames["va"].shape == (8, 2) and frames["mask"].sum() == 5
        terms = model.loss_terms(output, frames)
        known = frames["mask"]
        torch.testing.assert_close(
            terms["va"], model.tasks[0].loss(output.va[known], {"va": frames["va"][known]})
        )


@pytest.mark.parametrize("landmarks", [False, True])
def test_backbone_starts_from_a_frame_models_weights(tmp_path: Path, landmarks: bool) -> None:
    common = {"landmarks": landmarks, "preprocess": RGB32, "task": "va"}
    frames = ResNet18(head_units=(512, 32), **common)
    path = tmp_path / "frames.safetensors"
    weights_files.write(path, frames.network_state(), frames.describe(), half=False)
    model = CNNGRU(backbone="resnet18", weights=str(path), new_head=True, landmarks=landmarks, task="va")
    assert model.preprocess == RGB32 and model.meta is None
    for name, tensor in model.trunk.frames.state_dict().items():
        assert torch.equal(tensor, frames.trunk.state_dict()[name]), name
    with pytest.raises(WeightsError, match="its trunk can start from them with new_head"):
        CNNGRU(backbone="resnet18", weights=str(path), landmarks=landmarks, task="va")
    with pytest.raises(WeightsError, match=r"weights of resnet18, not of cnn_gru"):
        CNNGRU(backbone="resnet50", weights=str(path), new_head=True, landmarks=landmarks, task="va")


def test_the_second_fully_connected_layer_may_feed_the_recurrent_ones(tmp_path: Path) -> None:
    """Kollias et al., section 4.2.1.3; all layers of a model of frames then start it."""
    frames = ResNet18(head_units=(512, 256), preprocess=RGB32, task="va")
    path = tmp_path / "frames.safetensors"
    weights_files.write(path, frames.network_state(), frames.describe(), half=False)
    start = {"weights": str(path), "new_head": True, "landmarks": False}
    model = CNNGRU(backbone="resnet18", fc_layers=2, task="va", **start).eval()
    assert model.trunk.rnn.input_size == 256
    assert {name: t.shape for name, t in model.trunk.frames.state_dict().items()} == {
        name: t.shape for name, t in frames.trunk.state_dict().items()
    }
    assert torch.equal(model.trunk.frames.fc[3].weight, frames.trunk.fc[3].weight)
    assert model.describe().arguments["fc_layers"] == 2
    with pytest.raises(OptionError):
        CNNGRU(backbone="resnet18", fc_layers=3, task="va")
    with pytest.raises(OptionError):
        CNNGRU(backbone="mobilenet_v1", fc_layers=2, task="va")


def test_backbone_refuses_weights_without_its_layer(tmp_path: Path) -> None:
    frames = ResNet18(landmarks=False, preprocess=RGB32, task="va")
    path = tmp_path / "frames.safetensors"
    weights_files.write(path, frames.network_state(), frames.describe())
    with pytest.raises(WeightsError, match=r"frames\.fc\.0\.weight is missing"):
        CNNGRU(backbone="resnet18", weights=str(path), new_head=True, landmarks=False, task="va")


class TestCNNGRU(RecurrentTester):
    model_class = CNNGRU
    # ResNet-18: 11,176,512; FC 512: 512 * 512 + 512;
    # GRU: 3 * 128 * (512 + 128 + 2) and 3 * 128 * (128 + 128 + 2)
    trunk_parameters = 11_176_512 + 262_656 + 246_528 + 99_072


class TestCNNLSTM(RecurrentTester):
    model_class = CNNLSTM
    # as above, with four gates instead of three
    trunk_parameters = 11_176_512 + 262_656 + 328_704 + 132_096

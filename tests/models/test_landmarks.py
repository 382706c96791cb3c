"""Landmarks: loss, metric, task, records, and where they lie in the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import picture, write_affectnet_npy
from fakes.described import described

import affectzoo
from affectzoo import weights
from affectzoo.benchmark.systems import ZooSystem
from affectzoo.cli import main
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import OptionError, UnknownNameError
from affectzoo.evaluation.evaluate import evaluation_table, measure, write_evaluation
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.protocols import PROTOCOLS
from affectzoo.evaluation.record import predictions, read_record
from affectzoo.evaluation.scoring import Part, score
from affectzoo.faces.preprocess import Preprocess
from affectzoo.inference.annotation import annotate
from affectzoo.inference.results import FaceResult
from affectzoo.losses.landmarks import wing
from affectzoo.metrics.landmarks import nme
from affectzoo.models.base import AffectModel
from affectzoo.sample import annotated_points
from affectzoo.tasks.landmarks import LandmarkLoss, LandmarkTask

NAN = float("nan")
SHAPE = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2)).astype(np.float32)
"""Landmarks in shares of a face's box."""


def always(points: np.ndarray = SHAPE) -> AffectModel:
    """A network that says the same of every face: points in shares of its input."""
    model = affectzoo.create_model("landmarks_s", preprocess=Preprocess(size=64, resize=64, color="gray"))
    torch.nn.init.zeros_(model.heads["points"].weight)
    model.heads["points"].bias.data = torch.from_numpy(points).flatten() * 2 - 1
    return model.eval()


def faces(count: int, off: float = 0.0) -> FaceIndex:
    """Ready crops of 128 px whose landmarks are ``SHAPE``, moved by a share of the distance of the eyes."""
    random = np.random.default_rng(0)
    points = SHAPE * 128 - 0.5
    points = points + np.float32(off) * np.linalg.norm(points[36] - points[45]) * np.array([1, 0], np.float32)
    rows: list[dict[str, Any]] = [
        {"path": f"{i}.png", "split": "test", "source": f"row {i}", "pixels": picture(random, 128, 128, 3)}
        | ({"landmarks": points} if i else {})
        for i in range(count)
    ]
    return FaceIndex.from_rows("fake", Path("nowhere"), None, rows)


def test_wing_by_hand() -> None:
    found = wing(torch.tensor([0.0, -2.0, 2.0, 10.0, 12.0]), 10.0, 2.0)
    ends = 10 * np.log(6)
    np.testing.assert_allclose(found, [0, 10 * np.log(2), 10 * np.log(2), ends, ends + 2], rtol=1e-6)


def test_nme_by_hand() -> None:
    true = torch.zeros(2, 68, 2)
    true[0, 45, 0] = 2.0  # the eyes' outer corners are 2 apart
    true[1] = NAN
    found = torch.zeros(2, 68, 2)
    found[0, 45, 0] = 2.0
    found[0, 0, 1] = 6.8
    each = nme(found.flatten(1), true.flatten(1))
    assert each[0].item() == pytest.approx(6.8 / 68 / 2) and each[1].isnan()


def test_loss_counts_annotated_faces_alone() -> None:
    batch = {
        "image": torch.zeros(3, 1, 64, 64),
        "landmarks": torch.full((3, 68, 2), 31.5),
        "mask": torch.tensor([True, True, False]),
    }
    batch["landmarks"][1] = NAN
    batch["points"] = annotated_points(batch)
    assert not batch["points"][0].any(), "31.5 is the middle of 64 pixels"
    assert batch["points"][1:].isnan().all()
    output = torch.full((3, 136), 0.02, requires_grad=True)
    loss = LandmarkTask(LandmarkLoss()).loss(output, batch)
    assert loss.item() == pytest.approx(10 * np.log(1.5), rel=1e-5), "one hundredth of the edge"
    loss.backward()
    assert output.grad is not None and output.grad[0].all() and not output.grad[1:].any()
    smooth = LandmarkTask(LandmarkLoss("smooth_l1")).loss(output, batch)
    assert smooth.item() == pytest.approx(0.5, rel=1e-5)
    with pytest.raises(UnknownNameError):
        LandmarkLoss("wings")  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        LandmarkLoss(width=0)


def test_what_takes_landmarks_cannot_learn_them() -> None:
    with pytest.raises(OptionError, match="takes landmarks"):
        affectzoo.models.VGG16(task="landmarks", landmarks=True, preprocess=Preprocess(size=32))
    with pytest.raises(UnknownNameError):
        affectzoo.create_model("dlp_cnn_s", task="landmarks")
    assert affectzoo.list_models(task="landmarks") == ["landmarks_s"]


def test_record_has_the_error_and_keeps_that_of_each_face(tmp_path: Path) -> None:
    record, tables = measure(always(), faces(5, off=0.1))
    figure = record["metrics"]["nme"]
    assert figure["value"] == pytest.approx(0.1, rel=1e-3)
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert record["protocol"]["task"] == "landmarks" and record["faces"]["total"] == 4, "one has no landmarks"
    path = write_evaluation(tmp_path, record, tables, "title")
    read = read_record(path)
    table = read_table(predictions(tmp_path, read))
    assert np.allclose(table["nme"], 0.1, rtol=1e-3)
    assert score([Part(table, None)])["metrics"] == record["metrics"]
    assert "NME" in [str(cell) for cell in evaluation_table(read, "title").columns[0].cells]
    moved, _ = measure(always(), faces(5, off=0.2))
    assert moved["protocol"]["truth"] != record["protocol"]["truth"], "landmarks are the ground truth"


def test_benchmarks_of_affect_refuse_it(tmp_path: Path) -> None:
    model = always()
    path = tmp_path / "model.safetensors"
    weights.write(path, model.network_state(), described(model.describe()))
    system = ZooSystem("points", str(path))
    for task in {protocol.task for protocol in PROTOCOLS.values()}:
        protocol = next(one for one in PROTOCOLS.values() if one.task == task)
        assert "a model for landmarks" in str(system.misfit(protocol))


def test_training_leaves_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``fit`` by the recipe, then ``validate``: monitor, golden face and record are of landmarks."""
    monkeypatch.chdir(tmp_path)
    root = write_affectnet_npy(tmp_path / "data", per_class=1)
    recipe = Path(affectzoo.__file__).parents[1] / "recipes" / "landmarks_s" / "affectnet.yaml"
    short = ["--trainer.max_epochs", "2", "--trainer.enable_progress_bar", "false", "--data.batch_size", "4"]
    given = ["--config", str(recipe), "--data.root", str(root), "--data.num_workers", "0"]
    assert main(["fit", *given, *short, "--run_dir", "run"]) == 0
    assert main(["validate", *given, "--model.weights", "run", "--run_dir", "run"]) == 0
    (record,) = (read_record(path) for path in Path("run").glob("records/*.json"))
    assert set(record["metrics"]) == {"nme"}
    assert affectzoo.load("run").meta.task == "landmarks"  # type: ignore[union-attr]


@pytest.mark.parametrize("box", [None, (10.0, 20.0, 70.0, 90.0), (-30.0, 5.0, 50.0, 60.0)])
def test_points_go_back_to_the_image_the_way_they_came(box: tuple[float, float, float, float] | None) -> None:
    image = np.zeros((100, 90, 3), np.uint8)
    preprocess = Preprocess(size=48, resize=56, margin=0.2)
    given = np.random.default_rng(1).uniform(0, 90, (68, 2)).astype(np.float32)
    pixels = torch.from_numpy(preprocess.input_points(given, image, box))
    batch = {"landmarks": pixels[None], "image": torch.zeros(1, 3, 48, 48), "mask": torch.tensor([True])}
    found = preprocess.image_points(annotated_points(batch)[0].numpy(), preprocess.region(image, box))
    np.testing.assert_allclose(found, given, atol=1e-3)


def test_prediction_says_where_the_points_are_in_the_image(tmp_path: Path) -> None:
    image = picture(np.random.default_rng(0), 200, 160, 3)
    (face,) = affectzoo.predict(image, always(), boxes=[(20.0, 40.0, 84.0, 104.0)])
    np.testing.assert_allclose(face.landmarks, SHAPE * 64 + (20, 40) - 0.5, atol=1e-3)
    assert face.told() == ["68 landmarks"] and face.label is None
    predictor = affectzoo.Predictor(always(), "none")
    assert predictor.columns[-2:] == ["landmarks", "error"]
    assert "landmarks" not in affectzoo.Predictor(detector="none").columns


def test_points_are_drawn_in_pictures_of_many_faces() -> None:
    image = np.full((300, 500, 3), 128, np.uint8)
    left, right = (tuple((x, y) for x, y in (SHAPE * 100 + at).tolist()) for at in ((50, 50), (300, 50)))
    results = [FaceResult("a", (50, 50, 150, 150), landmarks=left)]
    results.append(FaceResult("a", (300, 50, 400, 150), landmarks=right))
    drawn = annotate(image, results)
    changed = (drawn != image).any(axis=2)
    assert all(changed[round(y), round(x)] for x, y in (*left, *right))

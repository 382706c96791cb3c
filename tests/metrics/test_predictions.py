"""Predictions gathered over an evaluation: each face once, clips from their frames."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from fakes import picture
from fakes.records import make_value_record

import affectzoo
from affectzoo.datamodules.dataset import ground_truth
from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.evaluation.evaluate import Pass, evaluate, evaluation_table, write_evaluation
from affectzoo.evaluation.measurement import measurement
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.record import read_records
from affectzoo.labels import label_space
from affectzoo.metrics.predictions import Predicted, Predictions
from affectzoo.sample import AffectOutput, ClipRule, GroundTruth

NAN = math.nan

GATHERING = """
import torch
from torch.utils.data import default_collate
from affectzoo.metrics.predictions import Predictions
from affectzoo.sample import AffectOutput

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

gathered = Predictions(8, 0)
for number in range(60):
    if number == 10:
        before = resident()
    samples = [{"image": torch.ones(3, 96, 96), "index": i, "mask": True} for i in range(64)]
    gathered.update(AffectOutput(torch.ones(64, 1), torch.ones(64, 8)), default_collate(samples))
print(resident() - before)
"""
"""How much memory, MiB, 50 batches of 7 MiB leave behind."""


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs Linux' account of memory")
def test_batches_leave_no_memory_behind() -> None:
    told = subprocess.run([sys.executable, "-c", GATHERING], capture_output=True, text=True, check=True)
    assert float(told.stdout) < 100


def truth(faces: int, rows: list[int], classes: int, **known: list[object]) -> GroundTruth:
    """The ground truth of so many faces, of which some rows are known; what is not given is unknown."""
    label, clip = (torch.full((faces,), -1) for _ in range(2))
    va = torch.full((faces, 2), NAN)
    for name, column in (("label", label), ("clip", clip), ("va", va)):
        if name in known:
            column[rows] = torch.tensor(known[name], dtype=column.dtype)
    return GroundTruth(label, torch.full((faces, classes), NAN), va, clip)


def gather(*batches: dict[str, list[object]], classes: int = 0, dimensions: int = 2) -> Predicted:
    metric, rows = Predictions(classes, dimensions), []
    known: dict[str, list[object]] = {}
    for values in batches:
        rows += values["index"]
        for name in ("label", "clip", "va"):
            known |= {name: known.get(name, []) + values[name]} if name in values else {}
        index = torch.tensor(values["index"])
        scores, va = (torch.tensor(values[k]) if k in values else None for k in ("scores", "predicted_va"))
        mask = torch.tensor(values.get("mask", [True] * len(index)))
        metric.update(AffectOutput(index, scores, va), {"index": index, "mask": mask})
    return metric.compute(truth(max(rows) + 1, rows, classes, **known))


def test_a_frame_seen_in_several_windows_counts_once_with_its_mean() -> None:
    found = gather(
        {"index": [4, 2], "va": [[0.5, 0.1], [NAN, NAN]], "predicted_va": [[0.2, 0.0], [0.9, 0.9]]},
        {
            "index": [4, 4, 7],
            "va": [[0.5, 0.1]] * 2 + [[0.3, 0.3]],
            "predicted_va": [[0.4, 0.3]] * 2 + [[1.0, 1.0]],
        },
    )
    assert found.row.tolist() == [2, 4, 7]
    assert found.va[1].tolist() == pytest.approx([1 / 3, 0.2])
    assert found.target[1].tolist() == pytest.approx([0.5, 0.1]) and found.target[0].isnan().all()
    assert found.clip.tolist() == [-1] * 3 and found.expression.shape == (3, 0)


def test_frames_that_fill_a_window_up_do_not_count() -> None:
    found = gather(
        {
            "index": [0, 1, 1],
            "mask": [True, True, False],
            "predicted_va": [[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]],
        }
    )
    assert found.row.tolist() == [0, 1] and found.va[1].tolist() == [1.0, 1.0]


def test_valence_of_a_clip_is_the_mean_of_its_annotated_frames() -> None:
    clips = gather(
        {
            "index": [0, 1, 2, 3, 4],
            "clip": [1, 1, 1, 0, -1],
            "va": [[0.2, 0.4], [0.4, 0.0], [NAN, NAN], [NAN, NAN], [0.9, 0.9]],
            "predicted_va": [[0.1, 0.0], [0.3, 0.2], [9.0, 9.0], [0.5, 0.5], [7.0, 7.0]],
        }
    ).by_clip()
    assert clips.row.tolist() == [0, 1]  # the face of no clip is in none
    assert clips.target[1].tolist() == pytest.approx([0.3, 0.2])
    assert clips.va[1].tolist() == pytest.approx([0.2, 0.1])
    assert clips.target[0].isnan().all()


# Two frames are slightly for class 0, one is strongly for class 1.
SCORES = [[1.0, 0.0, -9.0], [1.0, 0.0, -9.0], [-4.0, 2.0, -9.0]]


@pytest.mark.parametrize(
    ("rule", "winner"),
    [("logits", 1), ("probabilities", 1), ("vote", 0)],
)
def test_class_of_a_clip_by_each_rule(rule: ClipRule, winner: int) -> None:
    frames = gather(
        {"index": [0, 1, 2], "clip": [0] * 3, "label": [1] * 3, "scores": SCORES}, classes=3, dimensions=0
    )
    clip = frames.by_clip(rule)
    assert clip.label.tolist() == [1] and clip.expression.argmax(dim=1).tolist() == [winner]
    scores = np.array(SCORES)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    found = clip.expression.softmax(dim=1)[0].numpy()
    if rule == "logits":
        np.testing.assert_allclose(clip.expression[0].numpy(), scores.mean(axis=0))
    elif rule == "probabilities":
        np.testing.assert_allclose(found, shares.mean(axis=0), atol=1e-12)
    else:
        np.testing.assert_allclose(found, [2 / 3, 1 / 3, 0], atol=1e-5)


def test_a_tied_vote_goes_to_the_surer_frames() -> None:
    frames = gather(
        {"index": [0, 1], "clip": [0, 0], "scores": [[1.0, 0.0], [0.0, 3.0]]}, classes=2, dimensions=0
    )
    assert frames.by_clip("vote").expression.argmax(dim=1).tolist() == [1]


def test_a_clip_whose_frames_differ_has_no_class() -> None:
    values = {"index": [0, 1, 2, 3], "clip": [0, 0, 1, 1], "label": [0, 1, 1, 1], "scores": [[1.0, 0.0]] * 4}
    clips = gather(values, classes=2, dimensions=0).by_clip()
    assert clips.label.tolist() == [-1, 1]


def test_a_clip_keeps_its_class_though_some_frames_have_none() -> None:
    frames = {"index": [0, 1, 2, 3, 4], "clip": [0, 0, 0, 1, 1], "label": [-1, 1, 1, -1, -1]}
    clips = gather({**frames, "scores": [[1.0, 0.0]] * 5}, classes=2, dimensions=0).by_clip()
    assert clips.label.tolist() == [1, -1]


def clips_of_faces() -> FaceIndex:
    """Two clips of three frames in a clip-wise class, and two faces of no clip."""
    space, random = label_space("rafdb7"), np.random.default_rng(0)
    rows = [
        {
            "path": f"{i}.png",
            "split": "test",
            "label": (name := space.names[i // 3]),
            "target": one_hot(space, name),
            "valence": i / 10,
            "arousal": -i / 10,
            "clip": "ab"[i // 3] if i < 6 else None,
            "frame": i if i < 6 else None,
            "subject": "someone",
            "pixels": picture(random, 16, 16, 3),
            "source": f"row {i}",
        }
        for i in range(8)
    ]
    return FaceIndex.from_rows("fake", Path("nowhere"), space, rows)


def test_evaluation_reports_faces_and_clips() -> None:
    model = affectzoo.create_model("dlp_cnn_s", task="multitask", labels="rafdb7", clip_rule="vote").eval()
    index = clips_of_faces()
    record = evaluate(model, index, Pass(3))
    assert record["faces"]["total"] == 8 and sum(map(sum, record["confusion"])) == 8
    clips = record["clips"]
    assert clips["clips"] == 2 and clips["rule"] == "vote"
    figures = {name: figure["value"] for name, figure in clips["metrics"].items()}
    assert figures["accuracy"] in (0, 0.5, 1) and -1 <= figures["ccc_valence"] <= 1
    shown = evaluation_table(record, "title").columns[0]._cells
    assert "accuracy" in shown and "accuracy per clip" in shown
    without = FaceIndex.from_rows(
        "fake", Path("nowhere"), index.labels, index.table.assign(clip=None).to_dict("records")
    )
    assert evaluate(model, without)["clips"] is None


def test_errors_are_given_on_the_data_sets_own_scale_too() -> None:
    model = affectzoo.create_model("dlp_cnn_s", task="va").eval()
    faces = clips_of_faces()
    index = replace(faces, labels=None, scale=10.0, table=faces.table.assign(label=None, target=None))
    record = evaluate(model, index)
    for metrics in (record["metrics"], record["clips"]["metrics"]):
        found = {name: figure["value"] for name, figure in metrics.items()}
        assert found["own_scale_rmse_valence"] == pytest.approx(10 * found["rmse_valence"])
        assert found["own_scale_mse_arousal"] == pytest.approx(100 * found["mse_arousal"])
        assert "own_scale_ccc_valence" not in found
    assert not any("own_scale" in name for name in evaluate(model, replace(index, scale=1.0))["metrics"])


def test_predictions_stand_beside_the_truth() -> None:
    model = affectzoo.create_model("dlp_cnn_s", task="multitask", labels="rafdb7").eval()
    index = clips_of_faces()
    metric = model.predictions()
    images = torch.stack([model.preprocess(pixels) for pixels in index.table["pixels"]])
    with torch.inference_mode():
        output = model(images)
    index.table.loc[3, "label"] = None
    metric.update(output, {"index": torch.arange(8), "mask": torch.ones(8, dtype=torch.bool)})
    _, tables = measurement(model, metric.compute(ground_truth(index)), index)
    table = tables[".csv"]
    assert table["file"].tolist() == index.table["path"].tolist()
    assert table["true_label"].tolist()[:3] == ["surprise"] * 3 and pd.isna(table["true_label"][3])
    shares = output.expression.softmax(dim=1)
    assert table["label"].tolist() == [model.labels.names[i] for i in shares.argmax(dim=1)]
    np.testing.assert_allclose(table["p_fear"], shares[:, model.labels.index("fear")], atol=1e-6)
    np.testing.assert_allclose(table["arousal"], output.va[:, 1], atol=1e-6)
    np.testing.assert_allclose(table["true_valence"].astype(float), index.table["valence"].astype(float))


def test_values_and_clips_are_drawn(tmp_path: Path, figures_drawn: None) -> None:
    frames = 30
    table = pd.DataFrame(
        {
            "file": [f"{i}.png" for i in range(2 * frames)],
            "subject": "a",
            "clip": ["x"] * frames + ["y"] * frames,
            "frame": [*range(frames), *range(frames)],
            "true_valence": np.sin(np.arange(2 * frames) / 9),
            "valence": np.sin(np.arange(2 * frames) / 9 + 0.2),
            "true_arousal": NAN,  # not annotated: no panel
            "arousal": 0.0,
        }
    )
    record = make_value_record("x", [0.5])
    write_evaluation(tmp_path, record, {".csv": table.assign(id=range(2 * frames))}, "title")
    folder = tmp_path / "plots" / record["key"]
    assert {path.name for path in folder.iterdir()} == {"valence_arousal.png", "traces.png"}
    for name in ("valence_arousal.png", "traces.png"):
        drawn = cv2.imread(str(folder / name))
        assert drawn is not None and min(drawn.shape[:2]) > 300 and drawn.std() > 10
    assert len(read_table(tmp_path / "predictions" / f"{record['key']}.csv")) == 2 * frames
    assert read_records(tmp_path)[0]["metrics"] == record["metrics"]
    write_evaluation(tmp_path / "still", record, {".csv": table.assign(clip=None, true_valence=NAN)}, "title")
    assert not (tmp_path / "still" / "plots").exists()

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from affectzoo.labels import label_space
from affectzoo.metrics.classification import class_metrics, recalls
from affectzoo.metrics.expression import expression_metrics
from affectzoo.metrics.predictions import Predictions
from affectzoo.sample import AffectOutput, GroundTruth
from affectzoo.tasks.expression import ExpressionLoss, ExpressionTask

SPACE = label_space("rafdb7")
CLASSES = len(SPACE)


def random_faces(faces: int, classes: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores that favor the true class, and labels of these classes alone."""
    labels = torch.tensor(classes)[torch.randint(len(classes), (faces,))]
    scores = torch.randn(faces, CLASSES)
    scores[torch.arange(faces), labels] += 1
    return scores, labels


CASES = {
    "all classes": (500, list(range(CLASSES))),
    "absent classes": (60, [0, 2, 5]),
    "one class": (20, [3]),
    "one face": (1, [6]),
}


@pytest.mark.parametrize(("faces", "classes"), CASES.values(), ids=CASES)
def test_metrics_are_sklearns(faces: int, classes: list[int]) -> None:
    scores, labels = random_faces(faces, classes)
    metrics = expression_metrics(SPACE)
    metrics.update(scores, labels)
    found = metrics.compute()

    true, said = labels.numpy(), scores.argmax(dim=1).numpy()
    np.testing.assert_array_equal(found["confusion"], confusion_matrix(true, said, labels=range(CLASSES)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "accuracy": accuracy_score(true, said),
            "mean_diagonal": recall_score(true, said, average="macro", labels=np.unique(true)),
            "f1": f1_score(true, said, average="macro", labels=np.unique(true)),
            "weighted_f1": f1_score(true, said, average="weighted"),
        }
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, abs=1e-6), name


def test_training_and_papers_metrics_agree_on_classes_without_faces() -> None:
    scores, labels = random_faces(60, [0, 2, 5])
    metrics = expression_metrics(SPACE)
    metrics.update(scores, labels)
    assert (scores.argmax(dim=1) == 1).any()  # a class that no face has
    averages = class_metrics(scores, labels).averages()
    for name in ("accuracy", "mean_diagonal", "f1", "weighted_f1"):
        assert metrics.compute()[name].item() == pytest.approx(averages[name].item(), abs=1e-6)


@pytest.mark.parametrize("sizes", [(100,), (1, 99), (33, 33, 34), (64, 36)])
def test_batches_count_as_one(sizes: tuple[int, ...]) -> None:
    scores, labels = random_faces(100, [0, 1, 2, 4])
    whole, parts = expression_metrics(SPACE), expression_metrics(SPACE)
    whole.update(scores, labels)
    for batch in zip(scores.split(sizes), labels.split(sizes), strict=True):
        parts.update(*batch)
    torch.testing.assert_close(parts.compute(), whole.compute(), rtol=0, atol=0)


def test_recalls_leave_out_classes_without_faces() -> None:
    confusion = torch.tensor([[3, 1, 0], [0, 0, 0], [2, 0, 2]])
    found = recalls(confusion).tolist()
    assert found[0] == 0.75 and math.isnan(found[1]) and found[2] == 0.5


def test_task_counts_only_labelled_faces() -> None:
    task = ExpressionTask(SPACE, ExpressionLoss())
    gathered = Predictions(CLASSES, 0)
    for rows in ((0, 1, 2), (3, 4, 5)):
        logits = torch.eye(CLASSES)[[0, 1, 2]]
        batch = {"index": torch.tensor(rows), "mask": torch.ones(3, dtype=torch.bool)}
        gathered.update(AffectOutput(logits, logits), batch)
    unknown = torch.full((6, 2), torch.nan)
    truth = GroundTruth(torch.tensor([0, -1, 1, -1, -1, -1]), unknown, unknown, torch.full((6,), -1))
    found = task.score(gathered.compute(truth))
    assert found["confusion"].sum() == 2
    assert found["accuracy"] == 0.5


def test_task_weighs_classes_in_training_only() -> None:
    task = ExpressionTask(SPACE, ExpressionLoss(class_weights="inverse"))
    task.use_class_counts(np.array([1, 4, 4, 4, 4, 4, 4]))
    logits, batch = torch.zeros(1, CLASSES), {"target": torch.eye(CLASSES)[[1]]}
    assert task.train().loss(logits, batch).item() == pytest.approx(math.log(CLASSES) / 4)
    assert task.eval().loss(logits, batch).item() == pytest.approx(math.log(CLASSES))


def test_task_uses_max_target_in_training_only() -> None:
    task = ExpressionTask(SPACE, ExpressionLoss("max_target"))
    logits = torch.tensor([[2.0] + [0.0] * 6])
    batch = {"target": torch.tensor([[0.5, 0.5] + [0.0] * 5])}
    log_p = logits.log_softmax(dim=1)[0]
    assert task.train().loss(logits, batch).item() == pytest.approx(-(log_p[0] + math.log(0.5)).item())
    assert task.eval().loss(logits, batch).item() == pytest.approx(-(log_p[0] + log_p[1]).item() / 2)


def test_weighted_f1_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    truth = random.choice(5, 200, p=[0.6, 0.2, 0.1, 0.1, 0.0])  # the last class has no face
    scores = random.random((200, 5)) + 0.5 * np.eye(5)[truth]
    found = class_metrics(scores, truth).averages()
    predicted = scores.argmax(axis=1)
    assert found["weighted_f1"] == pytest.approx(f1_score(truth, predicted, average="weighted"))
    macro = f1_score(truth, predicted, average="macro", labels=range(4))
    assert found["f1"] == pytest.approx(macro) and abs(found["f1"] - found["weighted_f1"]) > 0.01

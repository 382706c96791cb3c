"""The figures of a benchmark against scikit-learn and plain NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes.references import ccc
from sklearn import metrics as reference

from affectzoo.datasets.index import FaceIndex, one_hot
from affectzoo.evaluation.predictions import Answers
from affectzoo.evaluation.scoring import Part, score
from affectzoo.labels import LabelSpace

SPACE = LabelSpace(("calm", "glad", "tense"), "three")
NAMES = np.array(SPACE.names)
BY_CLASS = {"average": "macro", "multi_class": "ovr"}


def index(
    labels: Any, va: np.ndarray | None = None, clips: Any = None, subjects: Any = None, scale: float = 1.0
) -> FaceIndex:
    count = len(labels)
    rows = [
        {
            "path": f"{i}.png",
            "split": "test",
            "label": labels[i],
            "target": None if labels[i] is None else one_hot(SPACE, labels[i]),
            "valence": None if va is None or np.isnan(va[i, 0]) else float(va[i, 0]),
            "arousal": None if va is None or np.isnan(va[i, 1]) else float(va[i, 1]),
            "clip": None if clips is None else clips[i],
            "frame": None if clips is None else i,
            "subject": None if subjects is None else subjects[i],
        }
        for i in range(count)
    ]
    found = FaceIndex.from_rows("made_up", Path("nowhere"), SPACE, rows)
    return FaceIndex(found.dataset, found.root, SPACE, found.table, scale=scale)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def shares(random: np.random.Generator, truth: np.ndarray, strength: float = 2.0) -> np.ndarray:
    logits = random.normal(size=(len(truth), 3)) + strength * np.eye(3)[truth]
    raised = np.exp(logits)
    found: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return found


def values_of(result: dict[str, Any], part: str = "metrics") -> dict[str, float]:
    return {name: told["value"] for name, told in result[part].items()}


def test_classes_are_scored_as_scikit_learn_does(random: np.random.Generator) -> None:
    truth = random.choice(3, 400, p=[0.6, 0.3, 0.1])
    scores = shares(random, truth, 1.0)
    result = score([Part.of(index(NAMES[truth]), Answers(scores), SPACE)])
    guess, found = scores.argmax(axis=1), values_of(result)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, guess), abs=1e-9)
    assert found["mean_diagonal"] == pytest.approx(reference.balanced_accuracy_score(truth, guess), abs=1e-9)
    assert found["f1"] == pytest.approx(reference.f1_score(truth, guess, average="macro"), abs=1e-9)
    assert found["multiclass_kappa"] == pytest.approx(reference.cohen_kappa_score(truth, guess), abs=1e-9)
    assert found["auc"] == pytest.approx(reference.roc_auc_score(truth, scores, **BY_CLASS), abs=1e-9)
    binary = np.eye(3)[truth]
    assert found["auc_pr"] == pytest.approx(reference.average_precision_score(binary, scores), abs=1e-9)
    assert result["confusion"] == reference.confusion_matrix(truth, guess).tolist()
    precision = reference.precision_score(truth, guess, average=None)
    told = [result["per_class"][name]["precision"] for name in SPACE.names]
    assert told == pytest.approx(precision.tolist(), abs=1e-9)
    assert result["interval"] == {"level": 0.95, "resamples": 1000, "units": "faces"}
    for figure in result["metrics"].values():
        assert figure["low"] < figure["value"] < figure["high"]
    even = values_of(result, "normalised")["accuracy"]  # equal classes: accuracy is the mean diagonal
    assert even == pytest.approx(found["mean_diagonal"], abs=0.02)


def test_values_are_scored_on_both_scales(random: np.random.Generator) -> None:
    target = random.uniform(-1, 1, (300, 2))
    va = np.clip(target + random.normal(0, 0.3, target.shape), -1, 1)
    table = index([None] * 300, target, scale=10.0)
    found = values_of(score([Part.of(table, Answers(va=va), None)]))
    error = np.sqrt(((va - target) ** 2).mean(axis=0))
    assert found["rmse_valence"] == pytest.approx(error[0], abs=1e-9)
    assert found["own_scale_rmse_arousal"] == pytest.approx(10 * error[1], abs=1e-8)
    assert found["own_scale_mse_valence"] == pytest.approx(100 * error[0] ** 2, abs=1e-7)
    assert found["ccc_arousal"] == pytest.approx(ccc(va[:, 1], target[:, 1]), abs=1e-9)
    assert found["ccc"] == pytest.approx((found["ccc_valence"] + found["ccc_arousal"]) / 2, abs=1e-12)
    assert found["pcc_valence"] == pytest.approx(np.corrcoef(va[:, 0], target[:, 0])[0, 1], abs=1e-9)


def test_interval_of_values_is_the_bootstraps(random: np.random.Generator) -> None:
    """Drawn here face by face, without counts."""
    target = random.uniform(-1, 1, (60, 2))
    va = target + random.normal(0, 0.3, target.shape)
    people = [f"p{i // 6}" for i in range(60)]
    result = score([Part.of(index([None] * 60, target, subjects=people), Answers(va=va), None)])
    assert result["interval"]["units"] == "subjects"
    drawn = np.random.default_rng(11)
    groups = np.arange(60).reshape(10, 6)
    errors = []
    for _ in range(4000):
        rows = groups[drawn.integers(0, 10, 10)].ravel()
        errors.append(np.sqrt(((va[rows, 0] - target[rows, 0]) ** 2).mean()))
    told = result["metrics"]["rmse_valence"]
    low, high = np.quantile(errors, [0.025, 0.975])
    assert (told["low"], told["high"]) == (pytest.approx(low, abs=0.012), pytest.approx(high, abs=0.012))


def test_faces_without_an_answer_are_counted_both_ways() -> None:
    truth = np.array([0, 0, 1, 1, 2, 2])
    scores = np.eye(3)[truth]
    scores[5] = np.nan
    result = score([Part.of(index(NAMES[truth]), Answers(scores), SPACE)])
    assert values_of(result)["accuracy"] == 1
    told = values_of(result, "metrics_all")
    assert told["accuracy"] == pytest.approx(5 / 6)
    assert told["mean_diagonal"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert told["f1"] == pytest.approx((1 + 1 + 2 / 3) / 3)  # nothing is wrongly taken for the third class
    assert sum(map(sum, result["confusion"])) == 5


def test_values_without_an_answer_count_as_neutral() -> None:
    target = np.array([[0.5, 0.0], [-0.5, 0.5], [0.3, -0.5]])
    va = target.copy()
    va[2] = np.nan
    result = score([Part.of(index([None] * 3, target), Answers(va=va), None)])
    assert values_of(result)["rmse_valence"] == 0
    assert values_of(result, "metrics_all")["rmse_valence"] == pytest.approx(0.3 / np.sqrt(3))
    assert values_of(result, "metrics_all")["rmse_arousal"] == pytest.approx(0.5 / np.sqrt(3))


def test_all_answered_has_no_second_way(random: np.random.Generator) -> None:
    truth = np.array([0, 1, 2, 0])
    assert "metrics_all" not in score([Part.of(index(NAMES[truth]), Answers(shares(random, truth)), SPACE)])


def test_named_classes_have_no_curves() -> None:
    truth = np.array([0, 1, 2, 0])
    result = score([Part.of(index(NAMES[truth]), Answers(np.eye(3)[[0, 1, 1, 0]], kind="labels"), SPACE)])
    assert values_of(result)["accuracy"] == 0.75
    for where in (result["metrics"], result["normalised"], result["per_class"]["calm"]):
        assert not {"auc", "auc_pr", "f1_top2"} & set(where)


def test_folds_are_averaged_and_their_faces_counted_together(random: np.random.Generator) -> None:
    folds = [np.array([0, 1, 2, 0]), np.array([0, 1, 2, 1, 1, 1])]
    guesses = [np.array([0, 1, 2, 1]), np.array([0, 1, 0, 0, 1, 1])]
    parts = [
        Part.of(index(NAMES[t]), Answers(0.8 * np.eye(3)[g] + 0.1), SPACE)
        for t, g in zip(folds, guesses, strict=True)
    ]
    result = score(parts)
    assert [fold["accuracy"] for fold in result["folds"]] == [0.75, pytest.approx(4 / 6)]
    accuracies = [0.75, 4 / 6]
    assert result["metrics"]["accuracy"] == {
        "value": pytest.approx(np.mean(accuracies)),
        "sd": pytest.approx(np.std(accuracies, ddof=1)),
    }
    joined = reference.confusion_matrix(np.concatenate(folds), np.concatenate(guesses))
    assert result["confusion"] == joined.tolist()
    assert result["interval"] is None


@pytest.mark.parametrize("rule", ["probabilities", "logits", "vote"])
def test_clips_are_joined_by_the_rule(rule: Any) -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    clips = ["a", "a", "a", "b", "b", "c"]
    scores = np.array(
        [[0.5, 0.4, 0.1], [0.5, 0.4, 0.1], [0.01, 0.98, 0.01], [0.2, 0.7, 0.1], [0.4, 0.5, 0.1], [np.nan] * 3]
    )
    part = Part.of(index(NAMES[truth], clips=clips), Answers(scores, rule=rule), SPACE, "clip")
    result = score([part])
    # Clip a: two frames of three say calm, but the third says glad so surely that the means do too.
    frames = scores[:3]
    means = {"probabilities": frames.mean(axis=0), "logits": np.log(frames).mean(axis=0)}
    calm = rule == "vote" or means[rule].argmax() == 0
    assert result["confusion"] == [[int(calm), int(not calm), 0], [0, 1, 0], [0, 0, 0]]
    assert result["interval"]["units"] == "clips"
    told = values_of(result, "metrics_all")
    assert told["accuracy"] == pytest.approx((int(calm) + 1) / 3)  # no frame of clip c was found


def test_decisions_of_clips_are_averaged() -> None:
    scores = np.array([[3.0, 2.9, -1.0], [-5.0, 2.0, -1.0], [0.0, -2.0, 4.0]])
    part = Part.of(
        index(["glad", "glad", "tense"], clips=["a", "a", "b"]),
        Answers(scores, kind="decisions"),
        SPACE,
        "clip",
    )
    assert score([part])["confusion"] == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_both_kinds_of_answers_at_once(random: np.random.Generator) -> None:
    truth = random.choice(3, 50)
    labels = [None if i % 10 == 0 else name for i, name in enumerate(NAMES[truth])]
    target = random.uniform(-1, 1, (50, 2))
    target[3] = np.nan
    result = score(
        [Part.of(index(labels, target), Answers(shares(random, truth), target.copy() * 0.5), SPACE)]
    )
    assert result["metrics"]["accuracy"]["value"] > 0.5
    assert "ccc" in result["metrics"]
    # the face whose values are not known has no answer either, as its "prediction" is NaN here
    assert sum(map(sum, result["confusion"])) == sum(
        label is not None for i, label in enumerate(labels) if i != 3
    )


def test_one_dimension_alone_is_scored_alone(random: np.random.Generator) -> None:
    target = random.uniform(-1, 1, (40, 2))
    arousal = target[:, 1:] * 0.5
    result = score([Part.of(index([None] * 40, target), Answers(va=arousal, dimensions=("arousal",)), None)])
    assert {name.rpartition("_")[2] for name in result["metrics"]} == {"arousal"}
    assert result["metrics"]["pcc_arousal"]["value"] == pytest.approx(1)


def test_swapped_names_are_noticed(random: np.random.Generator) -> None:
    truth = random.choice(3, 300)
    swapped = shares(random, truth, 3.0)[:, [0, 2, 1]]
    (probe,) = score([Part.of(index(NAMES[truth]), Answers(swapped), SPACE)])["probes"]
    assert set(probe["classes"]) == {"glad", "tense"}
    assert probe["would_be"] > probe["accuracy"] + 0.3
    target = random.uniform(-1, 1, (100, 2))
    probes = score([Part.of(index([None] * 100, target), Answers(va=target[:, ::-1].copy()), None)])["probes"]
    assert probes[0]["change"] == "swap valence and arousal"


def test_table_of_answers_keeps_only_what_was_found() -> None:
    answers = Answers(np.eye(3), np.zeros((3, 2)))
    kept = answers.only(np.array([True, False, True]))
    assert kept.answered.tolist() == [True, False, True]
    assert answers.answered.all()
    assert pd.isna(kept.va[1]).all()  # type: ignore[index]


def test_thresholds_leave_what_they_say(random: np.random.Generator) -> None:
    truth = random.integers(3, size=400)
    given = shares(random, truth, 1.0)
    result = score([Part.of(index(NAMES[truth]), Answers(given), SPACE)])
    assert list(result["per_threshold"]) == [f"{0.05 * step:.2f}" for step in range(6, 20)]
    for name, told in result["per_threshold"].items():
        answered = given.max(axis=1) >= float(name)
        assert told["answered"] == pytest.approx(answered.mean())
        assert told["accuracy"] == pytest.approx((given.argmax(axis=1) == truth)[answered].mean())
    assert result["per_threshold"]["0.30"]["answered"] == 1  # of three classes
    decided = score([Part.of(index(NAMES[truth]), Answers(given, kind="decisions"), SPACE)])
    assert "per_threshold" not in decided

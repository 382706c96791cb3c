from __future__ import annotations

import argparse
import json
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes.records import make_record
from fakes.references import ccc
from sklearn.metrics import cohen_kappa_score, f1_score, recall_score, roc_auc_score

from affectzoo.benchmark.comparison import (
    Comparison,
    compare,
    groups_of,
    missing_as_wrong,
)
from affectzoo.errors import AffectZooError, DataError, UnknownNameError
from affectzoo.evaluation.predictions import read_table
from affectzoo.evaluation.record import read_records
from affectzoo.leaderboard.compare_command import command
from affectzoo.leaderboard.groups import groups
from affectzoo.leaderboard.report import report
from affectzoo.metrics.classification import class_metrics
from affectzoo.metrics.names import CLASS_METRICS, COMPARED
from affectzoo.metrics.regression import regression_metrics

CLASSES = ["surprise", "anger", "fear"]


def table_of(truth: list[str | None], scores: np.ndarray, **columns: Any) -> pd.DataFrame:
    chosen = [None if np.isnan(row).any() else CLASSES[row.argmax()] for row in scores]
    told = {f"p_{name}": scores[:, i] for i, name in enumerate(CLASSES)}
    names = [f"some/{i:03}.png" for i in range(len(truth))]
    return pd.DataFrame({"id": names, "fold": 0, "true_label": truth, "label": chosen, **told, **columns})


def drawn(faces: int, right: float, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Predictions of which this share is right, more or less; the same truth for any seed."""
    truth = np.random.default_rng(7).choice(3, faces, p=[0.5, 0.3, 0.2])
    random = np.random.default_rng(seed)
    scores = random.dirichlet([1, 1, 1], faces)
    told = np.where(random.random(faces) < right, truth, (truth + 1) % 3)
    scores[np.arange(faces), told] += 1
    return table_of([CLASSES[i] for i in truth], scores / 2, **columns)


def naive(units: np.ndarray, figure: Any, resamples: int) -> tuple[float, float]:
    """Percentile interval over resampled units, one resample after the other."""
    names = pd.unique(units)
    rows = [np.flatnonzero(units == name) for name in names]
    picks = np.random.default_rng(0).integers(0, len(names), (resamples, len(names)))
    found = [figure(np.concatenate([rows[i] for i in pick])) for pick in picks]
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def test_accuracy_against_a_naive_bootstrap_and_the_binomial() -> None:
    one, other = drawn(80, 0.8, 1), drawn(80, 0.6, 2)
    found = compare(one, other, "accuracy", first="A", second="B", resamples=200)
    right, wrong = (t["true_label"].eq(t["label"]).to_numpy(int) for t in (one, other))
    assert found.values == (pytest.approx(right.mean()), pytest.approx(wrong.mean()))
    assert found.difference == pytest.approx(right.mean() - wrong.mean())
    assert (found.low, found.high) == pytest.approx(
        naive(np.arange(80), lambda rows: (right - wrong)[rows].mean(), 200)
    )
    only_first, only_second = int((right > wrong).sum()), int((right < wrong).sum())
    told = only_first + only_second
    tail = sum(comb(told, k) for k in range(min(only_first, only_second) + 1)) / 2**told
    assert found.mcnemar is not None
    assert found.mcnemar.exact == pytest.approx(min(1, 2 * tail))
    assert (found.mcnemar.only_first, found.mcnemar.only_second) == (only_first, only_second)
    assert (found.faces, found.missing, found.folds) == (80, (0, 0), 1)
    assert (found.units, found.level) == ("faces", 0.95)


def test_several_runs_count_as_their_mean() -> None:
    some, others = [drawn(80, 0.8, seed) for seed in (1, 3)], [drawn(80, 0.6, seed) for seed in (2, 4, 5)]
    found = compare(some, others, "accuracy", first="A", second="B", resamples=200)
    right, wrong = (
        np.mean([t["true_label"].eq(t["label"]) for t in runs], axis=0) for runs in (some, others)
    )
    assert found.values == (pytest.approx(right.mean()), pytest.approx(wrong.mean()))
    assert (found.low, found.high) == pytest.approx(
        naive(np.arange(80), lambda rows: (right - wrong)[rows].mean(), 200)
    )
    assert (found.runs, found.mcnemar) == ((2, 3), None)
    assert found.verdict.endswith("); means over 2 and 3 runs, which other seeds would change, too")
    silent = [some[0], some[1].assign(label=[None, *some[1]["label"][1:]])]
    assert compare(silent, others, resamples=5).missing == (1, 0)
    with pytest.raises(DataError, match="run 1 of A and run 2 of A are not on the same faces"):
        compare([some[0], some[1].iloc[1:]], others, first="A", second="B")


def f1(table: pd.DataFrame) -> float:
    return float(f1_score(table["true_label"], table["label"], average="macro"))


def kappa(table: pd.DataFrame) -> float:
    return float(cohen_kappa_score(table["true_label"], table["label"]))


def recall(table: pd.DataFrame) -> float:
    return float(recall_score(table["true_label"], table["label"], average="macro"))


def auc(table: pd.DataFrame) -> float:
    return float(
        np.mean([roc_auc_score(table["true_label"] == name, table[f"p_{name}"]) for name in CLASSES])
    )


@pytest.mark.parametrize(
    ("metric", "figure"), [("f1", f1), ("multiclass_kappa", kappa), ("mean_diagonal", recall), ("auc", auc)]
)
def test_other_metrics_over_subjects(metric: str, figure: Any) -> None:
    persons = np.random.default_rng(3).choice(["x", "y", "z", "w"], 120)
    one, other = drawn(120, 0.8, 1, subject=persons), drawn(120, 0.6, 2, subject=persons)
    found = compare(one, other, metric, resamples=12)

    def difference(rows: np.ndarray) -> float:
        return float(figure(one.iloc[rows]) - figure(other.iloc[rows]))

    assert found.units == "subjects"
    assert found.difference == pytest.approx(difference(np.arange(120)))
    assert (found.low, found.high) == pytest.approx(naive(persons, difference, 12))
    assert found.mcnemar is None


def test_faces_are_joined_by_fold_and_id_in_any_order() -> None:
    one, other = drawn(60, 0.8, 1, fold=[0, 1] * 30), drawn(60, 0.6, 2, fold=[0, 1] * 30)
    expected = compare(one, other, resamples=50)
    shuffled = other.sample(frac=1, random_state=0)
    assert compare(one, shuffled, resamples=50) == expected
    assert expected.folds == 2
    assert "faces of 2 folds together" in expected.verdict


def test_other_faces_are_named() -> None:
    one, other = drawn(5, 0.8, 1), drawn(5, 0.8, 2)
    told = r"A and B are not on the same faces: 3 are only of one, first some/003\.png \(fold 0\), only of A"
    with pytest.raises(DataError, match=told):
        compare(one, other.drop(3).replace("some/004.png", "some/009.png"), first="A", second="B")
    with pytest.raises(DataError, match=r"B: the face some/004\.png is there twice"):
        compare(one, pd.concat([other, other.tail(1)]), first="A", second="B")


def test_another_truth_is_named() -> None:
    one, other = drawn(5, 0.8, 1), drawn(5, 0.8, 2)
    other.loc[2, "true_label"] = "fear" if one["true_label"][2] != "fear" else "anger"
    with pytest.raises(DataError, match=r"disagree on the truth: label of some/002\.png"):
        compare(one, other)


TRUTH = [*["anger"] * 6, *["fear"] * 3, "surprise"]


def test_faces_without_an_answer_are_wrong() -> None:
    scores = np.eye(3)[[CLASSES.index(name) for name in TRUTH]]
    silent = scores.copy()
    silent[[0, 1, 6]] = np.nan
    found = compare(table_of(TRUTH, scores), table_of(TRUTH, silent), first="A", second="B", resamples=20)
    assert found.values == (1.0, pytest.approx(0.7))
    assert found.missing == (0, 3)
    assert found.mcnemar is not None and found.mcnemar.only_first == 3
    assert found.verdict.endswith("; 3 faces without an answer of B count as wrong")
    averaged = {
        "mean_diagonal": (4 / 6 + 2 / 3 + 1) / 3,
        "f1": (2 * 4 / (6 + 4) + 2 * 2 / (3 + 2) + 1) / 3,
        "f1_top2": (2 * 4 / (6 + 4) + 2 * 2 / (3 + 2) + 1) / 3,
        # The share of pairs that are in order: silent faces are below all others of another class.
        "auc": (4 * 4 / (6 * 4) + 2 * 7 / (3 * 7) + 1) / 3,
    }
    for metric, value in averaged.items():
        told = compare(table_of(TRUTH, scores), table_of(TRUTH, silent), metric, resamples=5)
        assert told.values == (1.0, pytest.approx(value)), metric


def test_missing_as_wrong_changes_nothing_else() -> None:
    random = np.random.default_rng(0)
    scores, labels = random.normal(size=(50, 4)), random.integers(-1, 4, 50)
    plain = class_metrics(scores, labels).averages()
    padded = class_metrics(missing_as_wrong(scores, labels), labels).averages()
    for name, value in plain.items():
        assert padded[name].item() == pytest.approx(value.item()), name


def test_without_any_answer_all_is_wrong() -> None:
    scores = missing_as_wrong(np.full((3, 2), np.nan), np.array([0, 1, -1]))
    assert scores.shape == (3, 3)
    assert class_metrics(scores, np.array([0, 1, -1])).accuracy.item() == 0


def test_faces_without_a_label_do_not_count() -> None:
    scores = np.eye(3)[[CLASSES.index(name) for name in TRUTH]]
    truth = [None, *TRUTH[1:]]
    assert compare(table_of(truth, scores), table_of(truth, scores), resamples=5).faces == 9
    with pytest.raises(DataError, match="no face has what accuracy needs"):
        compare(table_of([None] * 10, scores), table_of([None] * 10, scores))


def test_named_classes_are_enough_but_not_for_rankings() -> None:
    one, other = drawn(40, 0.8, 1), drawn(40, 0.6, 2)
    bare = other.drop(columns=[f"p_{name}" for name in CLASSES])
    for metric in ("accuracy", "f1", "multiclass_kappa"):
        assert compare(one, bare, metric, resamples=20) == compare(one, other, metric, resamples=20)
    assert compare(bare, bare, resamples=5).values == compare(other, other, resamples=5).values
    with pytest.raises(DataError, match="B names classes only: auc needs scores"):
        compare(one, bare, "auc", second="B")


def test_other_classes_are_refused() -> None:
    one = drawn(10, 0.8, 1)
    other = one.rename(columns={"p_fear": "p_disgust"})
    with pytest.raises(
        DataError, match="A has the classes surprise, anger, fear, B has surprise, anger, dis"
    ):
        compare(one, other, first="A", second="B")


def affect(faces: int, noise: float, seed: int, **columns: Any) -> pd.DataFrame:
    truth = np.random.default_rng(7).uniform(-1, 1, (faces, 2))
    told = truth + np.random.default_rng(seed).normal(0, noise, (faces, 2))
    names = [f"some/{i:03}.png" for i in range(faces)]
    values = {name: (told[:, i], truth[:, i]) for i, name in enumerate(AFFECT)}
    said = {f"{kind}{name}": pair[i] for name, pair in values.items() for i, kind in enumerate(("", "true_"))}
    return pd.DataFrame({"id": names, "fold": 0, **said, **columns})


def mean_ccc(table: pd.DataFrame) -> float:
    return float(np.mean([ccc(table[d].to_numpy(), table[f"true_{d}"].to_numpy()) for d in AFFECT]))


AFFECT = ("valence", "arousal")


def test_ccc_over_clips() -> None:
    clips = np.repeat(["k", "l", "m", "n"], 25)
    one, other = affect(100, 0.2, 1, clip=clips), affect(100, 0.4, 2, clip=clips)
    found = compare(one, other, resamples=40)
    assert found.metric == "ccc" and found.units == "clips" and found.mcnemar is None
    assert found.difference == pytest.approx(mean_ccc(one) - mean_ccc(other))
    low, high = naive(clips, lambda rows: mean_ccc(one.iloc[rows]) - mean_ccc(other.iloc[rows]), 40)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.better == "first"
    assert " over clips " in found.verdict


def test_an_error_is_better_when_lower() -> None:
    one, other = affect(100, 0.2, 1), affect(100, 0.4, 2)
    found = compare(one, other, "rmse_arousal", first="A", second="B", resamples=100)

    def rmse(table: pd.DataFrame) -> float:
        return float(np.sqrt(np.mean((table["true_arousal"] - table["arousal"]) ** 2)))

    assert found.difference == pytest.approx(rmse(one) - rmse(other)) and found.high < 0
    assert found.better == "A"
    size = rmse(other) - rmse(one)
    ends = f"{-found.high:.4f} to {-found.low:.4f}"
    assert found.verdict == f"A is better by {size:.4f} rmse_arousal (95 % interval {ends})"


@pytest.mark.parametrize("metric", [name for name in COMPARED if name not in (*CLASS_METRICS, "ccc")])
def test_every_value_metric_is_that_of_the_regression_module(metric: str) -> None:
    one, other = affect(30, 0.2, 1), affect(30, 0.4, 2)
    name, _, dimension = metric.partition("_")
    values = [
        regression_metrics(*t[[dimension, f"true_{dimension}"]].to_numpy(copy=True).T)[name].item()
        for t in (one, other)
    ]
    assert compare(one, other, metric, resamples=2).values == tuple(map(pytest.approx, values))


def test_values_without_an_answer_are_zero() -> None:
    one, other = affect(20, 0.2, 1), affect(20, 0.2, 1)
    other.loc[[3, 4], ["valence", "arousal"]] = np.nan
    found = compare(one, other, first="A", second="B", resamples=5)
    assert found.values == (pytest.approx(mean_ccc(one)), pytest.approx(mean_ccc(other.fillna(0.0))))
    assert found.missing == (0, 2)
    assert found.verdict.endswith("2 faces without an answer of B count as 0")


def test_what_a_metric_needs() -> None:
    one = affect(10, 0.2, 1)
    with pytest.raises(DataError, match="B: ccc needs columns arousal"):
        compare(one, one.drop(columns="arousal"), second="B")
    assert compare(one, one.drop(columns="arousal"), "ccc_valence", resamples=2).difference == 0
    with pytest.raises(DataError, match="first: accuracy needs columns label and true_label"):
        compare(one, one, "accuracy")
    with pytest.raises(UnknownNameError, match=r"unknown metric 'acuracy': did you mean accuracy"):
        compare(one, one, "acuracy")


def test_class_metrics_are_all_averages() -> None:
    averages = class_metrics(np.eye(3), np.arange(3)).averages()
    assert set(CLASS_METRICS) == set(averages)


def made(low: float, high: float, metric: str = "accuracy", **other: Any) -> Comparison:
    values: dict[str, Any] = {"difference": (low + high) / 2, "low": low, "high": high, "level": 0.95}
    return Comparison(
        "A", "B", metric, (0.8, 0.7), **values, units="faces", faces=9, **{"missing": (0, 0), **other}
    )


BETTER, EQUAL = " is better by 0.0120", "no difference found between A and B: accuracy differs by"
ENDS = "(95 % interval 0.0040 to 0.0200)"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (made(0.004, 0.02), f"A{BETTER} accuracy {ENDS}"),
        (made(-0.02, -0.004), f"B{BETTER} accuracy {ENDS}"),
        (made(0.004, 0.02, "mse_valence"), f"B{BETTER} mse_valence {ENDS}"),
        (made(-0.02, -0.004, "rmse_arousal"), f"A{BETTER} rmse_arousal {ENDS}"),
        (made(-0.03, 0.01), f"{EQUAL} -0.0100 (95 % interval -0.0300 to 0.0100)"),
        (made(0.0, 0.0), f"{EQUAL} 0.0000 (95 % interval 0.0000 to 0.0000)"),
        (made(float("nan"), 0.1, "auc"), "auc is undefined on these faces; A and B not compared"),
    ],
)
def test_verdicts(found: Comparison, verdict: str) -> None:
    assert found.verdict == verdict


def test_as_json() -> None:
    told = compare(drawn(40, 0.9, 1), drawn(40, 0.5, 2), first="A", second="B", resamples=20).to_dict("P")
    assert json.loads(json.dumps(told)) == told
    assert (told["group"], told["first"], told["second"], told["metric"]) == ("P", "A", "B", "accuracy")
    assert told["faces"] == 40 and told["missing"] == [0, 0]
    assert 0 < told["low"] < told["difference"] < told["high"]
    assert told["p_exact"] < 0.05
    assert told["verdict"].startswith("A is better by")
    nothing = made(float("nan"), 0.1).to_dict()
    assert nothing["low"] is None and nothing["p_exact"] is None and nothing["group"] is None


def test_groups_are_subjects_else_clips_else_faces() -> None:
    table = pd.DataFrame({"subject": ["a", "a", "b"], "clip": ["1", "2", "3"]})
    units, groups = groups_of(table)
    assert units == "subjects" and groups is not None and groups.tolist() == ["a", "a", "b"]
    assert groups_of(table.assign(subject="a"))[0] == "clips"
    assert groups_of(table.assign(subject=["a", None, "b"]))[0] == "clips"
    assert groups_of(table.assign(subject=None, clip=[None, "2", "3"])) == ("faces", None)
    assert groups_of(table[[]]) == ("faces", None)


def test_a_table_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    scores = np.array([[0.5, 0.25, 0.25], [np.nan] * 3])
    told = table_of(["none", None], scores, subject=["007", "NA"])
    told.to_csv(path, index=False)
    found = read_table(path)
    assert found["subject"].tolist() == ["007", "NA"]
    assert found["true_label"][0] == "none" and pd.isna(found["true_label"][1])
    assert found["label"][0] == "surprise" and pd.isna(found["label"][1])
    older = {"label": "predicted_label", "true_label": "label", "file": "path"}
    told.assign(file="x.png").rename(columns=older).to_csv(path, index=False)
    assert read_table(path)["label"][0] == "surprise" and read_table(path)["true_label"][0] == "none"
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        read_table(tmp_path / "gone.csv")
    path.write_text("path\na.png\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.csv: no column id"):
        read_table(path)
    for cell, told in (("valence", "holds text, expected numbers"), ("inf", "holds an infinite number")):
        path.write_text(f"id,valence\na.png,0.5\nb.png,{cell}\n", encoding="utf-8")
        with pytest.raises(DataError, match=rf"a\.csv: valence {told}"):
            read_table(path)


@pytest.mark.parametrize(
    ("line", "told"),
    [("some/b.png,anger,1", "3 fields"), ("some/b.png", "1 field"), (",anger", "without id")],
)
def test_lines_of_another_length_are_refused(line: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,label\nsome/a.png,anger\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"a\.csv(, line 3)?: .*{told}"):
        read_table(path)
    path.write_text(f"id,label\n{line}\n{line}\n", encoding="utf-8")  # pandas: an index, or missing labels
    with pytest.raises(DataError, match=told):
        read_table(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("records", "predictions"):
        (tmp_path / part).mkdir()
    runs = {"p-A-1": ("A", 0.9, 1), "p-B-2": ("B", 0.5, 2), "p-B-3": ("B", 0.6, 3)}
    for key, (system, right, seed) in runs.items():
        record = make_record(system, seed=seed, key=key, protocol={"name": "p"})
        (tmp_path / "records" / f"{key}.json").write_text(json.dumps(record), encoding="utf-8")
        drawn(60, right, seed).to_csv(tmp_path / "predictions" / f"{key}.csv", index=False)
    return tmp_path


def options(folder: Path, first: str, second: str, **other: Any) -> argparse.Namespace:
    return argparse.Namespace(
        folder=folder, first=first, second=second, **{"metric": None, "json": False, **other}
    )


def test_command_prints_the_verdict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(options(folder, "A", "p-B-2"))
    shown = capsys.readouterr().out
    expected = compare(drawn(60, 0.9, 1), drawn(60, 0.5, 2), first="A", second="B")
    assert f"{expected.verdict}." in shown.replace("\n", " ")
    assert f"{expected.values[0]:.4f}" in shown


def test_command_prints_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(options(folder, "p-B-2", "p-B-3", metric="f1", json=True))
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["group"], told["metric"]) == ("p, seeds 2, 3", "f1")
    assert (told["first"], told["second"]) == ("p-B-2", "p-B-3")


def test_command_compares_run_by_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for key, seed in (("p-C-4", 3), ("p-C-5", 2)):
        record = make_record("C", seed=seed, key=key, protocol={"name": "p"})
        (folder / "records" / f"{key}.json").write_text(json.dumps(record), encoding="utf-8")
        drawn(60, 0.7, seed).to_csv(folder / "predictions" / f"{key}.csv", index=False)
    command(options(folder, "B", "C", json=True))
    told = json.loads(capsys.readouterr().out)
    assert [(one["group"], one["runs"]) for one in told] == [
        ("p, seeds 2, 3", [2, 2]),
        ("p, seed 2", [1, 1]),
        ("p, seed 3", [1, 1]),
    ]
    assert told[0]["difference"] == pytest.approx((told[1]["difference"] + told[2]["difference"]) / 2)
    command(options(folder, "A", "C", json=True))  # one run against the mean of two
    (told,) = json.loads(capsys.readouterr().out)
    assert told["runs"] == [1, 2] and told["p_exact"] is None


def test_command_calls_runs_by_their_keys_and_compares_none_with_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = make_record("B", seed=4, key="p-B-4", protocol={"name": "p"})
    (folder / "records" / "p-B-4.json").write_text(json.dumps(record), encoding="utf-8")
    for first, second in (("p-B-2", "B"), ("B", "B"), ("p-B-2", "p-B-2")):
        with pytest.raises(AffectZooError, match=r"p-B-2.* would be compared with itself"):
            command(options(folder, first, second))
    other = json.loads((folder / "records" / "p-A-1.json").read_text(encoding="utf-8")) | {"model": None}
    (folder / "records" / "p-A-1.json").write_text(
        json.dumps({**other, "kind": "external"}), encoding="utf-8"
    )
    command(options(folder, "A", "p-B-2", json=True))
    assert json.loads(capsys.readouterr().out)[0]["group"] == "p, seed 2"


def published(folder: Path) -> None:
    """Make the folder's records those of a protocol that there is."""
    for path in (folder / "records").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["protocol"]["name"] = "ferplus_valid"
        path.write_text(json.dumps(record), encoding="utf-8")


def test_pages_without_predictions_keep_what_was_compared(folder: Path) -> None:
    told: list[str] = []
    published(folder)
    report(folder, told.append)
    first = json.loads((folder / "comparisons.json").read_text(encoding="utf-8"))
    assert told == [] and [(one["records"], one["runs"]) for one in first] == [
        (["p-A-1", "p-B-2", "p-B-3"], [1, 2])
    ]
    (folder / "predictions" / "p-B-3.csv").unlink()
    report(folder, told.append)
    assert json.loads((folder / "comparisons.json").read_text(encoding="utf-8")) == first
    assert told == [f"{made_heading(folder)}: predictions of B are not in {folder}"]
    (folder / "comparisons.json").unlink()
    report(folder)
    (one,) = json.loads((folder / "comparisons.json").read_text(encoding="utf-8"))
    assert one["difference"] is None and one["verdict"] == "not compared: no predictions"
    assert "not compared: no predictions" in (folder / "leaderboard.md").read_text(encoding="utf-8")


def made_heading(folder: Path) -> str:
    (group,) = groups(read_records(folder))
    return group.heading


def test_one_name_for_results_of_other_kinds(folder: Path) -> None:
    """A row whose runs do not all have the metric has no figure, and is not compared."""
    record = make_record("B", seed=4, key="p-B-4", protocol={"name": "p"})
    record["metrics"] = {"ccc": record["metrics"]["accuracy"]}
    (folder / "records" / "p-B-4.json").write_text(json.dumps(record), encoding="utf-8")
    published(folder)
    report(folder)
    assert json.loads((folder / "comparisons.json").read_text(encoding="utf-8")) == []


def test_command_says_what_there_is(folder: Path, tmp_path: Path) -> None:
    record = json.loads((folder / "records" / "p-B-3.json").read_text(encoding="utf-8"))
    record["protocol"]["hash"] = "f" * 64
    (folder / "records" / "p-B-3.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(AffectZooError, match="A and p-B-3 were not measured on the same faces"):
        command(options(folder, "A", "p-B-3"))
    with pytest.raises(UnknownNameError, match=r"unknown system 'C': .*A"):
        command(options(folder, "C", "A"))
    with pytest.raises(AffectZooError, match="no records"):
        command(options(tmp_path / "empty", "A", "B"))
    (folder / "predictions" / "p-A-1.csv").unlink()
    with pytest.raises(DataError, match=r"p-A-1\.csv: no such file"):
        command(options(folder, "A", "p-B-2"))
